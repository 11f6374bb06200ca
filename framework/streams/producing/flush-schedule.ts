import { nextTurn } from '#framework/primitives'

/**
 * When what was queued is written: the first datum after a quiet turn of the event loop as soon as the code that sent it
 * has come to its end, those behind it together when the turn ends. So a single datum does not wait, and many make full
 * frames. Whoever fills a frame before that writes it without asking.
 */
export class FlushSchedule {
  readonly #flush: () => void
  #isDue = false
  /** The end of this turn is waited for. */
  #isTurnWatched = false

  /** @param flush Writes everything that may be written. */
  constructor(flush: () => void) {
    this.#flush = flush
  }

  /** Something was queued. */
  notify(): void {
    if (this.#isDue) return
    this.#isDue = true
    if (!this.#isTurnWatched) queueMicrotask(this.#onFirst)
  }

  readonly #onFirst = (): void => {
    // What is queued while this is written goes with the end of the turn, for which the first one need not wait.
    this.#isTurnWatched = true
    this.#onDue()
    this.#watchTurn()
  }

  readonly #onDue = (): void => {
    if (!this.#isDue) return
    this.#isDue = false
    this.#flush()
  }

  #watchTurn(): void {
    void nextTurn().then(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    // Whoever sent more than once in this turn is likely to go on: then the next turn is no quiet one.
    if (this.#isDue) this.#watchTurn()
    else this.#isTurnWatched = false
    this.#onDue()
  }
}
