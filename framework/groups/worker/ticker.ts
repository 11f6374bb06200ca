import type { Clock, Timer } from '#framework/primitives'

/** How long a tick of consensus is, in milliseconds. */
export const tickMs = 50

/** Lets time pass for all groups of a node, with one timer. Says how many ticks there were when the process was held up. */
export class Ticker {
  readonly #clock: Clock
  readonly #listeners = new Set<(ticks: number, nowTick: number) => void>()
  #timer: Timer | undefined
  #tickedMs = 0
  #nowTick = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @param listener Is told how many ticks have passed, and how many that makes of the node's, the same for all.
   * @returns What ends it.
   */
  follow(listener: (ticks: number, nowTick: number) => void): () => void {
    this.#listeners.add(listener)
    if (this.#timer === undefined) {
      this.#tickedMs = this.#clock.monotonic()
      this.#arm()
    }
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#timer?.cancel()
      this.#timer = undefined
    }
  }

  /** Has the time pass that is gone by now, though the timer has not run yet. */
  catchUp(): void {
    if (this.#timer !== undefined) this.#tell(this.#take())
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#tickedMs + tickMs - this.#clock.monotonic(), () => {
      const ticks = this.#take()
      this.#arm()
      this.#tell(ticks)
    })
  }

  /** How many ticks have passed since it was last asked. */
  #take(): number {
    const ticks = Math.floor((this.#clock.monotonic() - this.#tickedMs) / tickMs)
    this.#tickedMs += ticks * tickMs
    this.#nowTick += ticks
    return ticks
  }

  #tell(ticks: number): void {
    if (ticks > 0) for (const listener of this.#listeners) listener(ticks, this.#nowTick)
  }
}
