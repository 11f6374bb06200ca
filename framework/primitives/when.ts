import { systemClock, type Clock, type Deadline } from './clock.js'
import { EndedError, TimeoutError } from './errors.js'
import { LatestIterator } from './latest.js'
import type { ReadonlyWatch } from './watch.js'

/** How a {@link Condition} is named and bounded. */
export interface ConditionOptions {
  /** Ends every wait on the condition. */
  readonly signal?: AbortSignal | undefined
  /** What holds when the condition is met, for messages: "2 consumers are subscribed". */
  readonly name?: string
}

/** How one wait on a {@link Condition} is bounded. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined
  /** Default: no limit. Measured by `clock`. */
  readonly timeoutMs?: number
  /** Default: the clock of the machine. */
  readonly clock?: Clock
}

/**
 * A predicate on a watched value that can be awaited. Event-driven: costs nothing while the value does not change.
 *
 * ```ts
 * await producer.when().subscribed({ min: 2 })
 * ```
 *
 * A wait looks at the level: it resolves at once when the condition is met already. Iterating looks at the edges: it
 * yields at once when the condition is met, and again each time it becomes met after it was not.
 */
export class Condition<T> implements PromiseLike<T> {
  readonly #watch: ReadonlyWatch<T>
  readonly #predicate: (value: T) => boolean
  readonly #signal: AbortSignal | undefined
  readonly #name: string
  #isInverse = false

  constructor(watch: ReadonlyWatch<T>, predicate: (value: T) => boolean, options: ConditionOptions = {}) {
    this.#watch = watch
    this.#predicate = predicate
    this.#signal = options.signal
    this.#name = options.name ?? 'the condition is met'
  }

  /** Whether it holds now. */
  get met(): boolean {
    return this.#predicate(this.#watch.value)
  }

  /** The condition that holds when this one does not. The inverse of an inverse is that inverse: no toggle. */
  not(): Condition<T> {
    if (this.#isInverse) return this
    const inverse = new Condition(this.#watch, (value) => !this.#predicate(value), {
      signal: this.#signal,
      name: `not: ${this.#name}`,
    })
    inverse.#isInverse = true
    return inverse
  }

  /**
   * Resolves with the value that met the condition, at once when it is met now.
   *
   * @throws EndedError (`ENDED`) when the watch has ended, or ends, without the condition being met.
   * @throws TimeoutError (`TIMEOUT`) after `timeoutMs`.
   * @throws The reason of either signal when it aborts, also when the condition is met at that moment.
   * @throws What the predicate throws.
   */
  wait(options: WaitOptions = {}): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const aborted = [this.#signal, options.signal].find((signal) => signal?.aborted)
    if (aborted) {
      reject(aborted.reason)
      return promise
    }
    const current = this.#watch.value
    try {
      if (this.#predicate(current)) {
        resolve(current)
        return promise
      }
    } catch (error) {
      reject(error)
      return promise
    }

    const deadline = this.#deadline(options)
    const settle = (how: () => void): void => {
      unsubscribe()
      deadline?.signal.removeEventListener('abort', onAbort)
      deadline?.cancel()
      how()
    }
    const onAbort = (): void => settle(() => reject(this.#reasonOf(deadline, options)))
    const onValue = (value: T): void => {
      try {
        if (this.#predicate(value)) settle(() => resolve(value))
      } catch (error) {
        settle(() => reject(error))
      }
    }
    const onEnd = (cause?: unknown): void => settle(() => reject(this.#endedError(cause)))
    const unsubscribe = this.#watch.subscribe(onValue, onEnd)
    deadline?.signal.addEventListener('abort', onAbort)
    return promise
  }

  /** Makes `await condition` the same as `await condition.wait()`. */
  // oxlint-disable-next-line unicorn/no-thenable -- being awaitable is what a condition is for.
  then<R1 = T, R2 = never>(
    onFulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null,
  ): Promise<R1 | R2> {
    return this.wait().then(onFulfilled, onRejected)
  }

  /**
   * Yields the value each time the condition becomes met. Becoming met several times while the loop is busy yields
   * once, with the newest of those values. Over when the watch ends; throws its cause if it has one.
   */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return new LatestIterator<T>((iterator) => {
      let wasMet = false
      const onValue = (value: T): void => {
        let isMet
        try {
          isMet = this.#predicate(value)
        } catch (error) {
          return iterator.end(error)
        }
        if (isMet && !wasMet) iterator.put(value)
        wasMet = isMet
      }
      onValue(this.#watch.value)
      return this.#watch.subscribe(onValue, (cause) => iterator.end(cause))
    }, this.#signal)
  }

  /** Nothing, when nothing bounds the wait: signals and timers are dear compared to the rest of it. */
  #deadline({ signal, timeoutMs = Infinity, clock = systemClock }: WaitOptions): Deadline | undefined {
    if (timeoutMs === Infinity && !signal && !this.#signal) return undefined
    return clock.deadline(timeoutMs, this.#signal, signal)
  }

  #reasonOf(deadline: Deadline | undefined, { signal, timeoutMs }: WaitOptions): unknown {
    if (this.#signal?.aborted || signal?.aborted) return deadline?.signal.reason
    return new TimeoutError(`not within ${timeoutMs} ms: ${this.#name}`, {
      details: { condition: this.#name, timeoutMs },
    })
  }

  #endedError(cause: unknown): EndedError {
    return new EndedError(`came to an end before: ${this.#name}`, {
      ...(cause !== undefined && { cause }),
      details: { condition: this.#name },
    })
  }
}
