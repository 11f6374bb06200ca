import { MosaikError, nextTurn } from '#framework/primitives'
import type { Envelope } from './consumer.js'
import type { Inbox } from './inbox.js'
import { TurnBudget } from './turn-budget.js'

/** Calls that may wait for a datum at a time. */
const waitingMax = 1024
/** The most datums that are handed out as one batch. */
const batchMax = 1024

interface WaitingCall<T> {
  readonly give: (envelope: Envelope<T> | undefined) => void
  readonly fail: (cause: unknown) => void
}

/** The application's side of an inbox: gives datums to those who ask, in the order in which they asked. */
export class DatumReader<T> {
  readonly #inbox: Inbox<T>
  readonly #what: string
  readonly #waiting = new Set<WaitingCall<T>>()
  readonly #budget = new TurnBudget()
  /** So much was taken that the event loop must turn before more is: there may be far more here than fits into a turn. */
  #isTurnDue = false
  #end: { readonly cause: unknown } | undefined

  constructor(inbox: Inbox<T>, what: string) {
    this.#inbox = inbox
    this.#what = what
  }

  tryTake(): Envelope<T> | undefined {
    return this.#inbox.take()
  }

  /**
   * The next datum, waiting for one if need be; undefined at the end.
   *
   * @throws The signal's reason: then nothing was taken.
   * @throws MosaikError `CONSUMER_BUSY`; or the cause of the end.
   */
  next(signal?: AbortSignal): Promise<Envelope<T> | undefined> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    // While calls wait there is nothing here: so nobody overtakes them.
    const envelope = this.#inbox.take()
    if (envelope !== undefined) {
      if (!this.#isTurnDue) return Promise.resolve(envelope)
      this.#isTurnDue = false
      return nextTurn().then(() => envelope)
    }
    if (this.#end !== undefined) {
      return this.#end.cause === undefined ? Promise.resolve(undefined) : Promise.reject(this.#end.cause)
    }
    if (this.#waiting.size >= waitingMax) {
      return Promise.reject(
        new MosaikError('CONSUMER_BUSY', `${this.#what}: ${waitingMax} calls wait for a datum`),
      )
    }
    return this.#wait(signal)
  }

  /** Each datum, as `present` shows it. Leaving the iteration leaves everything as it is. */
  iterate<R>(present: (envelope: Envelope<T>) => R): AsyncIterable<R> {
    const shown = (envelope: Envelope<T> | undefined): IteratorResult<R> =>
      envelope === undefined ? { done: true, value: undefined } : { done: false, value: present(envelope) }
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.next().then(shown),
        return: () => Promise.resolve({ done: true, value: undefined }),
      }),
    }
  }

  /** Everything that is here at a time. */
  batches(): AsyncIterable<readonly T[]> {
    return this.iterate(({ datum }) => {
      const batch = [datum]
      while (batch.length < batchMax) {
        const next = this.#inbox.take()
        if (next === undefined) break
        batch.push(next.datum)
      }
      return batch
    })
  }

  /** A datum was taken: counts it towards what fits into a turn of the event loop. */
  onTaken(byteLength: number): void {
    if (this.#budget.spend(byteLength)) this.#isTurnDue = true
  }

  /** Something has arrived: gives it to those who wait. */
  onArrival(): void {
    for (const call of this.#waiting) {
      const envelope = this.#inbox.take()
      if (envelope === undefined) return
      call.give(envelope)
    }
  }

  /** Nothing more will arrive. What is here can still be taken; then the cause is thrown, if there is one. */
  end(cause?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { cause }
    for (const call of this.#waiting) {
      if (cause === undefined) call.give(undefined)
      else call.fail(cause)
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<Envelope<T> | undefined> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(call)
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => call.fail(signal?.reason)
      const call: WaitingCall<T> = {
        give: (envelope) => {
          leave()
          resolve(envelope)
        },
        fail: (cause) => {
          leave()
          reject(cause as Error)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(call)
    })
  }
}
