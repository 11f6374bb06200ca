import { invariant } from './errors.js'
import type { Random } from './random.js'

/** How delays between attempts grow. */
export interface BackoffOptions {
  /** The first delay, before jitter. Default 500. */
  readonly initialMs: number
  /** By how much each delay is longer than the one before. Default 1.5. */
  readonly factor: number
  /** How far a delay may be from its nominal length, as a part of it: 0.5 (default) is ±50 %. */
  readonly jitter: number
  /** No delay is longer, jitter included. Default 60 000. */
  readonly maxMs: number
}

const DEFAULTS: BackoffOptions = { initialMs: 500, factor: 1.5, jitter: 0.5, maxMs: 60_000 }

/**
 * Exponential back-off with jitter. Pure: says how long to wait, and waits for nothing.
 *
 * The jitter stays when the limit is reached: delays then spread below the limit, because many peers that all wait
 * for exactly the limit would come back all at once, which jitter is there to prevent (M. Brooker, "Exponential
 * Backoff And Jitter", AWS Architecture Blog, 2015).
 */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: Random
  readonly #nominalMsMax: number
  #nominalMs: number
  #attempts = 0

  constructor(options: Partial<BackoffOptions>, random: Random) {
    this.#options = { ...DEFAULTS, ...options }
    this.#random = random
    const { initialMs, factor, jitter, maxMs } = this.#options
    invariant(initialMs > 0 && maxMs > 0, 'the delays of a back-off must be longer than nothing')
    invariant(factor >= 1, 'the delays of a back-off must not shrink')
    invariant(jitter >= 0 && jitter <= 1, 'the jitter of a back-off is a part between 0 and 1')
    this.#nominalMsMax = maxMs / (1 + jitter)
    this.#nominalMs = Math.min(initialMs, this.#nominalMsMax)
  }

  /** How many delays were asked for since the last reset. */
  get attempts(): number {
    return this.#attempts
  }

  /** The next delay, in milliseconds. */
  next(): number {
    const { factor, jitter } = this.#options
    const delayMs = this.#nominalMs * (1 + jitter * (2 * this.#random.float() - 1))
    this.#nominalMs = Math.min(this.#nominalMs * factor, this.#nominalMsMax)
    this.#attempts++
    return delayMs
  }

  /** Starts over, after a success. */
  reset(): void {
    this.#nominalMs = Math.min(this.#options.initialMs, this.#nominalMsMax)
    this.#attempts = 0
  }
}
