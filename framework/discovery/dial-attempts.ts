import { Backoff, type BackoffOptions, type Random } from '#framework/primitives'

/** What became of the attempts to reach one target, and when to make the next one. Times are on the monotonic clock. */
export class DialAttempts {
  readonly #reconnect: Partial<BackoffOptions>
  readonly #random: Random
  #backoff: Backoff
  /** Not to be tried before this time. */
  notBeforeMs: number
  isRunning = false
  /** When the last attempt began; -Infinity before the first one. */
  lastAtMs = -Infinity
  /** How many have failed since the last success. */
  failures = 0
  /** Why the last one failed, until one succeeds. */
  lastError: string | undefined
  /** The other side has let us go because it has more connections than it needs. */
  isPruned = false

  constructor(reconnect: Partial<BackoffOptions>, random: Random, notBeforeMs: number) {
    this.#reconnect = reconnect
    this.#random = random
    this.#backoff = new Backoff(reconnect, random)
    this.notBeforeMs = notBeforeMs
  }

  start(nowMs: number): void {
    this.isRunning = true
    this.lastAtMs = nowMs
  }

  succeeded(nowMs: number): void {
    this.isRunning = false
    this.isPruned = false
    this.failures = 0
    this.lastError = undefined
    this.#backoff.reset()
    // A connection that is lost as soon as it is made must not be made again and again without a pause.
    this.notBeforeMs = nowMs + this.#backoff.next()
  }

  /** @param patienceMs The least time until the next one. */
  failed(nowMs: number, patienceMs: number, error: string | undefined): void {
    this.isRunning = false
    this.failures++
    this.lastError = error
    this.notBeforeMs = nowMs + Math.max(this.#backoff.next(), patienceMs)
  }

  /** Forgets how often it has failed. */
  startOver(notBeforeMs: number): void {
    this.#backoff = new Backoff(this.#reconnect, this.#random)
    this.notBeforeMs = notBeforeMs
  }
}
