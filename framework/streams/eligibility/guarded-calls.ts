import { messageOf, shortId, type Logger, type PeerId } from '#framework/primitives'

/**
 * Calls the application's code where a failure of it must not do harm: code that throws, or that answers with something
 * else than it should (a promise, for one, which would count as true), has not answered. Each failure is counted; the log
 * has the first in a row.
 */
export class GuardedCalls {
  readonly #what: string
  readonly #logger: Logger
  #errorCount = 0
  #isFailing = false

  /** @param what Whose code it is, for the log. */
  constructor(what: string, logger: Logger) {
    this.#what = what
    this.#logger = logger
  }

  /** How often the code has failed. */
  get errorCount(): number {
    return this.#errorCount
  }

  /**
   * What the code answers about a peer; undefined when it fails.
   *
   * @param option The option that the code was given as.
   */
  ask<R>(
    option: string,
    peer: PeerId,
    code: () => unknown,
    isAnswer: (answer: unknown) => answer is R,
  ): R | undefined {
    try {
      const answer = code()
      if (isAnswer(answer)) {
        this.#isFailing = false
        return answer
      }
      this.#onError(option, peer, `it must not answer with ${kindOf(answer)}`)
    } catch (error) {
      this.#onError(option, peer, messageOf(error))
    }
    return undefined
  }

  #onError(option: string, peer: PeerId, problem: string): void {
    this.#errorCount++
    if (this.#isFailing) return
    this.#isFailing = true
    this.#logger.warn(`"${option}" of ${this.#what} failed, which counts as a no`, {
      peer: shortId(peer),
      problem,
    })
  }
}

function kindOf(answer: unknown): string {
  if (answer instanceof Promise) return 'a promise'
  return typeof answer === 'string' || typeof answer === 'number' ? String(answer) : typeof answer
}
