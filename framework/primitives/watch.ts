import { InvariantError, rethrowLater } from './errors.js'
import { LatestIterator } from './latest.js'

/** A value that changes over time, to be read and followed. */
export interface ReadonlyWatch<T> {
  /** The value now; after the end, the last one. */
  readonly value: T
  /** Whether there will be no more changes. */
  readonly ended: boolean

  /**
   * The current value, then the newest one whenever it has changed since the last was taken: values in between may be
   * missed, the last one before the end never. When the watch ends with a cause the iteration throws it, otherwise it
   * is just over. Leaving the loop unsubscribes.
   *
   * @throws The signal's reason, when it aborts.
   */
  changes(options?: { signal?: AbortSignal | undefined }): AsyncIterable<T>

  /**
   * Calls `fn` synchronously with each new value, not with the current one, until the returned function is called; and
   * `onEnd` once when the watch ends (soon, when it has ended already). When a subscriber itself changes the value, the
   * others get only the newest, each in the same order. A subscriber that throws disturbs nobody: its error surfaces
   * as an uncaught exception.
   */
  subscribe(fn: (value: T) => void, onEnd?: (cause?: unknown) => void): () => void
}

interface Subscriber<T> {
  readonly fn: (value: T) => void
  readonly onEnd: ((cause?: unknown) => void) | undefined
  /** The version this subscriber was told about last. */
  seen: number
}

/** How often subscribers may change the value in answer to a change, before that is taken for a loop without end. */
const ROUNDS_MAX = 1_000

/** The latest value of something, owned by who sets it and followed by any number of others. */
export class Watch<T> implements ReadonlyWatch<T> {
  /** Undefined while there were none: most watches are only read, and an empty set costs more than the rest of one. */
  #subscribers: Set<Subscriber<T>> | undefined
  #value: T
  #version = 0
  #notifying = false
  #ended = false
  #cause: unknown
  #view: ReadonlyWatch<T> | undefined

  constructor(initial: T) {
    this.#value = initial
  }

  get value(): T {
    return this.#value
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Nobody is told about a value that is identical (`Object.is`) to the current one, or after the end. */
  set(value: T): void {
    if (this.#ended || Object.is(value, this.#value)) return
    this.#value = value
    this.#version++
    if (this.#subscribers !== undefined && this.#subscribers.size > 0) this.#notify(this.#subscribers)
  }

  /** {@link set} to what the function makes of the current value. */
  update(fn: (value: T) => T): void {
    this.set(fn(this.#value))
  }

  /** No more changes. Subscribers have been told the last value before they are told this. Idempotent. */
  end(cause?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#cause = cause
    // Inside a notification the last value comes first: the notification goes on to the end by itself.
    if (!this.#notifying) this.#notifyEnd()
  }

  changes(options: { signal?: AbortSignal | undefined } = {}): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () =>
        new LatestIterator<T>((iterator) => {
          iterator.put(this.#value)
          return this.subscribe(
            (value) => iterator.put(value),
            (cause) => iterator.end(cause),
          )
        }, options.signal),
    }
  }

  subscribe(fn: (value: T) => void, onEnd?: (cause?: unknown) => void): () => void {
    const subscriber: Subscriber<T> = { fn, onEnd, seen: this.#version }
    this.#subscribers ??= new Set()
    this.#subscribers.add(subscriber)
    // In a microtask, because a caller cannot unsubscribe before it was given the function to do so.
    if (this.#ended) queueMicrotask(() => this.#endFor(subscriber))
    return () => {
      this.#subscribers?.delete(subscriber)
    }
  }

  /** The same watch for those who may not set it. */
  asReadonly(): ReadonlyWatch<T> {
    this.#view ??= new WatchView(this)
    return this.#view
  }

  #notify(subscribers: ReadonlySet<Subscriber<T>>): void {
    // A subscriber set the value: the notification that is going on picks it up.
    if (this.#notifying) return
    this.#notifying = true
    try {
      let version
      let rounds = 0
      do {
        if (++rounds > ROUNDS_MAX) {
          throw new InvariantError('the subscribers of a watch keep changing it in answer to each other')
        }
        version = this.#version
        for (const subscriber of subscribers) {
          if (subscriber.seen === this.#version) continue
          subscriber.seen = this.#version
          try {
            subscriber.fn(this.#value)
          } catch (error) {
            rethrowLater(error)
          }
        }
      } while (version !== this.#version)
    } finally {
      this.#notifying = false
    }
    if (this.#ended) this.#notifyEnd()
  }

  #notifyEnd(): void {
    for (const subscriber of this.#subscribers ?? []) this.#endFor(subscriber)
  }

  #endFor(subscriber: Subscriber<T>): void {
    if (this.#subscribers?.delete(subscriber) !== true) return
    try {
      subscriber.onEnd?.(this.#cause)
    } catch (error) {
      rethrowLater(error)
    }
  }
}

/** Passes everything on except the right to set. */
class WatchView<T> implements ReadonlyWatch<T> {
  readonly #watch: Watch<T>

  constructor(watch: Watch<T>) {
    this.#watch = watch
  }

  get value(): T {
    return this.#watch.value
  }

  get ended(): boolean {
    return this.#watch.ended
  }

  changes(options?: { signal?: AbortSignal | undefined }): AsyncIterable<T> {
    return this.#watch.changes(options)
  }

  subscribe(fn: (value: T) => void, onEnd?: (cause?: unknown) => void): () => void {
    return this.#watch.subscribe(fn, onEnd)
  }
}
