import {
  TaskScope,
  Watch,
  isMosaikError,
  messageOf,
  shortId,
  type PeerId,
  type ReadonlyWatch,
  type Timer,
} from '#framework/primitives'
import { parseAddress } from '../addresses.js'
import { CloseReasons } from '../close-reason.js'
import { endpointOf, scopeOf } from './address-scope.js'
import { ObservedAddresses } from './observed-addresses.js'
import { PROBE, probeAnswer } from './probe-protocol.js'
import { ReachabilityVerdict, type Reachability } from './reachability.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { LinkService } from '../link-service.js'
import type { PeerConnection } from '../peer-connection.js'
import type { ReachMetrics } from './metrics.js'

/** After the first news of where we are seen: peers that connect at the same time are asked one by one all the same. */
const SETTLE_MS = 50
/** How long one probe may take, with the other side's dialling. */
const PROBE_MS = 6_000
/** How long the connection that a peer says it has made may take to show here. */
const SHOW_MS = 500
/** How far the time between probes may be from what it should be, as a part: not all nodes ask at once. */
const JITTER = 0.2

/** A peer that sees us from outside, and where. */
interface Witness {
  readonly connection: PeerConnection
  readonly ip: string
}

/**
 * Finds out whether this node can be dialled, by asking peers that see it at a public address to try. Asks nobody while
 * no such peer is connected, and then has no timer running.
 */
export class Prober {
  readonly #context: HostContext
  readonly #connections: Connections
  readonly #links: LinkService
  readonly #metrics: ReachMetrics
  readonly #listening: () => readonly string[]
  readonly #observed = new ObservedAddresses()
  readonly #verdict = new ReachabilityVerdict()
  readonly #reachability = new Watch<Reachability>(this.#verdict.value)
  readonly #external = new Watch<readonly string[]>([])
  /** By connection. As many as there are connections. */
  readonly #witnesses = new Map<string, Witness>()
  /** The peers asked since all were asked. */
  readonly #asked = new Set<PeerId>()
  readonly #scope = new TaskScope()
  readonly #unsubscribe: () => void
  #timer: Timer | undefined
  #isProbing = false

  /** @param listening The addresses this node listens on, without its peer id. */
  constructor(
    context: HostContext,
    connections: Connections,
    links: LinkService,
    metrics: ReachMetrics,
    listening: () => readonly string[],
  ) {
    this.#context = context
    this.#connections = connections
    this.#links = links
    this.#metrics = metrics
    this.#listening = listening
    this.#unsubscribe = connections.onAdmitted((connection) => this.#onAdmitted(connection))
  }

  get reachability(): ReadonlyWatch<Reachability> {
    return this.#reachability.asReadonly()
  }

  /** Addresses that lead here though no interface has them: a port that a router forwards. Without the peer id. */
  get external(): ReadonlyWatch<readonly string[]> {
    return this.#external.asReadonly()
  }

  /** This node is somewhere else now, or listens elsewhere: what was known is void, and is found out anew. */
  moved(reason: string): void {
    this.#observed.clear()
    this.#verdict.reset(reason)
    this.#asked.clear()
    this.#publish()
    // What the old connections say, they said before the move; the live ones are asked all the same.
    this.#schedule(SETTLE_MS)
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    this.#timer?.cancel()
    await this.#scope.close()
    this.#reachability.end()
    this.#external.end()
  }

