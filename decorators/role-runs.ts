// Methods that run while their node leads a group, or follows: when they begin, end, and begin again.
import type { GroupStatus, Term } from '#framework/groups'
import {
  Backoff,
  EndedError,
  isAbortError,
  type Clock,
  type Random,
  type ReadonlyWatch,
  type Timer,
} from '#framework/primitives'
import type { GroupRole } from './records.js'

/** How long a call may go on after its role has ended before that is worth a warning. */
const lateMs = 3_000
/** How soon a call that failed is repeated while the role lasts. */
const retry = { initialMs: 500, factor: 2, maxMs: 30_000 }

/** A method that runs in a role. */
export interface RoleRun {
  readonly role: GroupRole
  readonly status: ReadonlyWatch<GroupStatus>
  readonly call: (signal: AbortSignal, term: Term) => unknown
  /** A call has failed; it is repeated while the role lasts. */
  readonly onFailure: (error: unknown) => void
  /** A call goes on although its role has ended: what comes next waits for it. */
  readonly onLate: () => void
  readonly clock: Clock
  readonly random: Random
  /** Ends it. */
  readonly signal: AbortSignal
}

/**
 * The term in which a node has the role; undefined when it has not. Only members that are up to date have one: who leads
 * while its storage fails can do nothing with it.
 */
export function termOfRole({ phase, role, term }: GroupStatus, wanted: GroupRole): Term | undefined {
  return phase === 'online' && role === wanted ? term : undefined
}

/**
 * Calls the method each time the node gets the role, in one term after the other: never again before the call before has
 * ended, whatever happens meanwhile. Resolves when the group is over; rejects with the signal's reason when that aborts.
 * In both cases after the call has ended.
 */
export async function runInRole(run: RoleRun): Promise<void> {
  const { status, role, signal } = run
  for (;;) {
    const term = await nextTerm(status, role, signal)
    if (term === undefined) return
    await serve(run, term)
    signal.throwIfAborted()
  }
}

/** Undefined when the group is over. */
function nextTerm(
  status: ReadonlyWatch<GroupStatus>,
  role: GroupRole,
  signal: AbortSignal,
): Promise<Term | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Term | undefined>()
  // Its last value stays, and says nothing any more.
  if (status.ended) resolve(undefined)
  const look = (value: GroupStatus): void => {
    const term = termOfRole(value, role)
    if (term !== undefined) resolve(term)
  }
  const onAbort = (): void => reject(signal.reason as Error)
  const unsubscribe = status.subscribe(look, () => resolve(undefined))
  signal.addEventListener('abort', onAbort)
  look(status.value)
  if (signal.aborted) onAbort()
  return promise.finally(() => {
    unsubscribe()
    signal.removeEventListener('abort', onAbort)
  })
}

/** From when the node has the role in that term until it has it no more. */
async function serve(run: RoleRun, term: Term): Promise<void> {
  const { role, status, clock, random, signal } = run
  using duty = new Duty(status, role, term, signal)
  const backoff = new Backoff(retry, random)
  while (!duty.signal.aborted) {
    const isDone = await attempt(run, duty.signal, term)
    // It has done all that it wanted to do in this term, or it is to be repeated.
    await (isDone ? duty.over : duty.sleep(clock, backoff.next()))
  }
}

/** Calls the method once. False when it has failed. */
async function attempt(
  { call, onFailure, onLate, clock }: RoleRun,
  duty: AbortSignal,
  term: Term,
): Promise<boolean> {
  let late: Timer | undefined
  const onEnd = (): void => {
    late = clock.after(lateMs, onLate)
  }
  duty.addEventListener('abort', onEnd)
  try {
    await call(duty, term)
    return true
  } catch (error) {
    if (!(duty.aborted && isConsequence(error, duty))) onFailure(error)
    return false
  } finally {
    duty.removeEventListener('abort', onEnd)
    late?.cancel()
  }
}

/** A stretch of time in which the node has the role, in one term. */
class Duty implements Disposable {
  readonly #controller = new AbortController()
  readonly #over = Promise.withResolvers<void>()
  readonly #release: () => void

  constructor(status: ReadonlyWatch<GroupStatus>, role: GroupRole, term: Term, parent: AbortSignal) {
    const end = (reason: unknown): void => {
      this.#controller.abort(reason)
      this.#over.resolve()
    }
    const look = (value: GroupStatus): void => {
      if (termOfRole(value, role) !== term)
        end(new EndedError(`this node is no ${role} of term ${term} any more`))
    }
    const onAbort = (): void => end(parent.reason)
    const unsubscribe = status.subscribe(look, (cause) =>
      end(new EndedError('this node is not in the group any more', { cause })),
    )
    parent.addEventListener('abort', onAbort)
    this.#release = () => {
      unsubscribe()
      parent.removeEventListener('abort', onAbort)
    }
    look(status.value)
    if (parent.aborted) onAbort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Resolves when it has ended. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** Resolves early when it ends. */
  async sleep(clock: Clock, ms: number): Promise<void> {
    await clock.sleep(ms, { signal: this.signal }).catch(() => undefined)
  }

  [Symbol.dispose](): void {
    this.#release()
  }
}

/** Whether a call ended because it was told to. */
function isConsequence(error: unknown, { reason }: AbortSignal): boolean {
  return (
    error === reason || isAbortError(error) || (error as { cause?: unknown } | undefined)?.cause === reason
  )
}
