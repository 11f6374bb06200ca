import { networkInterfaces } from 'node:os'
import type { DialTarget, Host } from '#framework/network'
import {
  Mailbox,
  MosaikError,
  TaskScope,
  TokenBucket,
  messageOf,
  silentLogger,
  systemClock,
  systemRandom,
  type Clock,
  type Logger,
  type Random,
} from '#framework/primitives'
import type { BootstrapSource } from './bootstrap.js'
import { linksOf, onLink, type MdnsLink } from './mdns-links.js'
import { declareMdnsMetrics, type MdnsMetrics } from './mdns-metrics.js'
import { MDNS_READ_BYTES_MAX, MdnsRecords, isAboutMosaik, type Sighting } from './mdns-records.js'
import { MdnsSchedule } from './mdns-schedule.js'
import { MdnsSightings } from './mdns-sightings.js'
import { MdnsSocket } from './mdns-socket.js'

/** The port of mDNS (RFC 6762 §3). */
const PORT = 5_353

/** How many sightings wait to be taken. */
const FOUND_MAX = 128

/** How often to look for links that have come or gone, and how soon to try again without multicast, in milliseconds. */
const LINKS_CHECK_MS = 10_000

/** How many packets are read: what a large network needs, and no more than a small machine can spare. */
const READ = { capacity: 256, perSecond: 128 }

/** How long saying goodbye may take, in milliseconds. */
const GOODBYE_MS = 200

/** How to find peers by multicast. Only `host` is required. */
export interface MdnsOptions {
  /** Who is advertised: its peer id and its addresses, within its network. */
  readonly host: Pick<Host, 'network' | 'peerId' | 'addresses' | 'metrics'>
  /** How often to ask who is there, in milliseconds; more often at first. At least 1 000. Default 60 000. */
  readonly intervalMs?: number
  /** UDP port. All hosts that are to find each other need the same. Default 5353, that of mDNS. */
  readonly port?: number
  /** Name or IPv4 address of the only interface to use. Default: all that have an IPv4 address. */
  readonly interface?: string
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/**
 * Peers on the same machine and in the same local networks, found without any configuration by multicast DNS. While the
 * candidates of this source are being read, the host is also advertised to others; when that ends, it says goodbye and
 * nothing of it is left. Where multicast is not to be had, a warning says so once, and it is tried again from time to
 * time. A running source does not keep the process alive.
 *
 * An advertisement shows, to anyone in the local network, the host's peer id and the addresses that can be reached from
 * there; of the network, a hash that tells those who know its name, and nobody else, which it is. What others advertise
 * is not to be trusted and need not be: a candidate becomes a peer once it has shown who it is.
 *
 * Multicast is sent by IPv4 only, though for addresses of either kind.
 *
 * @throws MosaikError `DISCOVERY_OPTION_INVALID`, naming the option.
 */
export function mdns(options: MdnsOptions): BootstrapSource {
  const { intervalMs = 60_000, port = PORT } = options
  if (!(intervalMs >= 1_000)) throw invalid('intervalMs', intervalMs, 'at least 1000')
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid('port', port, 'a port number')
  return {
    name: 'mdns',
    async *candidates(signal) {
      const found = new Mailbox<DialTarget>({ capacity: FOUND_MAX })
      await using scope = new TaskScope({ parent: signal, onFailure: (cause) => found.end(cause) })
      const session = new MdnsSession({ ...options, intervalMs, port }, found)
      scope.spawn('mdns', () => session.run(scope.signal))
      for (;;) {
        const target = await found.take({ signal })
        if (target === undefined) return
        yield target
      }
    },
  }
}

function invalid(option: string, value: unknown, must: string): MosaikError {
  return new MosaikError('DISCOVERY_OPTION_INVALID', `the mDNS option "${option}" must be ${must}`, {
    details: { option, value },
  })
}

type MdnsSettings = MdnsOptions & Required<Pick<MdnsOptions, 'intervalMs' | 'port'>>

interface ActiveLink {
  link: MdnsLink
  readonly schedule: MdnsSchedule
  announced: boolean
}

/** One time of advertising and looking. */
class MdnsSession {
  readonly #options: MdnsSettings
  readonly #found: Mailbox<DialTarget>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: MdnsMetrics
  readonly #records: MdnsRecords
  readonly #sightings: MdnsSightings
  readonly #bucket: TokenBucket
  /** By the address that stands for the link. */
  readonly #links = new Map<string, ActiveLink>()
  #failure: { readonly cause: unknown } | undefined
  #warned = false
  #rung = false
  #wake: (() => void) | undefined

