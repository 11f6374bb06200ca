import type { Clock, Timer } from '#framework/primitives'

export interface WriteWatchOptions {
  readonly clock: Clock
  /** How long the network may take for one write, in milliseconds. */
  readonly timeoutMs: number
  /** It has taken longer. Called once for each write. */
  readonly onBlocked: () => void
}

/**
 * Sees to it that no write takes for ever. Writes begin and end thousands of times a second, so none of them has a timer
 * of its own: one is set when there is none, and finds out when it is over how much of its time the write of that moment
 * still has.
 */
export class WriteWatch implements Disposable {
  readonly #options: WriteWatchOptions
  #timer: Timer | undefined
  /** When the write began that the network has not taken. */
  #sinceMs: number | undefined

  constructor(options: WriteWatchOptions) {
    this.#options = options
  }

  /** The network is given something to write. */
  onBegun(): void {
    const { clock, timeoutMs } = this.#options
    this.#sinceMs = clock.monotonic()
    if (this.#timer === undefined) this.#arm(timeoutMs)
  }

  /** It has taken it. */
  onTaken(): void {
    this.#sinceMs = undefined
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#sinceMs = undefined
  }

  #arm(ms: number): void {
    this.#timer = this.#options.clock.after(ms, this.#onTimer)
  }

  readonly #onTimer = (): void => {
    const { clock, timeoutMs, onBlocked } = this.#options
    this.#timer = undefined
    if (this.#sinceMs === undefined) return
    const restMs = this.#sinceMs + timeoutMs - clock.monotonic()
    if (restMs > 0) return this.#arm(restMs)
    this.#sinceMs = undefined
    onBlocked()
  }
}