  #onAdmitted(connection: PeerConnection): void {
    const { observed, transport, id } = connection
    if (observed === undefined || transport === 'relay') return
    const ip = ipIn(observed)
    const byIp = ipIn(connection.address)
    if (ip === undefined || byIp === undefined || scopeOf(ip) !== 'world') return
    this.#observed.note({ connection: id, by: connection.peer, byIp, ip })
    this.#witnesses.set(id, { connection, ip })
    void connection.gone.then(() => this.#onGone(connection))
    this.#publish()
    if (this.#reachability.value.status === 'unknown') this.#schedule(SETTLE_MS)
    else if (this.#timer === undefined && !this.#isProbing) this.#scheduleNext()
  }

  #onGone(connection: PeerConnection): void {
    this.#observed.ended(connection.id, this.#context.clock.monotonic())
    this.#witnesses.delete(connection.id)
    if (this.#witnesses.size > 0 || this.#scope.signal.aborted) return
    // Perhaps the uplink is lost; in any case nobody is left who could know.
    this.#timer?.cancel()
    this.#timer = undefined
    this.#asked.clear()
    this.#verdict.reset('no peer is connected that sees this node from outside')
    this.#publish()
  }

  #schedule(ms: number): void {
    if (this.#scope.signal.aborted || this.#witnesses.size === 0) return
    this.#timer?.cancel()
    this.#timer = this.#context.clock.after(ms, () => {
      this.#timer = undefined
      if (!this.#isProbing) this.#scope.spawn('probe', (signal) => this.#ask(signal))
    })
  }

  #scheduleNext(): void {
    const { random } = this.#context
    this.#schedule(this.#verdict.againMs * (1 + JITTER * (2 * random.float() - 1)))
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const witness = this.#nextWitness()
    if (witness === undefined) return
    this.#isProbing = true
    try {
      await this.#probe(witness, signal)
    } catch (error) {
      signal.throwIfAborted()
      // It went, or does not speak the protocol, or had enough of us.
      const isRefusal = isMosaikError(error, 'LINK_CLOSED')
      this.#metrics.probed(isRefusal ? 'refused' : 'failed')
      const { peer } = witness.connection
      this.#context.logger.debug('a probe failed', { peer: shortId(peer), cause: messageOf(error) })
    } finally {
      this.#isProbing = false
    }
    this.#publish()
    this.#scheduleNext()
  }

  /** Everybody in turn. */
  #nextWitness(): Witness | undefined {
    const all = [...this.#witnesses.values()]
    const fresh = all.filter(({ connection }) => !this.#asked.has(connection.peer))
    if (fresh.length === 0) this.#asked.clear()
    const [next] = fresh.length === 0 ? all : fresh
    if (next !== undefined) this.#asked.add(next.connection.peer)
    return next
  }

  async #probe({ connection, ip }: Witness, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    const addresses = this.#observed.candidates(ip, this.#listening())
    if (addresses.length === 0) {
      this.#verdict.hopeless('this node listens on no address that another machine could dial')
      return
    }
    using deadline = clock.deadline(PROBE_MS, signal)
    using expected = this.#connections.expectProbe(connection.peer)
    const link = await this.#links.open(connection, PROBE, {
      payload: { addresses },
      signal: deadline.signal,
    })
    try {
      const { reached } = await link.recvMessage(probeAnswer, { signal: deadline.signal })
      const isSeen = reached !== undefined && addresses.includes(reached) && (await this.#shows(expected))
      if (isSeen) {
        this.#metrics.probed('reached')
        this.#observed.confirmed(reached, clock.monotonic())
        this.#verdict.reached(reached)
      } else {
        this.#metrics.probed('unreached')
        for (const address of addresses) this.#observed.refuted(address)
        const peers = new Set([...this.#witnesses.values()].map((witness) => witness.connection.peer))
        this.#verdict.unreached(connection.peer, addresses, peers.size > 1)
      }
    } finally {
      void link.close(CloseReasons.Success)
    }
  }

  /** A peer's word is not enough: the connection that it says it has made must have arrived here. */
  async #shows({ arrived }: { readonly arrived: Promise<void> }): Promise<boolean> {
    using patience = this.#context.clock.deadline(SHOW_MS)
    return await Promise.race([
      arrived.then(() => true),
      new Promise<boolean>((resolve) =>
        patience.signal.addEventListener('abort', () => resolve(false), { once: true }),
      ),
    ])
  }

  #publish(): void {
    this.#reachability.set(this.#verdict.value)
    const ours = this.#observed.ours(this.#context.clock.monotonic())
    const own = new Set(this.#listening())
    const external = ours.filter((address) => !own.has(address))
    const before = this.#external.value
    if (external.length !== before.length || external.some((address, i) => address !== before[i])) {
      this.#external.set(external)
    }
  }
}

function ipIn(text: string): string | undefined {
  try {
    return endpointOf(parseAddress(text))?.ip
  } catch {
    return undefined
  }
}
