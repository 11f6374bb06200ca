import {
  TaskScope,
  invariant,
  isMosaikError,
  messageOf,
  shortId,
  raceSignal,
  type PeerId,
  type Timer,
} from '#framework/primitives'
import { CloseReasons, LinkClosedError, closeReason } from '../close-reason.js'
import { PunchExchange, type PunchExchangeParts, type PunchOutcome } from './punch-exchange.js'
import { PunchPlan } from './punch-plan.js'
import { PUNCH, addressesToTell, punchAddresses } from './punch-protocol.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { LinkService } from '../link-service.js'
import type { Link } from '../link.js'
import type { PeerConnection } from '../peer-connection.js'
import type { ReachMetrics } from './metrics.js'

/** Attempts of other nodes in which this one takes part at once; one more is refused, and comes again. */
const SERVED_MAX = 8
/** What the two of them may take for one attempt, in all. */
const ATTEMPT_MS = 15_000
/** How long a link that is to be opened waits for something better than the relayed connection. */
const SETTLE_MS = 2_000

export interface PuncherParts extends PunchExchangeParts {
  readonly context: Pick<HostContext, 'clock' | 'random' | 'logger' | 'transports' | 'identity'>
  readonly connections: Pick<Connections, 'onAdmitted' | 'best' | 'direct' | 'of'>
  readonly links: Pick<LinkService, 'open' | 'serve'>
  readonly metrics: ReachMetrics
}

/** A relayed connection that may become a direct one. */
interface Relayed {
  readonly connection: PeerConnection
  /** Settled when the first attempt to replace it is over. Nobody waits for another one, which may come to nothing too. */
  readonly tried: PromiseWithResolvers<void>
}

/**
 * Replaces relayed connections by direct ones: by dialling back, where the peer that called can be dialled, and else by
 * punching holes into the NATs of both. What already runs over the relay stays there until it ends; what comes after
 * takes the direct way.
 */
export class Puncher {
  readonly #parts: PuncherParts
  readonly #exchange: PunchExchange
  readonly #plan: PunchPlan
  /** By the connection's id. As many as there are connections. */
  readonly #relayed = new Map<string, Relayed>()
  /** The attempts that this node has begun, by peer. */
  readonly #opened = new Map<PeerId, AbortController>()
  readonly #scope = new TaskScope()
  readonly #cleanups: (() => void)[]
  /** Runs only while a relayed connection waits for its next attempt. */
  #timer: Timer | undefined
  #servedCount = 0

  constructor(parts: PuncherParts) {
    this.#parts = parts
    this.#exchange = new PunchExchange(parts)
    this.#plan = new PunchPlan(parts.context.random)
    this.#cleanups = [
      parts.connections.onAdmitted((connection) => this.#onAdmitted(connection)),
      parts.links.serve(PUNCH, (link, accept) => this.#serve(link, accept)),
    ]
  }

  /**
   * The connection to use for a new link: a better one than this, when it is relayed and a direct one comes about soon.
   *
   * @throws The signal's reason.
   */
  async settled(connection: PeerConnection, signal: AbortSignal): Promise<PeerConnection> {
    const relayed = this.#relayed.get(connection.id)
    if (relayed === undefined) return connection
    using patience = this.#parts.context.clock.deadline(SETTLE_MS, signal)
    try {
      await raceSignal(relayed.tried.promise, patience.signal)
    } catch {
      signal.throwIfAborted()
    }
    return this.#parts.connections.best(connection.peer) ?? connection
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups) cleanup()
    const closing = this.#scope.close()
    this.#timer?.cancel()
    await closing
    for (const { tried } of this.#relayed.values()) tried.resolve()
  }

  #onAdmitted(connection: PeerConnection): void {
    const { peer, id, transport, direction } = connection
    if (transport !== 'relay') {
      for (const relayed of this.#relayed.values()) {
        if (relayed.connection.peer === peer) this.#letBe(relayed)
      }
      return
    }
    const { connections, context } = this.#parts
    if (connections.direct(peer) !== undefined) return
    const relayed: Relayed = { connection, tried: Promise.withResolvers() }
    this.#relayed.set(id, relayed)
    void connection.gone.then(() => {
      this.#relayed.delete(id)
      this.#letBe(relayed)
    })
    if (direction === 'outbound') return
    this.#plan.add(id, peer, context.clock.monotonic())
    this.#proceed()
  }

