import { InvariantError } from './errors.js'
import { Ring } from './ring.js'

/** What a bounded queue does with an item that finds it full. */
export type Overflow = 'block' | 'drop-oldest' | 'drop-newest'

/** How large a {@link Mailbox} is and what it does when it is full. */
export interface MailboxOptions {
  /** How many items may wait; an integer of at least 1. */
  readonly capacity: number
  /**
   * What happens to an item that finds the mailbox full. `reject` (default): `post` says no, and the caller still has
   * the item. `drop-newest`: the same, but counted as lost. `drop-oldest`: the item is accepted, and the one that
   * waited longest is lost and counted.
   */
  readonly overflow?: 'drop-oldest' | 'drop-newest' | 'reject'
}

/**
 * A bounded queue from any number of writers, who never wait, to one reader, who does. Items come out in the order in
 * which they went in. An item must not be `undefined`, which stands for none.
 */
export class Mailbox<T> implements AsyncIterable<T> {
  readonly #ring: Ring<T>
  readonly #overflow: 'drop-oldest' | 'drop-newest' | 'reject'
  #droppedCount = 0
  #reader: PromiseWithResolvers<T | undefined> | undefined
  #ended = false
  #cause: unknown

  constructor({ capacity, overflow = 'reject' }: MailboxOptions) {
    this.#ring = new Ring(capacity)
    this.#overflow = overflow
  }

  /** How many items wait. */
  get length(): number {
    return this.#ring.length
  }

  /** How many items were lost because the mailbox was full. Items that `reject` handed back are not among them. */
  get droppedCount(): number {
    return this.#droppedCount
  }

  /** Adds an item. False when it was not accepted: the mailbox is full, or has ended. */
  post(item: T): boolean {
    if (this.#ended) return false
    const reader = this.#reader
    if (reader) {
      this.#reader = undefined
      reader.resolve(item)
      return true
    }
    if (this.#ring.pushBack(item)) return true
    if (this.#overflow === 'reject') return false
    this.#droppedCount++
    if (this.#overflow === 'drop-newest') return false
    this.#ring.popFront()
    return this.#ring.pushBack(item)
  }

  /**
   * The next item, waiting for one if need be; undefined when the mailbox has ended and is empty.
   *
   * @throws The signal's reason, when it aborts: then no item was taken.
   * @throws The cause that the mailbox ended with, after its last item.
   * @throws InvariantError when another `take` is still waiting.
   */
  take(options: { signal?: AbortSignal | undefined } = {}): Promise<T | undefined> {
    const { signal } = options
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#reader) {
      return Promise.reject(
        new InvariantError('a mailbox has one reader, whose last take() is still waiting'),
      )
    }
    if (this.#ring.length > 0) return Promise.resolve(this.#ring.popFront())
    if (this.#ended) {
      return this.#cause === undefined ? Promise.resolve(undefined) : Promise.reject(this.#cause)
    }
    this.#reader = Promise.withResolvers<T | undefined>()
    return signal ? this.#takeUnless(signal, this.#reader) : this.#reader.promise
  }

  /** The next item if one waits, otherwise undefined. */
  tryTake(): T | undefined {
    return this.#ring.popFront()
  }

  /**
   * Nothing more is accepted. What waits can still be taken; after that the reader is told, with the cause as an error
   * if there is one. Idempotent.
   */
  end(cause?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#cause = cause
    const reader = this.#reader
    if (!reader) return
    this.#reader = undefined
    if (cause === undefined) reader.resolve(undefined)
    else reader.reject(cause)
  }

  /** Takes items until the end. Leaving the loop leaves the mailbox as it is. */
  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (let item = await this.take(); item !== undefined; item = await this.take()) yield item
  }

  async #takeUnless(
    signal: AbortSignal,
    reader: PromiseWithResolvers<T | undefined>,
  ): Promise<T | undefined> {
    const onAbort = (): void => {
      // An item that was handed over in the same turn is delivered, not lost.
      if (this.#reader !== reader) return
      this.#reader = undefined
      reader.reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort)
    try {
      return await reader.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}
