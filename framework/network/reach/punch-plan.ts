import { Backoff, type PeerId, type Random } from '#framework/primitives'

/** Attempts of one node that are under way at once; further connections wait for their turn. */
const UNDER_WAY_MAX = 8
/** Attempts for one relayed connection. Where so many have failed, it is no accident, and the relay goes on. */
const ATTEMPTS_MAX = 6
/** From the end of an attempt to the next one: 5 s, 15 s, 45 s and so on, give or take half. */
const DELAYS = { initialMs: 5_000, factor: 3, jitter: 0.5, maxMs: 600_000 } as const

/** A relayed connection that is to be replaced. */
interface Waiting {
  readonly peer: PeerId
  readonly backoff: Backoff
  notBefore: number
}

/**
 * Which relayed connections to replace by direct ones, and when: at once, and after a failure again, later each time,
 * since what was in the way may have been a lost packet or a NAT that was just started. Pure: is told what happened and
 * says what to do next. With one peer there is one attempt at a time.
 */
export class PunchPlan {
  readonly #random: Random
  /** By relayed connection. */
  readonly #waiting = new Map<string, Waiting>()
  /** The peers of the attempts that are under way, by relayed connection. */
  readonly #underWay = new Map<string, PeerId>()

  constructor(random: Random) {
    this.#random = random
  }

  /** There is a relayed connection, which this node is to replace. */
  add(connection: string, peer: PeerId, nowMs: number): void {
    this.#waiting.set(connection, { peer, backoff: new Backoff(DELAYS, this.#random), notBefore: nowMs })
  }

  /** That relayed connection is gone, or there is no need to replace it, or no way. */
  delete(connection: string): void {
    this.#waiting.delete(connection)
  }

  /**
   * The relayed connection whose turn it is; nothing when all have to wait. The attempt to replace it is under way from
   * here on, until {@link ended}.
   */
  begin(nowMs: number): string | undefined {
    const next = this.#next()
    if (next === undefined || next.notBefore > nowMs) return undefined
    this.#underWay.set(next.connection, next.peer)
    return next.connection
  }

  /** The attempt is over. Unless the connection is deleted, there is another one, if it has not had all it may have. */
  ended(connection: string, nowMs: number): void {
    this.#underWay.delete(connection)
    const waiting = this.#waiting.get(connection)
    if (waiting === undefined) return
    waiting.notBefore = nowMs + waiting.backoff.next()
    if (waiting.backoff.attempts >= ATTEMPTS_MAX) this.#waiting.delete(connection)
  }

  /** When `begin` should be asked again, in monotonic milliseconds; nothing when only news can change its answer. */
  get nextAt(): number | undefined {
    return this.#next()?.notBefore
  }

  /** Of those that may be tried whose time comes first. */
  #next(): { readonly connection: string; readonly peer: PeerId; readonly notBefore: number } | undefined {
    if (this.#underWay.size >= UNDER_WAY_MAX) return undefined
    const busy = new Set(this.#underWay.values())
    let next
    for (const [connection, { peer, notBefore }] of this.#waiting) {
      if (busy.has(peer) || (next !== undefined && next.notBefore <= notBefore)) continue
      next = { connection, peer, notBefore }
    }
    return next
  }
}
