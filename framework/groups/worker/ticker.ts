import type { Clock, Timer } from '#framework/primitives'

/** How long a tick of consensus is, in milliseconds. */
export const tickMs = 50

/** Is told how many ticks have passed, and how many that makes of the node's, the same for all. */
type TickListener = (ticks: number, nowTick: number) => void

/** One of those for whom a ticker lets time pass. */
export interface Ticking {
  /** Is told nothing until it goes on. */
  pause(): void
  /** Goes on. @returns What it was not told meanwhile; undefined when it was not paused. */
  resume(): { readonly ticks: number; readonly nowTick: number } | undefined
  stop(): void
}

/** Lets time pass for all groups of a node, with one timer. Says how many ticks there were when the process was held up. */
export class Ticker {
  readonly #clock: Clock
  readonly #listeners = new Set<TickListener>()
  /** Undefined while there is nobody to tell. */
  #timer: Timer | undefined
  #tickedMs: number
  #nowTick = 0
  #pausedCount = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#tickedMs = clock.monotonic()
  }

  /** How many are paused. */
  get pausedCount(): number {
    return this.#pausedCount
  }

  follow(listener: TickListener): Ticking {
    let pausedTick: number | undefined
    const unpause = (): void => {
      if (pausedTick !== undefined) this.#pausedCount--
      pausedTick = undefined
    }
    this.#add(listener)
    return {
      pause: () => {
        if (!this.#remove(listener)) return
        pausedTick = this.#nowTick
        this.#pausedCount++
      },
      resume: () => {
        if (pausedTick === undefined) return undefined
        this.#add(listener)
        const ticks = this.#nowTick - pausedTick
        unpause()
        return { ticks, nowTick: this.#nowTick }
      },
      stop: () => {
        unpause()
        this.#remove(listener)
      },
    }
  }

  /** Has the time pass that is gone by now, though the timer has not run yet. */
  catchUp(): void {
    if (this.#timer !== undefined) this.#tell(this.#take())
  }

  #add(listener: TickListener): void {
    this.#listeners.add(listener)
    if (this.#timer !== undefined) return
    this.#take()
    this.#arm()
  }

  #remove(listener: TickListener): boolean {
    const wasThere = this.#listeners.delete(listener)
    if (this.#listeners.size > 0) return wasThere
    this.#timer?.cancel()
    this.#timer = undefined
    return wasThere
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
