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
  readonly holders: () => readonly H[]
  /** The time of somebody is over. */
  readonly onStalled: (holder: H) => void
}

/**
 * Looks for consumers that hold up sends, and only while sends wait. A producer at full speed has sends wait thousands of
 * times a second, for less than a millisecond: so a timer that was set is left alone, and when it is over there is a
 * look too many, if anybody waits then.
 */
export class StallTimer<H extends Stallable> implements Disposable {
  readonly #options: StallTimerOptions<H>
  readonly #watch: StallWatch<H>
  /** While sends wait, it is over when the next look is due, or before. */
  #timer: Timer | undefined
  #isWatching = false

  constructor(options: StallTimerOptions<H>) {
    this.#options = options
    this.#watch = new StallWatch(options.timeoutMs)
  }

  /** Sends have begun to wait, or some of those that waited have gone through. */
  check(): void {
    const isWaiting = this.#options.timeoutMs !== Infinity && this.#options.isWaiting()
    if (isWaiting === this.#isWatching) return
    this.#isWatching = isWaiting
    if (isWaiting) this.#look()
    else this.#watch.clear()
  }

  /** Looks no more. */
  [Symbol.dispose](): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isWatching = false
  }

  #look(): void {
    const { timeoutMs, clock, holders, onStalled } = this.#options
    const { stalled, suspected, nextMs } = this.#watch.look(clock.monotonic(), holders())
    // Whoever has begun to be waited for has all its time: one that is set already is over before that.
    this.#timer ??= clock.after(nextMs ?? timeoutMs / 2, this.#onTimer)
    for (const holder of suspected) holder.probe()
    for (const holder of stalled) onStalled(holder)
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    this.check()
    if (this.#isWatching && this.#timer === undefined) this.#look()
  }
}
