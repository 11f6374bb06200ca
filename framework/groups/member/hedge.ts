import type { Clock, Timer } from '#framework/primitives'

/** How long those may take who were asked first, in milliseconds. */
export const hedgeMs = 5

export interface HedgeOptions {
  readonly clock: Pick<Clock, 'after'>
  /** Asks the others as well. */
  readonly widen: () => void
}

/**
 * Has the others asked as well when what only some voters were asked for does not come about soon: one of them
 * may be gone, or busy (a hedged request; Dean and Barroso, "The tail at scale", 2013).
 */
export class Hedge {
  readonly #options: HedgeOptions
  #awaited: number | undefined
  #timer: Timer | undefined

  constructor(options: HedgeOptions) {
    this.#options = options
  }

  /** @param awaited What is waited for that only some are asked for: another number, another wait. Undefined for nothing. */
  watch(awaited: number | undefined): void {
    if (awaited === this.#awaited) return
    this.#awaited = awaited
    this.#timer?.cancel()
    this.#timer = awaited === undefined ? undefined : this.#options.clock.after(hedgeMs, this.#options.widen)
  }
}
