import type { PeerInfo } from '#framework/discovery'
import { messageOf, shortId, type Logger } from '#framework/primitives'

/**
 * Runs a predicate of the application where a failure of it must not do harm: one that throws, or answers with something
 * other than a boolean (a promise, for one, which would count as true), has said no. Each failure is counted; the log
 * has the first in a row.
 */
export class GuardedPredicate {
  readonly #predicates: readonly ((peer: PeerInfo) => boolean)[]
  readonly #what: string
  readonly #logger: Logger
  #errorCount = 0
  #failing = false

  constructor(
    predicates: ((peer: PeerInfo) => boolean) | readonly ((peer: PeerInfo) => boolean)[] | undefined,
    what: string,
    logger: Logger,
  ) {
    this.#predicates = typeof predicates === 'function' ? [predicates] : (predicates ?? [])
    this.#what = what
    this.#logger = logger
  }

  get errorCount(): number {
    return this.#errorCount
  }

  readonly accepts = (peer: PeerInfo): boolean =>
    this.#predicates.every((predicate) => this.#answer(predicate, peer))

  #answer(predicate: (peer: PeerInfo) => boolean, peer: PeerInfo): boolean {
    try {
      const answer: unknown = predicate(peer)
      if (typeof answer === 'boolean') {
        this.#failing = false
        return answer
      }
      this.#onError(
        peer,
        `it answered with ${answer instanceof Promise ? 'a promise' : typeof answer}, not with a boolean`,
      )
    } catch (error) {
      this.#onError(peer, messageOf(error))
    }
    return false
  }

  #onError(peer: PeerInfo, problem: string): void {
    this.#errorCount++
    if (this.#failing) return
    this.#failing = true
    this.#logger.warn(`"require" of ${this.#what} failed, which counts as a no`, {
      peer: shortId(peer.peer),
      problem,
    })
  }
}
