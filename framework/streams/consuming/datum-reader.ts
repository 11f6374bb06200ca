import { MosaikError } from '#framework/primitives'
import type { Envelope } from '../consumer.js'
import { LinkedList, type Linked } from '../linked-list.js'
import { bare, enveloped, type Inbox } from './inbox.js'
import { PutOffAnswers } from './put-off-answers.js'

/** Calls that may wait for a datum at a time. */
const waitingMax = 1024
/** The most datums that are handed out as one batch. */
const batchMax = 1024
/** How much is handed out between two turns of the event loop: some milliseconds of a handler that does little. */
const datumsPerTurn = 4096
const bytesPerTurn = 256 * 1024

/** How a reader may wait. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined
}

/** One form in which datums are asked for. */
interface Form<T, R> {
  /** Takes what there is; undefined when there is nothing. */
  readonly take: (inbox: Inbox<T>) => R | undefined
  /** What those get who ask after the end. */
  readonly end: R
}

/** A call that waits for something to be there. A class, because a reader who keeps up makes one for each datum. */
class WaitingCall<T, R = unknown> implements Linked<WaitingCall<T>> {
  previous: WaitingCall<T> | undefined
  next: WaitingCall<T> | undefined
  /** Which iteration has made it, if one has. */
  readonly iteration: object | undefined
  readonly #form: Form<T, R>
  readonly #calls: LinkedList<WaitingCall<T>>
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | undefined
  readonly #settled = Promise.withResolvers<R>()

