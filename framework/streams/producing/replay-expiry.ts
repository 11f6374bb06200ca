import type { Clock, Timer } from '#framework/primitives'
import type { DatumLog } from './datum-log.js'

/** Has what a log keeps by age expire: with one timer, and with none while nothing is kept. */
export class ReplayExpiry implements Disposable {
  readonly #log: DatumLog<unknown>
  readonly #clock: Clock
  readonly #onExpired: () => void
  #timer: Timer | undefined

  constructor(log: DatumLog<unknown>, clock: Clock, onExpired: () => void) {
    this.#log = log
    this.#clock = clock
    this.#onExpired = onExpired
  }

  /** A datum was added. */
  onDatum(): void {
    if (this.#log.isExpiring && this.#timer === undefined) this.#arm()
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    const { expiresAtMs } = this.#log
    if (expiresAtMs === undefined) return
    this.#timer = this.#clock.after(expiresAtMs - this.#clock.monotonic(), () => {
      this.#timer = undefined
      this.#log.expire()
      this.#arm()
      this.#onExpired()
    })
  }
}
