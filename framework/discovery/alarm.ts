import type { Clock } from '#framework/primitives'

/**
 * Wakes the one loop that waits on it: when it is rung, or at a given time. Being rung while nobody waits is remembered,
 * so that no call is lost between two waits.
 */
export class Alarm {
  readonly #clock: Clock
  #rung = false
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /**
   * Resolves when the alarm has been rung since the last wait, or at `atMs` on the monotonic clock; `Infinity` is never.
   *
   * @throws The signal's reason, when it aborts.
   */
  async wait(atMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (!this.#rung && atMs > this.#clock.monotonic()) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      signal.addEventListener('abort', resolve as () => void)
      const timer = this.#clock.after(atMs - this.#clock.monotonic(), resolve)
      await promise
      timer.cancel()
      signal.removeEventListener('abort', resolve as () => void)
      this.#wake = undefined
      signal.throwIfAborted()
    }
    this.#rung = false
  }
}
