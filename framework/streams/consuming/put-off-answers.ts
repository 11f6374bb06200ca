import { nextTurn } from '#framework/primitives'

/**
 * Answers that are put off until the event loop has turned, so that others have their time. What is answered while some are
 * put off comes behind them, so that answers keep the order of the questions.
 */
export class PutOffAnswers {
  #count = 0
  #turn: Promise<void> = Promise.resolve()

  /** Whether there are none: then an answer may be given at once. */
  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** What is added from now on is given in a later turn, and behind what was added before. */
  putOff(): void {
    this.#turn = this.isEmpty ? nextTurn() : this.#turn.then(nextTurn)
  }

  /** Resolves with the answer when it is its time. */
  add<R>(answer: R): Promise<R> {
    this.#count++
    return this.#turn.then(() => {
      this.#count--
      return answer
    })
  }
}