  constructor(options: MdnsSettings, found: Mailbox<DialTarget>) {
    const { host, clock = systemClock, logger = silentLogger } = options
    this.#options = options
    this.#found = found
    this.#clock = clock
    this.#logger = logger
    this.#metrics = declareMdnsMetrics(host.metrics)
    this.#records = new MdnsRecords(host.network, host.peerId)
    this.#sightings = new MdnsSightings(clock.monotonic())
    this.#bucket = new TokenBucket(READ, clock.monotonic())
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const unsubscribe = this.#options.host.addresses.subscribe(() => this.#onAddresses())
    try {
      while (!signal.aborted) {
        try {
          await this.#takePart(signal)
        } catch (error) {
          this.#warn('this machine has no multicast, so that no peers are found by it', error)
        }
        await this.#wait(this.#clock.monotonic() + LINKS_CHECK_MS, signal)
      }
    } finally {
      unsubscribe()
    }
  }

  /** @throws The system's error when there is no socket, or no more. */
  async #takePart(signal: AbortSignal): Promise<void> {
    this.#failure = undefined
    await using socket = await MdnsSocket.open({
      port: this.#options.port,
      onPacket: (bytes, source) => this.#onPacket(bytes, source),
      onFailure: (cause) => {
        this.#failure = { cause }
        this.#ring()
      },
    })
    try {
      let linksAtMs = -Infinity
      while (!signal.aborted) {
        this.#throwIfFailed()
        if (this.#clock.monotonic() >= linksAtMs) {
          this.#updateLinks(socket)
          linksAtMs = this.#clock.monotonic() + LINKS_CHECK_MS
        }
        await this.#wait(Math.min(linksAtMs, await this.#speak(socket)), signal)
      }
      await this.#sayGoodbye(socket)
    } finally {
      this.#links.clear()
    }
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure.cause
  }

  #updateLinks(socket: MdnsSocket): void {
    const links = linksOf(networkInterfaces(), this.#options.interface)
    for (const address of this.#links.keys()) {
      if (links.some((link) => link.address === address)) continue
      this.#links.delete(address)
      socket.leave(address)
    }
    for (const link of links) {
      const known = this.#links.get(link.address)
      // The link may have got further addresses since.
      if (known) known.link = link
      else this.#join(socket, link)
    }
    if (this.#links.size === 0) this.#warn('there is no network interface to find peers on by multicast')
  }

  #join(socket: MdnsSocket, link: MdnsLink): void {
    try {
      socket.join(link.address)
    } catch (error) {
      this.#logger.debug('a network interface has no multicast', { link: link.name, error: messageOf(error) })
      return
    }
    const { intervalMs, random = systemRandom } = this.#options
    const schedule = new MdnsSchedule({ intervalMs, random }, this.#clock.monotonic())
    this.#links.set(link.address, { link, schedule, announced: false })
  }

  /** Sends what is due. Resolves to the time when more will be. */
  async #speak(socket: MdnsSocket): Promise<number> {
    let nextAtMs = Infinity
    for (const active of this.#links.values()) {
      const { query, announce, atMs } = active.schedule.next(this.#clock.monotonic())
      nextAtMs = Math.min(nextAtMs, atMs)
      if (query) await this.#send(socket, active, 'query', this.#records.query())
      if (announce) await this.#announce(socket, active)
    }
    return nextAtMs
  }

  async #announce(socket: MdnsSocket, active: ActiveLink): Promise<void> {
    const addresses = onLink(active.link, this.#options.host.addresses.value)
    if (addresses.length > 0) {
      const { bytes, omittedCount } = this.#records.announcement(addresses)
      this.#metrics.omitted.add(omittedCount)
      active.announced = true
      await this.#send(socket, active, 'announcement', bytes)
    } else if (active.announced) {
      // What was reachable from there has gone.
      active.announced = false
      await this.#send(socket, active, 'goodbye', this.#records.goodbye())
    }
  }

  async #sayGoodbye(socket: MdnsSocket): Promise<void> {
    using deadline = this.#clock.deadline(GOODBYE_MS)
    for (const active of this.#links.values()) {
      if (deadline.signal.aborted) return
      if (active.announced) await this.#send(socket, active, 'goodbye', this.#records.goodbye())
    }
  }

