import { TokenBucket, type Random } from '#framework/primitives'

/** How fast we speak at most: half of what receivers put up with from one author, so that they never miss a word. */
const OWN_RATE = { capacity: 16, perSecond: 2 }

/** How long to wait before speaking again when there was no token, in milliseconds. */
const NEXT_TOKEN_MS = 1_000 / OWN_RATE.perSecond

/**
 * How soon to speak again because a neighbour has appeared, in milliseconds. Neighbours often appear together, and one
 * announcement serves them all. The first ends our isolation; later ones mostly know us already, from a sync.
 */
const FIRST_NEIGHBOUR_DELAY_MS = 200
const NEIGHBOUR_DELAY_MS = 5_000

/** How long to wait after an announcement that reached nobody, in milliseconds. */
const RETRY_MS = 1_000

/**
 * When to announce. There is no queue of things to say, only the wish to say what is true now: however much changed while
 * this node was isolated, the first neighbour hears it once. Pure; all times are on the monotonic clock.
 */
export class AnnouncePolicy {
  readonly #intervalMs: number
  readonly #jitter: number
  readonly #random: Random
  readonly #allowance: TokenBucket
  #neighbourCount = 0
  /** When what has changed should be said; Infinity when nothing has. */
  #wantedAtMs: number
  /** When to give a sign of life although nothing has changed. */
  #beatAtMs = Infinity
  #notBeforeMs = -Infinity

  constructor(options: { intervalMs: number; jitter: number; random: Random }, nowMs: number) {
    this.#intervalMs = options.intervalMs
    this.#jitter = options.jitter
    this.#random = options.random
    this.#allowance = new TokenBucket(OWN_RATE, nowMs)
    this.#wantedAtMs = nowMs
  }

  /** When to announce next; Infinity while there is nobody to hear it. */
  get dueAtMs(): number {
    if (this.#neighbourCount === 0) return Infinity
    return Math.max(this.#notBeforeMs, Math.min(this.#wantedAtMs, this.#beatAtMs))
  }

  /** What we say about ourselves has changed. */
  onChange(nowMs: number): void {
    this.#wantedAtMs = Math.min(this.#wantedAtMs, nowMs)
  }

  /** Gossip has so many neighbours now, some of whom may have heard nothing from us yet. */
  onNeighbours(count: number, appeared: boolean, nowMs: number): void {
    const delayMs = this.#neighbourCount === 0 ? FIRST_NEIGHBOUR_DELAY_MS : NEIGHBOUR_DELAY_MS
    this.#neighbourCount = count
    if (appeared) this.#wantedAtMs = Math.min(this.#wantedAtMs, nowMs + delayMs)
  }

  /** Whether to announce now. When it says yes, the announcement is taken for made: see {@link onFailure}. */
  tryAnnounce(nowMs: number): boolean {
    if (this.dueAtMs > nowMs) return false
    if (!this.#allowance.tryTake(nowMs)) {
      this.#notBeforeMs = nowMs + NEXT_TOKEN_MS
      return false
    }
    this.#wantedAtMs = Infinity
    this.#beatAtMs = nowMs + this.#intervalMs * (1 + this.#jitter * (2 * this.#random.float() - 1))
    return true
  }

  /** The announcement reached nobody. */
  onFailure(nowMs: number): void {
    this.#wantedAtMs = Math.min(this.#wantedAtMs, nowMs + RETRY_MS)
  }
}
