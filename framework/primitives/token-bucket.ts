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
 * `capacity + perSecond * t` tokens. A clock that goes back neither gives nor takes any.
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
    if (nowMs > this.#lastMs) {
      this.#tokens = Math.min(this.#capacity, this.#tokens + (nowMs - this.#lastMs) * this.#perMs)
      this.#lastMs = nowMs
    }
    if (n > this.#tokens) return false
    this.#tokens -= n
    return true
  }
}
