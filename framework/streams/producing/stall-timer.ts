import type { Clock, Timer } from '#framework/primitives'
import { StallWatch, type Holder } from './stall-watch.js'

/** Somebody whom sends wait for. */
export interface Stallable extends Holder {
  /** Asks the consumer to say what it has taken. */
  probe(): void
}

export interface StallTimerOptions<H extends Stallable> {
  /** How long somebody may make others wait without taking anything, in milliseconds; Infinity is for ever. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** Whether there are sends that wait for room. */
  readonly isWaiting: () => boolean
  /** For whom they wait. Not for somebody who only waits for a turn; who may be holding them up by the next look. */
  readonly holders: () => Iterable<H>
  /** The time of somebody is over. */
  readonly onStalled: (holder: H) => void
}

/** Looks for consumers that hold up sends, from time to time and only while sends wait. */
export class StallTimer<H extends Stallable> {
  readonly #options: StallTimerOptions<H>
  readonly #watch: StallWatch<H>
  #timer: Timer | undefined

  constructor(options: StallTimerOptions<H>) {
    this.#options = options
    this.#watch = new StallWatch(options.timeoutMs)
  }

  /** Sends have begun to wait, or some of those that waited have gone through. */
  check(): void {
    const isWaiting = this.#options.timeoutMs !== Infinity && this.#options.isWaiting()
    if (isWaiting && this.#timer === undefined) return this.#look()
    if (isWaiting || this.#timer === undefined) return
    this.#timer.cancel()
    this.#timer = undefined
    this.#watch.clear()
  }

  #look(): void {
    const { timeoutMs, clock, holders, onStalled } = this.#options
    const { stalled, suspected, nextMs } = this.#watch.look(clock.monotonic(), new Set(holders()))
    this.#timer = clock.after(nextMs ?? timeoutMs / 2, () => {
      this.#timer = undefined
      this.check()
    })
    for (const holder of suspected) holder.probe()
    for (const holder of stalled) onStalled(holder)
  }
}
