import { isAbortError, rethrowLater } from './errors.js'

/** What a {@link TaskScope} belongs to. */
export interface TaskScopeOptions {
  /** When this aborts, so does the scope, for the same reason. */
  readonly parent?: AbortSignal
  /** Called once, with the first failure and the name of the task that failed, after the scope was aborted. */
  readonly onFailure?: (cause: unknown, task: string) => void
}

/**
 * Owns background work, so that no promise floats: every task gets a signal and is awaited by {@link close}. The first
 * task that fails ends all of them, and is its owner's to report (structured concurrency: N. J. Smith, "Notes on
 * structured concurrency", 2018).
 */
export class TaskScope implements AsyncDisposable {
  readonly #controller = new AbortController()
  readonly #tasks = new Set<Promise<void>>()
  readonly #parent: AbortSignal | undefined
  readonly #onFailure: ((cause: unknown, task: string) => void) | undefined
  readonly #onParentAbort = (): void => this.#abort(this.#parent?.reason)
  #failure: { cause: unknown } | undefined
  #closed: Promise<void> | undefined

  constructor({ parent, onFailure }: TaskScopeOptions = {}) {
    this.#parent = parent
    this.#onFailure = onFailure
    if (parent?.aborted) this.#abort(parent.reason)
    else parent?.addEventListener('abort', this.#onParentAbort)
  }

  /** Aborted when the scope closes, when a task has failed, or when the parent aborts. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** What the first task that failed threw; undefined while none has. */
  get failure(): unknown {
    return this.#failure?.cause
  }

  /** How many tasks are running. */
  get size(): number {
    return this.#tasks.size
  }

  /**
   * Starts a task at once: it runs until its first `await` before this returns. Nothing is started once the scope is
   * aborted, because events may still arrive while their owner is closing.
   *
   * A task fails when it throws. After the scope was aborted, throwing because of that (an abort error, the signal's
   * reason, or an error caused by either) is how a task ends, not a failure.
   */
  spawn(name: string, run: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) return
    // Promises, not a function that awaits: its frames would stay for as long as the task runs.
    const task = started(run, this.signal)
      .catch((error: unknown) => this.#onThrown(error, name))
      .then(() => void this.#tasks.delete(task))
    this.#tasks.add(task)
  }

  /**
   * Aborts the tasks and resolves when all of them have ended; never rejects. Idempotent: the first reason counts. A
   * task must not await this, which waits for the task.
   *
   * @param reason What the signal aborts with. Default: an `AbortError`.
   */
  close(reason?: unknown): Promise<void> {
    this.#abort(reason)
    // No task is added after the abort, so these are all there will be.
    this.#closed ??= Promise.all(this.#tasks).then(() => undefined)
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #onThrown(error: unknown, name: string): void {
    if (this.signal.aborted && this.#isConsequence(error)) return
    this.#fail(error, name)
  }

  #fail(error: unknown, name: string): void {
    if (this.#failure) return
    this.#failure = { cause: error }
    this.#abort(error)
    try {
      this.#onFailure?.(error, name)
    } catch (thrown) {
      rethrowLater(thrown)
    }
  }

  #abort(reason: unknown): void {
    if (this.signal.aborted) return
    this.#parent?.removeEventListener('abort', this.#onParentAbort)
    this.#controller.abort(reason)
  }

  #isConsequence(error: unknown): boolean {
    const seen = new Set<unknown>()
    for (let cause = error; cause !== undefined && !seen.has(cause); cause = causeOf(cause)) {
      if (cause === this.signal.reason || isAbortError(cause)) return true
      seen.add(cause)
    }
    return false
  }
}

/** A task that throws at once fails as late as any other: after it was spawned. */
function started(run: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    return Promise.resolve(run(signal))
  } catch (error) {
    return Promise.reject(error as Error)
  }
}

function causeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined
}
