import type { Clock, Timer } from '#framework/primitives'
import { compareExpirations, type Expiration } from './tickets.js'

/** The wall clock may be set while we wait for it to show a time: it is looked at again after this, in milliseconds. */
const lookMsMax = 60_000

/** Rings when the first of any number of expirations has passed. One timer for all of them, and none while nothing expires. */
export class ExpiryAlarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #next: Expiration = 'never'
  #timer: Timer | undefined

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Rings, soon, after the earliest of these has passed, and no longer after those that were given before. */
  set(expirations: Iterable<Expiration>): void {
    let next: Expiration = 'never'
    for (const each of expirations) if (compareExpirations(each, next) < 0) next = each
    if (next === this.#next) return
    this.#next = next
    this.#arm()
  }

  /** Does not ring any more. */
  cancel(): void {
    this.set([])
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#next === 'never') return
    // A ticket is still good in the millisecond that it names.
    const restMs = this.#next + 1 - this.#clock.now()
    this.#timer = this.#clock.after(Math.min(Math.max(restMs, 0), lookMsMax), () => this.#onTime())
  }

  #onTime(): void {
    if (this.#next !== 'never' && this.#next >= this.#clock.now()) return this.#arm()
    this.#timer = undefined
    this.#next = 'never'
    this.#ring()
  }
}
