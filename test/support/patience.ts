/** By how much every deadline in the tests is longer, for slow machines. */
const TIME_FACTOR = Number(process.env.TIME_FACTOR ?? 1)

const TICK_MS = 20
/** The most that counts from one tick to the next. */
const COUNTED_MS_MAX = 2 * TICK_MS

/**
 * A deadline for what a test waits for, in the time that this process has had. When others keep it from its turns, what it
 * waits for gets none either: of a turn that comes late, only the first 40 ms count, and no test fails because a machine is
 * busy. Where nobody does, it is the time of the clock.
 */
export class Patience implements Disposable {
  /** Resolves when the time is over; never, when this is disposed of before. */
  readonly over: Promise<void>
  #leftMs: number
  #lastMs = performance.now()
  readonly #timer: NodeJS.Timeout

  /** @param ms Times TIME_FACTOR. */
  constructor(ms: number) {
    this.#leftMs = ms * TIME_FACTOR
    const { promise, resolve } = Promise.withResolvers<void>()
    this.over = promise
    this.#timer = setInterval(() => {
      this.#tick()
      if (this.isOver) {
        clearInterval(this.#timer)
        resolve()
      }
    }, TICK_MS)
  }

  get isOver(): boolean {
    return this.#leftMs <= 0
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const nowMs = performance.now()
    this.#leftMs -= Math.min(nowMs - this.#lastMs, COUNTED_MS_MAX)
    this.#lastMs = nowMs
  }
}
