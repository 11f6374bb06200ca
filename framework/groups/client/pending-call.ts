import { TimeoutError } from '#framework/primitives'
import type { Executed } from '../group.js'
import { GroupError } from '../group-error.js'
import type { Index, Term } from '../raft/index.js'
import type { Limited } from './call-deadlines.js'
import type { Call } from './submission-pipeline.js'

/** Whom a call tells of its end. */
export interface CallOwner<C, R> {
  /**
   * The signal has aborted, and the outcome is not known. The answer is due at once: {@link PendingCall.onWithdrawn} or
   * {@link PendingCall.onUnknown}.
   */
  onOver(call: PendingCall<C, R>, reason: unknown): void
  /** Told once, whatever the outcome. */
  onSettled(call: PendingCall<C, R>): void
}

export interface PendingCallOptions<C, R> {
  /** As the application gave them: errors hand them back. */
  readonly given: readonly C[]
  readonly commands: readonly Uint8Array[]
  readonly deadlineMs: number
  readonly signal: AbortSignal | undefined
  readonly owner: CallOwner<C, R>
}

interface Appended {
  readonly firstIndex: Index
  readonly term: Term
}

/** A call of a handle, from when it is made until its outcome is known or nobody waits for that any more. */
export class PendingCall<C, R> implements Call<R>, Limited {
  readonly commands: readonly Uint8Array[]
  readonly deadlineMs: number
  /** What each of the commands has come to. */
  readonly applied: Promise<readonly Executed<R>[]>
  readonly #options: PendingCallOptions<C, R>
  #resolve!: (executed: readonly Executed<R>[]) => void
  #reject!: (error: unknown) => void
  #appended: PromiseWithResolvers<Appended> | undefined
  #onAbort: (() => void) | undefined
  #isSettled = false

  constructor(options: PendingCallOptions<C, R>) {
    this.#options = options
    this.commands = options.commands
    this.deadlineMs = options.deadlineMs
    this.applied = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const { signal, owner } = options
    if (signal === undefined) return
    this.#onAbort = () => owner.onOver(this, signal.reason)
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  get wantsPlace(): boolean {
    return this.#appended !== undefined
  }

  /** Where the leader has the commands in its log. Asked for before the call leaves. */
  appended(): Promise<Appended> {
    this.#appended ??= Promise.withResolvers()
    return this.#appended.promise
  }

  onAppended(firstIndex: Index, term: Term): void {
    this.#appended?.resolve({ firstIndex, term })
  }

  onApplied(firstIndex: Index, term: Term, results: readonly R[]): void {
    if (!this.#settle()) return
    this.#appended?.resolve({ firstIndex, term })
    this.#resolve(results.map((result, place) => ({ index: firstIndex + place, term, result })))
  }

  onUnknown(cause?: unknown): void {
    const message = 'whether it was carried out is not known'
    this.reject(new GroupError('GROUP_OUTCOME_UNKNOWN', message, this.#options.given, { cause }))
  }

  /** It has never left. */
  onWithdrawn(cause: unknown): void {
    const { given, signal } = this.#options
    if (signal?.aborted === true) return this.reject(signal.reason)
    const code = cause instanceof TimeoutError ? 'GROUP_NOT_SUBMITTED' : 'GROUP_TERMINATED'
    this.reject(new GroupError(code, 'there was nobody to submit to', given, { cause }))
  }

  reject(error: unknown): void {
    if (!this.#settle()) return
    this.#appended?.reject(error)
    this.#reject(error)
  }

  #settle(): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    const { signal, owner } = this.#options
    if (this.#onAbort !== undefined) signal?.removeEventListener('abort', this.#onAbort)
    owner.onSettled(this)
    return true
  }
}
