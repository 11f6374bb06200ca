import { MosaikError, raceSignal } from '#framework/primitives'
import type { Bond } from '../bond/bond.js'
import {
  encodeForward,
  type ForwardAnswer,
  type ForwardRefusal,
  type ForwardRequest,
} from '../wire/forward-wire.js'

/** How many requests to leaders may be without an answer at a time (groups.md §20.6). */
const pendingMax = 1024

/** The leader did not do what it was asked, or could not be asked. Nothing has happened, unless it is `lost`. */
export class ForwardError extends MosaikError {
  readonly reason: ForwardRefusal | 'lost'

  constructor(reason: ForwardRefusal | 'lost') {
    super('GROUP_FORWARD_FAILED', `the leader could not be asked: ${reason}`)
    this.reason = reason
  }
}

type Without<T> = T extends unknown ? Omit<T, 'id'> : never

interface Pending {
  readonly bond: Bond
  readonly onOutcome: (outcome: ForwardAnswer | 'lost') => void
}

/** What was asked of leaders, until they have answered or are gone. */
export class Forwarding {
  readonly #pending = new Map<number, Pending>()
  #lastId = 0

  /**
   * Asks, and resolves with the answer.
   *
   * @throws ForwardError; the signal's reason.
   */
  async ask(bond: Bond, request: Without<ForwardRequest>, signal: AbortSignal): Promise<ForwardAnswer> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<ForwardAnswer>()
    const forget = this.inquire(bond, request, (outcome) =>
      outcome === 'lost' ? reject(new ForwardError('lost')) : resolve(outcome),
    )
    try {
      const answer = await raceSignal(promise, signal)
      if (answer.type === 'refused') throw new ForwardError(answer.reason)
      return answer
    } finally {
      forget()
    }
  }

  /**
   * Asks for something that shows by itself when it has come about, so that it is answered only when it is refused.
   *
   * @param onRefused The leader has not done it. Not told when the bond is lost.
   * @returns To be called when it has come about, or is of no interest any more: the request is forgotten.
   * @throws ForwardError when it cannot be sent.
   */
  tell(bond: Bond, request: Without<ForwardRequest>, onRefused: () => void): () => void {
    return this.inquire(bond, request, (outcome) => {
      if (outcome !== 'lost' && outcome.type === 'refused') onRefused()
    })
  }

  /**
   * Asks, and tells what comes of it, once: without a promise, for what has to be quick.
   *
   * @returns To be called when the answer is of no interest any more: the request is forgotten.
   * @throws ForwardError when it cannot be sent.
   */
  inquire(
    bond: Bond,
    request: Without<ForwardRequest>,
    onOutcome: (outcome: ForwardAnswer | 'lost') => void,
  ): () => void {
    if (this.#pending.size >= pendingMax) throw new ForwardError('busy')
    const id = ++this.#lastId
    const sent = bond.send('forward', encodeForward({ ...request, id } as ForwardRequest))
    if (sent !== 'sent') throw new ForwardError(sent === 'busy' ? 'busy' : 'lost')
    this.#pending.set(id, { bond, onOutcome })
    return () => void this.#pending.delete(id)
  }

  /** W-S14: answers count only from whom the question went to. */
  onAnswer(bond: Bond, answer: ForwardAnswer): void {
    if (this.#pending.get(answer.id)?.bond === bond) this.#finish(answer.id, answer)
  }

  onLost(bond: Bond): void {
    for (const [id, pending] of this.#pending) if (pending.bond === bond) this.#finish(id, 'lost')
  }

  #finish(id: number, outcome: ForwardAnswer | 'lost'): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.onOutcome(outcome)
  }
}
