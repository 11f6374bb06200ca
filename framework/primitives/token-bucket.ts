import { invariant } from './errors.js'

/** How much a {@link TokenBucket} lets through. */
export interface TokenBucketOptions {
  /** The largest burst, in tokens. The bucket is full at first. */
  readonly capacity: number
  /** The rate that is sustained, in tokens per second. */
  readonly perSecond: number
}

/**
 * A limit on a rate that allows bursts. Pure: is told the time. In any span of t seconds it gives out at most
 * `capacity + perSecond * t` tokens, and what the last {@link take} was more than there were. A clock that goes back
 * neither gives nor takes any.
 */
export class TokenBucket {
  readonly #capacity: number
  readonly #perMs: number
  #tokens: number
  #lastMs: number

  constructor({ capacity, perSecond }: TokenBucketOptions, nowMs: number) {
    invariant(
      capacity > 0 && perSecond >= 0,
      'a token bucket needs a capacity, and a rate that is not negative',
    )
    this.#capacity = capacity
    this.#perMs = perSecond / 1_000
    this.#tokens = capacity
    this.#lastMs = nowMs
  }

  /** Takes `n` tokens (default 1), all or none: false when there are not so many. */
  tryTake(nowMs: number, n = 1): boolean {
    if (n > this.available(nowMs)) return false
    this.#tokens -= n
    return true
  }

  /** How many tokens there are. Fewer than none when more were taken, until so many have flowed in. */
  available(nowMs: number): number {
    if (nowMs > this.#lastMs) {
      this.#tokens = Math.min(this.#capacity, this.#tokens + (nowMs - this.#lastMs) * this.#perMs)
      this.#lastMs = nowMs
    }
    return this.#tokens
  }

  /** Takes `n` tokens, whether there are so many or not: for those who know only afterwards how many they needed. */
  take(nowMs: number, n: number): void {
    this.#tokens = this.available(nowMs) - n
  }

  /** After how many milliseconds there are `n` tokens, if none is taken meanwhile; Infinity for more than it holds. */
  waitMs(nowMs: number, n: number): number {
    const missing = n - this.available(nowMs)
    if (missing <= 0) return 0
    return n > this.#capacity ? Infinity : missing / this.#perMs
  }
}
