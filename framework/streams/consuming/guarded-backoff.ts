import { Backoff, MosaikError, type BackoffOptions, type Random } from '#framework/primitives'
import type { BackoffPolicy } from '../consumer.js'

/**
 * A retry policy that does not fail: where one of the application's throws, or answers with what is no delay, the default
 * one is asked instead. Told once, until it works again.
 */
export class GuardedBackoff implements BackoffPolicy {
  readonly #policy: BackoffPolicy
  readonly #fallback: Backoff
  readonly #onError: (cause: unknown) => void
  #isFailing = false

  constructor(
    option: Partial<BackoffOptions> | (() => BackoffPolicy),
    random: Random,
    onError: (cause: unknown) => void,
  ) {
    this.#onError = onError
    this.#fallback = new Backoff(typeof option === 'function' ? {} : option, random)
    this.#policy =
      typeof option === 'function'
        ? this.#guarded<BackoffPolicy>(option, () => this.#fallback)
        : this.#fallback
  }

  next(): number | undefined {
    return this.#guarded(
      () => assertDelay(this.#policy.next()),
      () => this.#fallback.next(),
    )
  }

  reset(): void {
    this.#fallback.reset()
    this.#guarded(
      () => this.#policy.reset(),
      () => undefined,
    )
  }

  #guarded<R>(ask: () => R, fallBack: () => R): R {
    try {
      const answer = ask()
      this.#isFailing = false
      return answer
    } catch (error) {
      if (!this.#isFailing) this.#onError(error)
      this.#isFailing = true
      return fallBack()
    }
  }
}

function assertDelay(delayMs: unknown): number | undefined {
  if (delayMs === undefined || (typeof delayMs === 'number' && delayMs >= 0)) return delayMs
  throw new MosaikError(
    'STREAM_OPTION_INVALID',
    `a back-off answers with milliseconds or undefined, not ${typeof delayMs === 'number' ? delayMs : typeof delayMs}`,
  )
}