  /** @param calls Those that wait; it is one of them until it is settled. */
  constructor(
    calls: LinkedList<WaitingCall<T>>,
    form: Form<T, R>,
    signal: AbortSignal | undefined,
    iteration: object | undefined,
  ) {
    this.iteration = iteration
    this.#form = form
    this.#calls = calls
    this.#signal = signal
    calls.push(this as WaitingCall<T>)
    if (signal === undefined) return
    this.#onAbort = () => this.fail(signal.reason)
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  get result(): Promise<R> {
    return this.#settled.promise
  }

  /** @returns False when there is nothing for it. */
  serve(inbox: Inbox<T>, before: PutOffAnswers): boolean {
    const taken = this.#form.take(inbox)
    if (taken === undefined) return false
    this.#leave()
    this.#settled.resolve(before.isEmpty ? taken : before.add(taken))
    return true
  }

  /** @param ending Says so, or why: resolves or rejects when it is its time. */
  end(ending?: Promise<undefined>): void {
    this.#leave()
    const { end } = this.#form
    this.#settled.resolve(ending === undefined ? end : ending.then(() => end))
  }

  fail(cause: unknown): void {
    this.#leave()
    this.#settled.reject(cause)
  }

  #leave(): void {
    this.#calls.remove(this as WaitingCall<T>)
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

/** The application's side of an inbox: gives datums to those who ask, in the order in which they asked. */
export class DatumReader<T> {
  readonly #inbox: Inbox<T>
  readonly #what: string
  readonly #waiting = new LinkedList<WaitingCall<T>>()
  readonly #putOff = new PutOffAnswers()
  /** What was taken in all when the event loop turned last for the sake of others. */
  #turnCount = 0
  #turnBytes = 0
  #end: { readonly cause: unknown } | undefined

  constructor(inbox: Inbox<T>, what: string) {
    this.#inbox = inbox
    this.#what = what
  }

  tryTake(): T | undefined {
    this.#inbox.settle()
    return this.#inbox.take(bare)
  }

  /**
   * The next datum, waiting for one if need be; undefined at the end.
   *
   * @throws The signal's reason: then nothing was taken.
   * @throws MosaikError `CONSUMER_BUSY`; or the cause of the end.
   */
  next({ signal }: ReadOptions = {}): Promise<T | undefined> {
    return this.#ask(nextOrEnd as Form<T, T | undefined>, signal)
  }

  /** Each datum. Leaving the iteration leaves everything as it is. */
  datums(options?: ReadOptions): AsyncIterator<T> {
    return this.#iterate(nextDatum as Form<T, IteratorResult<T>>, options)
  }

  envelopes(options?: ReadOptions): AsyncIterable<Envelope<T>> {
    return {
      [Symbol.asyncIterator]: () =>
        this.#iterate(nextEnvelope as Form<T, IteratorResult<Envelope<T>>>, options),
    }
  }

  /** Everything that is here at a time. */
  batches(options?: ReadOptions): AsyncIterable<readonly T[]> {
    return {
      [Symbol.asyncIterator]: () => this.#iterate(nextBatch as Form<T, IteratorResult<T[]>>, options),
    }
  }

  /** Something has arrived: gives it to those who wait. */
  onArrival(): void {
    while (this.#waiting.first?.serve(this.#inbox, this.#putOff) === true);
  }

  /** Nothing more will arrive. What is here can still be taken; then the cause is thrown, if there is one. */
  end(cause?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { cause }
    for (let call = this.#waiting.first; call !== undefined; call = this.#waiting.first) {
      call.end(this.#ending(cause))
    }
  }

  #iterate<R>(form: Form<T, IteratorResult<R>>, { signal }: ReadOptions = {}): AsyncIterator<R> {
    let isLeft = false
    const iteration: AsyncIterator<R> = {
      next: () => (isLeft ? Promise.resolve(form.end) : this.#ask(form, signal, iteration)),
      return: () => {
        isLeft = true
        this.#withdraw(iteration)
        return Promise.resolve({ done: true, value: undefined })
      },
    }
    return iteration
  }

  /** Ends the calls of an iteration that still wait: nobody is there to take what they would be given. */
  #withdraw(iteration: object): void {
    let call = this.#waiting.first
    while (call !== undefined) {
      const { next } = call
      if (call.iteration === iteration) call.end()
      call = next
    }
  }

  /** Costs a datum that is here no more than one promise. */
  #ask<R>(form: Form<T, R>, signal: AbortSignal | undefined, iteration?: object): Promise<R> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    this.#inbox.settle()
    // While calls wait there is nothing here: so nobody overtakes them.
    const taken = form.take(this.#inbox)
    if (taken !== undefined) {
      if (this.#isTurnDue()) this.#putOff.putOff()
      else if (this.#putOff.isEmpty) return Promise.resolve(taken)
      return this.#putOff.add(taken)
    }
    if (this.#end !== undefined) return this.#ending(this.#end.cause).then(() => form.end)
    if (this.#waiting.size >= waitingMax) {
      return Promise.reject(
        new MosaikError('CONSUMER_BUSY', `${this.#what}: ${waitingMax} calls wait for a datum`),
      )
    }
    return new WaitingCall(this.#waiting, form, signal, iteration).result
  }

  /** Resolves, or rejects with the cause, when what was asked for before is answered. */
  #ending(cause: unknown): Promise<undefined> {
    const answered = this.#putOff.isEmpty ? Promise.resolve(undefined) : this.#putOff.add(undefined)
    return cause === undefined ? answered : answered.then(() => Promise.reject(cause))
  }

  /** Whether so much was taken that the event loop must turn: there may be far more here than fits into one turn. */
  #isTurnDue(): boolean {
    const { takenCount, takenBytes } = this.#inbox
    if (takenCount - this.#turnCount < datumsPerTurn && takenBytes - this.#turnBytes < bytesPerTurn)
      return false
    this.#turnCount = takenCount
    this.#turnBytes = takenBytes
    return true
  }
}

// The same for all readers, of which a node may have thousands.
const nextOrEnd: Form<unknown, unknown> = { take: takeDatum, end: undefined }
const nextDatum = iterated(takeDatum)
const nextEnvelope = iterated((inbox) => inbox.take(enveloped))
const nextBatch = iterated(takeBatch)

function takeDatum(inbox: Inbox<unknown>): unknown {
  return inbox.take(bare)
}

function takeBatch(inbox: Inbox<unknown>): unknown[] | undefined {
  const first = inbox.take(bare)
  if (first === undefined) return undefined
  const batch = [first]
  while (batch.length < batchMax) {
    const next = inbox.take(bare)
    if (next === undefined) break
    batch.push(next)
  }
  return batch
}

/** What is taken, as an iterator gives it. */
function iterated<R>(take: (inbox: Inbox<unknown>) => R | undefined): Form<unknown, IteratorResult<R>> {
  return {
    take: (inbox) => {
      const value = take(inbox)
      return value === undefined ? undefined : { done: false, value }
    },
    end: { done: true, value: undefined },
  }
}
