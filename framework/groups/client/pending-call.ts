import { TimeoutError, type Clock } from '#framework/primitives'
import type { Executed } from '../group.js'
import { GroupError } from '../group-error.js'
import type { Index, Term } from '../raft/index.js'
import type { Call } from './submission-pipeline.js'

/** Whom a call tells of its end. */
export interface CallOwner<C, R> {
  /**
   * The time is over, or the signal has aborted, and the outcome is not known. The answer is due at once:
   * {@link PendingCall.onWithdrawn} or {@link PendingCall.onUnknown}.
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
  readonly clock: Clock
  readonly owner: CallOwner<C, R>
}

interface Appended {
  readonly firstIndex: Index
  readonly term: Term
}

/** A call of a handle, from when it is made until its outcome is known or nobody waits for that any more. */
export class PendingCall<C, R> implements Call<R> {
  readonly commands: readonly Uint8Array[]
  /** What each of the commands has come to. */
  readonly applied: Promise<readonly Executed<R>[]>
  readonly #options: PendingCallOptions<C, R>
  #resolve!: (executed: readonly Executed<R>[]) => void
  #reject!: (error: unknown) => void
  #appended: PromiseWithResolvers<Appended> | undefined
  #isSettled = false
  readonly #timer: Disposable

  constructor(options: PendingCallOptions<C, R>) {
    const { commands, clock, deadlineMs, signal, owner } = options
    this.#options = options
    this.commands = commands
    this.applied = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Those who only want to know that it was appended do not look at it.
    this.applied.catch(() => {})
    this.#timer = limit(clock, deadlineMs, signal, (reason) => owner.onOver(this, reason))
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
    this.#timer[Symbol.dispose]()
    this.#options.owner.onSettled(this)
    return true
  }
}

/** What `clock.deadline` is, without a signal of its own: there is one of these for every command. */
function limit(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
  onOver: (reason: unknown) => void,
): Disposable {
  const timer = clock.after(ms, () =>
    onOver(new TimeoutError(`not done within ${ms} ms`, { details: { timeoutMs: ms } })),
  )
  const onAbort = (): void => onOver(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  return {
    [Symbol.dispose]: () => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    },
  }
}
