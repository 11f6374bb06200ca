import { nextTurn } from './clock.js'
import { LatestIterator } from './latest.js'
import { Watch, type ReadonlyWatch } from './watch.js'

/** When those who follow a {@link ComposedWatch} are told: of every change at once, or once for all of a turn of the event loop. */
export type Telling = 'at-once' | 'each-turn'

/**
 * A watch of what is made of many parts. It is made when it is read, so that a change of one part costs the same however
 * many there are, as long as nobody follows it; and kept no longer than until the next change, or the last follower has left.
 */
export class ComposedWatch<T> implements ReadonlyWatch<T> {
  readonly #compose: () => T
  readonly #telling: Telling
  /** What followers were told last; undefined while there are none. */
  #told: Watch<T> | undefined
  #made: { readonly value: T } | undefined
  #end: { readonly cause: unknown } | undefined
  #followerCount = 0
  #isTellingDue = false

  /**
   * @param compose Makes the value of what its parts are now.
   * @param telling Default: each turn.
   */
  constructor(compose: () => T, telling: Telling = 'each-turn') {
    this.#compose = compose
    this.#telling = telling
  }

  get value(): T {
    this.#made ??= { value: this.#compose() }
    return this.#made.value
  }

  get ended(): boolean {
    return this.#end !== undefined
  }

  changes(options: { signal?: AbortSignal | undefined } = {}): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () =>
        new LatestIterator<T>((iterator) => {
          iterator.put(this.value)
          return this.subscribe(
            (value) => iterator.put(value),
            (cause) => iterator.end(cause),
          )
        }, options.signal),
    }
  }

  subscribe(fn: (value: T) => void, onEnd?: (cause?: unknown) => void): () => void {
    const told = (this.#told ??= new Watch(this.value))
    // What has changed before is not news to who comes now.
    told.set(this.value)
    if (this.#end !== undefined) told.end(this.#end.cause)
    const unsubscribe = told.subscribe(fn, onEnd)
    let isFollowing = true
    this.#followerCount++
    return () => {
      if (isFollowing && --this.#followerCount === 0) this.#forget()
      isFollowing = false
      unsubscribe()
    }
  }

  /** A part has changed. */
  invalidate(): void {
    if (this.ended) return
    this.#made = undefined
    if (this.#followerCount === 0 || this.#isTellingDue) return
    if (this.#telling === 'at-once') return this.#tell()
    this.#isTellingDue = true
    void nextTurn().then(() => {
      this.#isTellingDue = false
      this.#tell()
    })
  }

  /** No more changes. Followers are told the last value before they are told this. Idempotent. */
  end(cause?: unknown): void {
    if (this.#end !== undefined) return
    // The last value, which nothing changes any more.
    const { value } = this
    this.#end = { cause }
    this.#told?.set(value)
    this.#told?.end(cause)
  }

  #tell(): void {
    this.#told?.set(this.value)
  }

  #forget(): void {
    this.#told = undefined
    if (!this.ended) this.#made = undefined
  }
}