  async #send(
    socket: MdnsSocket,
    { link }: ActiveLink,
    kind: 'query' | 'announcement' | 'goodbye',
    bytes: Uint8Array,
  ): Promise<void> {
    try {
      await socket.send(bytes, link.address)
      this.#metrics.sent.add(1, { kind, result: 'ok' })
    } catch (error) {
      this.#metrics.sent.add(1, { kind, result: 'failed' })
      this.#warn(`could not send by multicast on ${link.name}`, error)
    }
  }

  #onPacket(bytes: Uint8Array, source: string): void {
    this.#metrics.received.add(1, { kind: this.#handlePacket(bytes, source) })
  }

  /** What was made of the packet. */
  #handlePacket(bytes: Uint8Array, source: string): string {
    const active = [...this.#links.values()].find(({ link }) => link.hears(source))
    // Systems deliver packets from links that other sockets have joined, too.
    if (!active) return 'elsewhere'
    if (bytes.length > MDNS_READ_BYTES_MAX) return 'oversized'
    if (!isAboutMosaik(bytes)) return 'unrelated'
    const nowMs = this.#clock.monotonic()
    if (!this.#bucket.tryTake(nowMs)) return 'limited'
    const message = this.#records.read(bytes)
    if (message.kind === 'query') {
      active.schedule.onQuery(nowMs)
      this.#ring()
    } else if (message.kind === 'announcement') {
      for (const sighting of message.sightings) {
        this.#metrics.sightings.add(1, { result: this.#handleSighting(active.link, sighting, nowMs) })
      }
    }
    return message.kind
  }

  #handleSighting(link: MdnsLink, sighting: Sighting, nowMs: number): string {
    const addresses = onLink(link, sighting.addresses)
    if (addresses.length === 0 && sighting.ttlSeconds > 0) return 'unreachable'
    const result = this.#sightings.see(link.address, { ...sighting, addresses }, nowMs)
    if (result !== 'new') return result
    this.#logger.debug('a peer was sighted by multicast', { peer: sighting.peer, addresses, link: link.name })
    return this.#found.post({ peer: sighting.peer, addresses }) ? 'new' : 'lost'
  }

  #onAddresses(): void {
    const nowMs = this.#clock.monotonic()
    for (const { schedule } of this.#links.values()) schedule.onChange(nowMs)
    this.#ring()
  }

  /** Once: whoever runs many nodes, or one for long, does not want to read it again and again. */
  #warn(message: string, cause?: unknown): void {
    const fields = cause === undefined ? {} : { error: messageOf(cause) }
    if (this.#warned) this.#logger.debug(message, fields)
    else this.#logger.warn(message, fields)
    this.#warned = true
  }

  #ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Until it is rung, the signal aborts, or the time has come. By a deadline, which does not keep the process alive. */
  async #wait(atMs: number, signal: AbortSignal): Promise<void> {
    using deadline = this.#clock.deadline(Math.max(atMs - this.#clock.monotonic(), 0), signal)
    if (!this.#rung && !deadline.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        deadline.signal.addEventListener('abort', () => resolve(), { once: true })
      })
      this.#wake = undefined
    }
    this.#rung = false
  }
}
