import type { DialTarget } from '#framework/network'
import {
  Backoff,
  Mailbox,
  TaskScope,
  messageOf,
  silentLogger,
  systemClock,
  systemRandom,
  type Clock,
  type Digest,
  type Logger,
  type Random,
} from '#framework/primitives'
import { Alarm } from '../alarm.js'
import type { BootstrapSource } from '../bootstrap.js'
import { Bep44Client } from './bep44-client.js'
import { declareDhtMetrics, type DhtMetrics } from './dht-metrics.js'
import { checkBootstrap, dhtSettingsOf, type DhtOptions, type DhtSettings } from './dht-options.js'
import type { PacketResult } from './guarded-socket.js'
import { epochAt, epochSeeds, slotRoot, slotSeeds } from './slot-keys.js'
import { SlotPlan } from './slot-plan.js'
import { slotsOf } from './slot-set.js'
import { SlotVisitor, type SlotSet } from './slot-visitor.js'

/** How many members that were found wait to be taken. */
const FOUND_MAX = 64

/** Delays between attempts to start the client of the DHT. */
const START_AGAIN = { initialMs: 1_000, factor: 2, maxMs: 60_000 }

/** By how much the time between two polls grows for as long as nobody is found. */
const ISOLATED_GROWTH = 1.5

/** How much longer than it has to be a time between two polls may be, as a part of it. */
const JITTER = 1 / 3

/**
 * Peers anywhere, found with nothing but the network's name (and its secret, when it is closed) by the Mainline DHT of
 * BitTorrent: members put a signed record of where they are into one of sixteen slots, mutable items whose keys all
 * members can derive. While the candidates of this source are being read, the host is also published, if it has an
 * address within `addressScope`. When that ends, nothing of it is left but its record, which grows old.
 *
 * A candidate of this source is a peer that has been connected to and admitted already. What else may be in a slot is
 * not to be trusted and need not be; see docs/decisions/0010. Where the DHT cannot be reached, a warning says so once,
 * and it is tried again for as long as it takes.
 *
 * @throws MosaikError `DISCOVERY_OPTION_INVALID`, naming the option.
 */
export function dht(options: DhtOptions): BootstrapSource {
  const settings = dhtSettingsOf(options)
  checkBootstrap(options.bootstrap)
  const startedAtMs = (options.clock ?? systemClock).now()
  return {
    name: 'dht',
    async *candidates(signal) {
      const found = new Mailbox<DialTarget>({ capacity: FOUND_MAX })
      await using scope = new TaskScope({ parent: signal, onFailure: (cause) => found.end(cause) })
      const session = new DhtSession(options, settings, startedAtMs, found)
      scope.spawn('dht', () => session.run(scope.signal))
      for (;;) {
        const target = await found.take({ signal })
        if (target === undefined) return
        yield target
      }
    },
  }
}

/** One time of publishing and looking. */
class DhtSession {
  readonly #options: DhtOptions
  readonly #settings: DhtSettings
  readonly #clock: Clock
  readonly #random: Random
  readonly #logger: Logger
  readonly #metrics: DhtMetrics
  readonly #visitor: SlotVisitor
  readonly #alarm: Alarm
  readonly #root: Digest
  readonly #base: SlotSet
  /** The slots of the current epoch and of the one before, as far as they were needed. */
  readonly #epochs = new Map<number, SlotSet>()
  #client: Bep44Client | undefined
  #isolatedPollMs: number
  #polledAtMs = -Infinity
  #dueAtMs = -Infinity
  #warned = false

