import type { Clock, Timer } from '#framework/primitives'

/** How long those may take who were asked first, in milliseconds. */
export const hedgeMs = 5

export interface ReadHedgeOptions {
  readonly clock: Pick<Clock, 'after'>
  /** Asks the others as well. */
  readonly widen: () => void
}

/**
 * Has the others asked as well when a round that only some voters were asked to answer is not confirmed soon: one of them
 * may be gone, or busy (a hedged request; Dean and Barroso, "The tail at scale", 2013).
 */
export class ReadHedge {
  readonly #options: ReadHedgeOptions
  #round: number | undefined
  #timer: Timer | undefined

  constructor(options: ReadHedgeOptions) {
    this.#options = options
  }

  /** @param round The one that reads wait for and that only some are asked to answer; undefined for none. */
  watch(round: number | undefined): void {
    if (round === this.#round) return
    this.#round = round
    this.#timer?.cancel()
    this.#timer = round === undefined ? undefined : this.#options.clock.after(hedgeMs, this.#options.widen)
  }
}
