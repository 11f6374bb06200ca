import {
  MosaikError,
  TaskScope,
  Watch,
  isMosaikError,
  messageOf,
  shortId,
  type PeerId,
  type ReadonlyWatch,
} from '#framework/primitives'
import { publishableAddresses } from './relay-address.js'
import { HOP_PROTOCOL, exchangeOn, relayCodecs, type HopMessage } from './relay-messages.js'
import { ReservationPlan, type RelayTarget } from './reservation-plan.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { PeerConnection } from '../peer-connection.js'
import type { ReachMetrics } from '../reach/metrics.js'
import type { ReachRelay } from './circuits.js'

/** A relay cannot make us wait longer than this before it is asked again, or come back sooner than the other. */
const TTL_MS = { min: 2_000, max: 24 * 60 * 60_000 } as const

/** Keeps a place at relays, for as long as this node needs one. */
export class Reservations {
  readonly #context: HostContext
  readonly #connections: Connections
  readonly #metrics: ReachMetrics
  readonly #reachRelay: ReachRelay
  readonly #plan: ReservationPlan
  readonly #addresses = new Watch<readonly string[]>([])
  readonly #scope = new TaskScope()
  readonly #unregister: () => void
  /** The connection by which each reservation stands or falls. */
  readonly #watched = new Map<PeerId, string>()
  /** Wakes the worker, when it waits. */
  #wake = Promise.withResolvers<void>()
  #isRunning = false

  constructor(context: HostContext, connections: Connections, metrics: ReachMetrics, reachRelay: ReachRelay) {
    this.#context = context
    this.#connections = connections
    this.#metrics = metrics
    this.#reachRelay = reachRelay
    this.#plan = new ReservationPlan(context.random)
    this.#unregister = metrics.relaysHeld.collect(() => this.#plan.held.length)
  }

  /** Where this node can be reached over relays, without its peer id. */
  get addresses(): ReadonlyWatch<readonly string[]> {
    return this.#addresses.asReadonly()
  }

  /** Whether this node has a place at that relay, or is about to get one. */
  isHeld(relay: PeerId): boolean {
    return this.#plan.isHeld(relay)
  }

  /** The relays at which it has one. */
  get relays(): readonly PeerId[] {
    return this.#plan.held.map(({ peer }) => peer)
  }

  setTargets(targets: readonly RelayTarget[]): void {
    this.#plan.setTargets(targets.filter(({ peer }) => peer !== this.#context.identity.peerId))
    this.#onNews()
  }

  want(isWanted: boolean): void {
    this.#plan.want(isWanted)
    this.#onNews()
  }

  async close(): Promise<void> {
    this.#unregister()
    await this.#scope.close()
    this.#addresses.end()
  }

  #onNews(): void {
    this.#publish()
    this.#wake.resolve()
    const isIdle =
      this.#plan.due(this.#context.clock.monotonic()) === undefined && this.#plan.nextAt === undefined
    if (this.#isRunning || isIdle) return
    this.#isRunning = true
    this.#scope.spawn('relays', (signal) => this.#run(signal))
  }

  #publish(): void {
    const now = this.#plan.held.flatMap(({ addresses }) => addresses)
    const before = this.#addresses.value
    if (now.length !== before.length || now.some((address, i) => address !== before[i]))
      this.#addresses.set(now)
  }

  /** Runs while there is anything to wait for, so that a node without relays costs nothing. */
  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    try {
      for (;;) {
        this.#wake = Promise.withResolvers<void>()
        const target = this.#plan.due(clock.monotonic())
        if (target !== undefined) {
          await this.#reserve(target, signal)
          continue
        }
        const { nextAt } = this.#plan
        if (nextAt === undefined) return
        using timer = clock.deadline(Math.max(0, nextAt - clock.monotonic()), signal)
        await Promise.race([this.#wake.promise, aborted(timer.signal)])
        signal.throwIfAborted()
      }
    } finally {
      this.#isRunning = false
    }
  }

  async #reserve({ peer, addresses }: RelayTarget, signal: AbortSignal): Promise<void> {
    const { clock, limits, logger } = this.#context
    try {
      using deadline = clock.deadline(limits.openTimeoutMs, signal)
      const connection = await this.#reachRelay(peer, addresses, deadline.signal)
      if (connection.transport === 'relay') {
        throw new MosaikError('RELAY_REFUSED', 'the relay can only be reached over another one')
      }
      const { expire, addrs } = await this.#request(connection, deadline.signal)
      const ttlMs = Math.min(Math.max(Number(expire) * 1000 - clock.now(), TTL_MS.min), TTL_MS.max)
      const published = publishableAddresses(connection, addrs)
      if (!this.#plan.granted(peer, published, ttlMs, clock.monotonic())) return
      this.#metrics.reserved('ok')
      this.#watch(peer, connection)
    } catch (error) {
      signal.throwIfAborted()
      this.#metrics.reserved(isMosaikError(error, 'RELAY_REFUSED') ? 'refused' : 'failed')
      logger.debug('no place at a relay', { relay: shortId(peer), cause: messageOf(error) })
      this.#plan.lost(peer, clock.monotonic())
    }
    this.#publish()
  }

  async #request(connection: PeerConnection, signal: AbortSignal) {
    const { HopMessage } = await relayCodecs()
    const maxOutboundStreams = this.#context.limits.quic.streamsMax
    const stream = await connection.libp2p.newStream(HOP_PROTOCOL, { signal, maxOutboundStreams })
    try {
      const hop = exchangeOn<HopMessage>(stream, HopMessage)
      await hop.write({ type: 'RESERVE' }, signal)
      const { status, reservation } = await hop.read(signal)
      if (status !== 'OK' || reservation === undefined) {
        throw new MosaikError('RELAY_REFUSED', `the relay says ${status ?? 'nothing'}`, {
          details: { status },
        })
      }
      void stream.close({ signal }).catch(() => {})
      return reservation
    } catch (error) {
      stream.abort(new Error(messageOf(error)))
      throw error
    }
  }

  /** A reservation is worth nothing without a connection over which the relay can pass on who calls. */
  #watch(relay: PeerId, connection: PeerConnection): void {
    if (this.#watched.get(relay) === connection.id) return
    this.#watched.set(relay, connection.id)
    void connection.gone.then(() => {
      if (this.#watched.get(relay) !== connection.id) return
      this.#watched.delete(relay)
      if (this.#scope.signal.aborted || !this.#plan.isHeld(relay)) return
      const other = this.#connections.direct(relay)
      if (other !== undefined) {
        this.#watch(relay, other)
        return
      }
      this.#plan.lost(relay, this.#context.clock.monotonic())
      this.#onNews()
    })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