  constructor(options: DhtOptions, settings: DhtSettings, startedAtMs: number, found: Mailbox<DialTarget>) {
    const { host, clock = systemClock, random = systemRandom, logger = silentLogger } = options
    this.#options = options
    this.#settings = settings
    this.#clock = clock
    this.#random = random
    this.#logger = logger
    this.#metrics = declareDhtMetrics(host.metrics)
    this.#alarm = new Alarm(clock)
    this.#root = slotRoot(host)
    this.#base = this.#setOf(slotSeeds(this.#root))
    this.#isolatedPollMs = settings.isolatedPollMs
    this.#visitor = new SlotVisitor({
      host,
      announce: options.announce,
      settings,
      startedAtMs,
      clock,
      random,
      logger,
      metrics: this.#metrics,
      onMember: (target) => {
        if (!found.post(target)) this.#metrics.lost.add()
      },
    })
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { host } = this.#options
    const backoff = new Backoff(START_AGAIN, this.#random)
    let wasConnected = host.connections.value.size > 0
    const unsubscribers = [
      host.addresses.subscribe(() => this.#pollSoon()),
      host.connections.subscribe(({ size }) => {
        if (size === 0 && wasConnected) this.#pollSoon()
        wasConnected = size > 0
      }),
      this.#metrics.nodes.collect(() => this.#client?.nodes ?? 0),
    ]
    try {
      for (;;) {
        try {
          await this.#takePart(signal, () => backoff.reset())
        } catch (error) {
          signal.throwIfAborted()
          this.#metrics.starts.add(1, { result: 'failed' })
          this.#warn('the client of the DHT has failed and is started again', error)
        }
        await this.#clock.sleep(backoff.next(), { signal })
      }
    } finally {
      for (const unsubscribe of unsubscribers) unsubscribe()
    }
  }

  /** @throws When there is no client, or no more. */
  async #takePart(signal: AbortSignal, onStarted: () => void): Promise<void> {
    const { bootstrap } = this.#options
    const { port, bind } = this.#settings
    await using client = await Bep44Client.open({
      bootstrap,
      port,
      bind,
      onPacket: (result, error) => this.#onPacket(result, error),
    })
    using either = this.#clock.deadline(Infinity, signal, client.ended)
    this.#metrics.starts.add(1, { result: 'ok' })
    this.#client = client
    onStarted()
    try {
      for (;;) {
        await this.#poll(client, either.signal)
        while (this.#clock.monotonic() < this.#dueAtMs) await this.#alarm.wait(this.#dueAtMs, either.signal)
      }
    } finally {
      this.#client = undefined
    }
  }

  async #poll(client: Bep44Client, signal: AbortSignal): Promise<void> {
    this.#polledAtMs = this.#clock.monotonic()
    this.#dueAtMs = Infinity
    await this.#visitor.look(this.#base, client, signal)
    const isContested = this.#base.plan.isContested(this.#visitor.situation)
    await this.#visitor.publish(this.#base, client, signal)
    let retryAtMs = this.#base.plan.retryAtMs
    if (isContested) {
      this.#metrics.contested.add()
      retryAtMs = Math.min(retryAtMs, await this.#visitEpochs(client, signal))
    }
    if (client.nodes === 0) this.#warn('no node of the DHT can be reached')
    const intervalMs = this.#nextIntervalMs() * (1 + JITTER * this.#random.float())
    // Something may have happened meanwhile that asks for a poll earlier than that.
    this.#dueAtMs = Math.min(this.#dueAtMs, retryAtMs, this.#clock.monotonic() + intervalMs)
  }

  /** A record is put where the epoch is now, and looked for also where it was just before. */
  async #visitEpochs(client: Bep44Client, signal: AbortSignal): Promise<number> {
    const now = epochAt(this.#clock.now())
    for (const epoch of this.#epochs.keys())
      if (epoch !== now && epoch !== now - 1) this.#epochs.delete(epoch)
    const [current, previous] = [now, now - 1].map((epoch) => this.#epoch(epoch)) as [SlotSet, SlotSet]
    await Promise.all([current, previous].map((set) => this.#visitor.look(set, client, signal)))
    await this.#visitor.publish(current, client, signal)
    return current.plan.retryAtMs
  }

  #epoch(epoch: number): SlotSet {
    let set = this.#epochs.get(epoch)
    if (set === undefined) {
      set = this.#setOf(epochSeeds(this.#root, epoch))
      this.#epochs.set(epoch, set)
    }
    return set
  }

  #setOf(seeds: readonly Digest[]): SlotSet {
    const { ttlMs, maxDriftMs, isolatedPollMs } = this.#settings
    const plan = new SlotPlan({
      self: this.#options.host.peerId,
      slots: seeds.length,
      ttlMs,
      maxDriftMs,
      // A little less than the time to the next poll, so that it is not missed by a moment.
      recheckMs: 0.8 * isolatedPollMs,
      random: this.#random,
    })
    return { slots: slotsOf(seeds, this.#root), plan }
  }

  #nextIntervalMs(): number {
    const { pollMs, isolatedPollMs } = this.#settings
    if (this.#options.host.connections.value.size > 0) {
      this.#isolatedPollMs = isolatedPollMs
      return pollMs
    }
    const intervalMs = Math.min(this.#isolatedPollMs, pollMs)
    this.#isolatedPollMs = Math.min(this.#isolatedPollMs * ISOLATED_GROWTH, Math.max(pollMs, isolatedPollMs))
    return intervalMs
  }

  /** As soon as a node may poll that is alone, however often it is asked for. */
  #pollSoon(): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, this.#polledAtMs + this.#settings.isolatedPollMs)
    this.#alarm.ring()
  }

  #onPacket(result: PacketResult, error: unknown): void {
    this.#metrics.packets.add(1, { result })
    if (result === 'failed') {
      this.#logger.debug('a packet of the DHT was too much for the library', { error: messageOf(error) })
    }
  }

  /** Once: whoever is offline for long does not want to read it again and again. */
  #warn(message: string, cause?: unknown): void {
    const fields = cause === undefined ? {} : { error: messageOf(cause) }
    if (this.#warned) this.#logger.debug(message, fields)
    else this.#logger.warn(message, fields)
    this.#warned = true
  }
}
