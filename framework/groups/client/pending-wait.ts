import type { Limited } from './call-deadlines.js'

export interface PendingWaitOptions {
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * What a handle waits for on behalf of a query: until that is there, the deadline is over, the signal aborts or the handle
 * ends. Most waits are short, and cost no timer and no signal of their own.
 */
export class PendingWait implements Limited, Disposable {
  readonly deadlineMs: number
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => this.end(this.#signal?.reason)
  #over: { readonly reason: unknown } | undefined
  #reject: ((reason: unknown) => void) | undefined
  #controller: AbortController | undefined

  constructor({ deadlineMs, signal }: PendingWaitOptions) {
    this.deadlineMs = deadlineMs
    this.#signal = signal
    if (signal?.aborted === true) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Aborts when it is over before its time. For work that has to be told. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#over !== undefined) this.#controller.abort(this.#over.reason)
    return this.#controller.signal
  }

  /** @throws Why it is over, if it is. */
  throwIfOver(): void {
    if (this.#over !== undefined) throw this.#over.reason
  }

  /** Gives up. Idempotent: the first reason counts. */
  end(reason: unknown): void {
    if (this.#over !== undefined) return
    this.#over = { reason }
    this.#reject?.(reason)
    this.#controller?.abort(reason)
  }

  /**
   * Waits for this. Once.
   *
   * @throws What it fails with; why the wait is over.
   */
  for<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      if (this.#over !== undefined) reject(this.#over.reason as Error)
      work.then(resolve, reject)
    })
  }

  [Symbol.dispose](): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}
