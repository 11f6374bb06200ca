import { InvariantError } from './errors.js'

/**
 * An async iterator that holds at most one value: a newer one takes the place of one that was not read yet. The last
 * value before the end is always delivered. The source is attached when the first value is asked for, and detached
 * when the iteration is over, whoever ends it.
 */
export class LatestIterator<T> implements AsyncIterableIterator<T> {
  readonly #attach: (iterator: LatestIterator<T>) => () => void
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => this.#finish({ failure: this.#signal?.reason, dropsValue: true })
  #detach: (() => void) | undefined
  #attached = false
  #slot: { value: T } | undefined
  #waiter: PromiseWithResolvers<IteratorResult<T>> | undefined
  #over = false
  #failure: { cause: unknown } | undefined

  constructor(attach: (iterator: LatestIterator<T>) => () => void, signal?: AbortSignal) {
    this.#attach = attach
    this.#signal = signal
  }

  /** From the source: the newest value. */
  put(value: T): void {
    if (this.#over) return
    const waiter = this.#waiter
    if (waiter) {
      this.#waiter = undefined
      waiter.resolve({ done: false, value })
    } else {
      this.#slot = { value }
    }
  }

  /** From the source: there will be no more. A cause makes the iteration throw it, after the value that is held. */
  end(cause?: unknown): void {
    this.#finish({ failure: cause, dropsValue: false })
  }

  next(): Promise<IteratorResult<T>> {
    if (!this.#attached) this.#start()
    const slot = this.#slot
    if (slot) {
      this.#slot = undefined
      return Promise.resolve({ done: false, value: slot.value })
    }
    if (this.#over) {
      const failure = this.#failure
      this.#failure = undefined
      return failure ? Promise.reject(failure.cause) : Promise.resolve(DONE)
    }
    if (this.#waiter)
      return Promise.reject(new InvariantError('one reader at a time: the last next() is pending'))
    this.#waiter = Promise.withResolvers<IteratorResult<T>>()
    return this.#waiter.promise
  }

  return(): Promise<IteratorResult<T>> {
    this.#attached = true
    this.#finish({ failure: undefined, dropsValue: true })
    this.#failure = undefined
    return Promise.resolve(DONE)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #start(): void {
    this.#attached = true
    if (this.#signal?.aborted) return this.#onAbort()
    this.#signal?.addEventListener('abort', this.#onAbort)
    const detach = this.#attach(this)
    // The source may have ended the iteration while it was being attached.
    if (this.#over) detach()
    else this.#detach = detach
  }

  #finish(how: { failure: unknown; dropsValue: boolean }): void {
    if (how.dropsValue) this.#slot = undefined
    if (this.#over) return
    this.#over = true
    if (how.failure !== undefined) this.#failure = { cause: how.failure }
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#detach?.()
    this.#detach = undefined
    const waiter = this.#waiter
    if (!waiter) return
    this.#waiter = undefined
    const failure = this.#failure
    this.#failure = undefined
    if (failure) waiter.reject(failure.cause)
    else waiter.resolve(DONE)
  }
}

const DONE: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined })
