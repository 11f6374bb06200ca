import { nextTurn } from './clock.js'
import { LatestIterator } from './latest.js'
import { Watch, type ReadonlyWatch } from './watch.js'

/** When those who follow a {@link ComposedWatch} are told: of every change at once, or once for all of a turn of the event loop. */
export type Telling = 'at-once' | 'each-turn'

/**
 * A watch of what is made of many parts. It is made when it is read, so that a change of one part costs the same however
 * many there are, as long as nobody follows it.
 */
export class ComposedWatch<T> implements ReadonlyWatch<T> {
  readonly #compose: () => T
  readonly #telling: Telling
  /** What followers were told last. */
  readonly #told: Watch<T>
  #value: T
  #isStale = false
  #followerCount = 0
  #isTellingDue = false

  /**
   * @param compose Makes the value of what its parts are now.
   * @param telling Default: each turn.
   */
  constructor(compose: () => T, telling: Telling = 'each-turn') {
    this.#compose = compose
    this.#telling = telling
    this.#value = compose()
    this.#told = new Watch(this.#value)
  }

  get value(): T {
    if (this.#isStale) {
      this.#isStale = false
      this.#value = this.#compose()
    }
    return this.#value
  }

  get ended(): boolean {
    return this.#told.ended
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
    // What has changed before is not news to who comes now.
    this.#told.set(this.value)
    const unsubscribe = this.#told.subscribe(fn, onEnd)
    let isFollowing = true
    this.#followerCount++
    return () => {
      if (isFollowing) this.#followerCount--
      isFollowing = false
      unsubscribe()
    }
  }

  /** A part has changed. */
  invalidate(): void {
    if (this.ended) return
    this.#isStale = true
    if (this.#followerCount === 0 || this.#isTellingDue) return
    if (this.#telling === 'at-once') return this.#told.set(this.value)
    this.#isTellingDue = true
    void nextTurn().then(() => {
      this.#isTellingDue = false
      this.#told.set(this.value)
    })
  }

  /** No more changes. Followers are told the last value before they are told this. Idempotent. */
  end(cause?: unknown): void {
    this.#told.set(this.value)
    this.#told.end(cause)
  }
}