  /** There is a direct connection, or the relayed one is gone: no further attempt. */
  #letBe({ connection, tried }: Relayed): void {
    this.#plan.delete(connection.id)
    tried.resolve()
    this.#proceed()
  }

  /** Begins the attempts whose time has come, and waits for that of the next one. */
  #proceed(): void {
    if (this.#scope.signal.aborted) return
    const { clock } = this.#parts.context
    const now = clock.monotonic()
    for (let id = this.#plan.begin(now); id !== undefined; id = this.#plan.begin(now)) {
      const relayed = this.#relayed.get(id)
      invariant(relayed !== undefined, 'the plan knows only relayed connections that are there')
      this.#scope.spawn('punch', (signal) => this.#attempt(relayed, signal))
    }
    this.#timer?.cancel()
    const { nextAt } = this.#plan
    this.#timer = nextAt === undefined ? undefined : clock.after(nextAt - now, () => this.#proceed())
  }

  /** The part of the opener, from the beginning to the end. */
  async #attempt({ connection, tried }: Relayed, closing: AbortSignal): Promise<void> {
    const { context } = this.#parts
    const { peer, id } = connection
    const withdrawal = new AbortController()
    this.#opened.set(peer, withdrawal)
    try {
      using deadline = context.clock.deadline(ATTEMPT_MS, closing, withdrawal.signal)
      const outcome = await this.#exchange.open(connection, deadline.signal)
      this.#onOutcome(connection, outcome)
    } catch (error) {
      closing.throwIfAborted()
      this.#onOutcome(connection, isRefusal(error) ? 'impossible' : 'failed')
      context.logger.debug('a relayed connection stays', { peer: shortId(peer), cause: messageOf(error) })
    } finally {
      if (this.#opened.get(peer) === withdrawal) this.#opened.delete(peer)
      tried.resolve()
      this.#plan.ended(id, context.clock.monotonic())
      this.#proceed()
    }
  }

  #onOutcome({ id }: PeerConnection, outcome: PunchOutcome): void {
    const { metrics } = this.#parts
    metrics.punched(outcome === 'impossible' ? 'failed' : outcome)
    // A success shows when the direct connection is admitted; should that fail, the next attempt has its turn.
    if (outcome === 'impossible') this.#plan.delete(id)
  }

  /** The part of who dialled the relayed connection. */
  async #serve(link: Link, accept: (payload?: unknown) => Promise<void>): Promise<void> {
    const { connections, metrics, own, context } = this.#parts
    const connection = connections.best(link.peer)
    const request = punchAddresses.safeParse(link.openPayload)
    if (connection?.transport !== 'relay' || connection.direction !== 'outbound' || !request.success) {
      await link.close(closeReason(CloseReasons.NotAllowed, 'there is no relayed connection to replace'))
      return
    }
    const ours = this.#opened.get(link.peer)
    // Both may have called each other over relays at once; then the smaller one's calling counts, as everywhere.
    if (this.#servedCount >= SERVED_MAX || (ours !== undefined && context.identity.peerId < link.peer)) {
      metrics.punched('refused')
      await link.close(closeReason(CloseReasons.TooManyRequests, 'enough holes are being punched'))
      return
    }
    ours?.abort(new Error('the other side has begun'))
    this.#servedCount++
    try {
      await accept(addressesToTell(own()))
      using deadline = context.clock.deadline(ATTEMPT_MS, this.#scope.signal)
      await this.#exchange.answer(link, connection, deadline.signal)
    } catch (error) {
      // Closing the link is how the opener ends it; and it may go without a word.
      const isOver = isMosaikError(error, 'LINK_CLOSED') || isMosaikError(error, 'TIMEOUT')
      if (!isOver && !this.#scope.signal.aborted) throw error
    } finally {
      this.#servedCount--
      this.#relayed.get(connection.id)?.tried.resolve()
    }
  }
}

/** Whether the peer says that it will not take part for this connection, now or later. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof LinkClosedError) || error.by !== 'remote') return false
  return (
    error.reason.code === CloseReasons.NotAllowed.code || error.reason.code === CloseReasons.InvalidAlpn.code
  )
}
