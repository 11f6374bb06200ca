import { messageOf, type Logger } from '#framework/primitives'
import type { UndeliveredCause } from '../producer.js'

/** Hands the datums that no consumer was sent to the application, if it wants them, and counts them. */
export class UndeliveredSink<T> {
  readonly #handler: ((datum: T, cause: UndeliveredCause) => void) | undefined
  readonly #what: string
  readonly #logger: Logger
  #count = 0
  #isFailing = false

  constructor(
    handler: ((datum: T, cause: UndeliveredCause) => void) | undefined,
    what: string,
    logger: Logger,
  ) {
    this.#handler = handler
    this.#what = what
    this.#logger = logger
  }

  /** How many there were. */
  get count(): number {
    return this.#count
  }

  put(datum: T, cause: UndeliveredCause): void {
    this.#count++
    try {
      this.#handler?.(datum, cause)
      this.#isFailing = false
    } catch (error) {
      // The log has the first of them in a row: there may be one for every datum.
      if (!this.#isFailing)
        this.#logger.warn(`"undelivered" of ${this.#what} failed`, { problem: messageOf(error) })
      this.#isFailing = true
    }
  }
}
