import type { AppliedSubmission } from '../machine/replicated-machine.js'
import { openSubmissionsMax, type SubmissionOutcome } from '../machine/sessions.js'
import type { SessionId, Submission } from '../machine/submission.js'
import type { Index, Term } from '../raft/index.js'

/** Commands that one call wants carried out together, and whom to tell. */
export interface Call<R> {
  /** Encoded. At least one. */
  readonly commands: readonly Uint8Array[]
  /** Whether anybody wants to hear of it before they are carried out. */
  readonly wantsPlace: boolean
  /** A leader has them in its log, from this application index on. Told again when another leader has them. */
  onAppended(firstIndex: Index, term: Term): void
  /** They were carried out. The last thing that is told. */
  onApplied(firstIndex: Index, term: Term, results: readonly R[]): void
  /** Whether they were carried out cannot be found out any more. The last thing that is told. */
  onUnknown(): void
}

/** What to submit to the leader next, in this order. */
export interface Dispatch {
  /** Belongs in front of the submissions: the session may be new to the group. */
  readonly opening: SessionId | undefined
  readonly submissions: readonly Submission[]
  /** Whether {@link SubmissionPipeline.onAppended} is of interest to anybody. */
  readonly wantsPlaces: boolean
}

/** What may wait for a leader: commands and their bytes (groups.md §20.6). */
const waitingCommandsMax = 10_000
const waitingBytesMax = 64 * 1024 * 1024
/** Calls that wait together are submitted together, up to so much. */
const submissionCommandsMax = 512
const submissionBytesMax = 256 * 1024
/** While so many are open, calls wait for one to be settled, or to fill another one: fewer and larger cost less. */
const partialOpenMax = 2
/** What one dispatch has at most: less than a frame between members holds. */
const dispatchBytesMax = 1024 * 1024

interface Submitted<R> {
  readonly submission: Submission
  readonly calls: readonly Call<R>[]
  readonly byteLength: number
}

/**
 * The commands of one handle on their way to be carried out: in the order of the calls, each exactly once however often it
 * has to be submitted. Commands that have never left wait without a number, and can be withdrawn; what has left once is
 * submitted to every new leader until its outcome is known. Pure: says what to send, and is told what has become of it.
 */
export class SubmissionPipeline<R> {
  readonly #newSession: () => SessionId
  #session: SessionId
  /** Something of this session was applied: so the group knows it. */
  #isKnown = false
  #nextSequence = 1
  /** Never submitted. */
  readonly #waiting = new Set<Call<R>>()
  #waitingCommands = 0
  #waitingBytes = 0
  /** By sequence, ascending: submitted at least once, and no outcome yet. */
  readonly #open = new Map<number, Submitted<R>>()
  /** Which leader is submitted to: changes with every election. */
  #leader: string | undefined
  /** Everything below was submitted to this leader. */
  #dispatchedBelow = 1

  /** @param newSession The id of a session that nobody else has. */
  constructor(newSession: () => SessionId) {
    this.#newSession = newSession
    this.#session = newSession()
  }

  get session(): SessionId {
    return this.#session
  }

  /** Whether there is anything of which the outcome is not known. */
  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#open.size === 0
  }

  /** @returns False when too much waits already; then the call is not taken. */
  add(call: Call<R>): boolean {
    const byteLength = bytesOf(call)
    const isFull =
      this.#waitingCommands + call.commands.length > waitingCommandsMax ||
      this.#waitingBytes + byteLength > waitingBytesMax
    if (isFull && this.#waiting.size > 0) return false
    this.#waiting.add(call)
    this.#waitingCommands += call.commands.length
    this.#waitingBytes += byteLength
    return true
  }

  /** @returns Whether the call had never left: then none of it will happen. */
  withdraw(call: Call<R>): boolean {
    if (!this.#waiting.delete(call)) return false
    this.#waitingCommands -= call.commands.length
    this.#waitingBytes -= bytesOf(call)
    return true
  }

  /**
   * Who leads now. With another leader, everything of which the outcome is not known is submitted again.
   *
   * @param leader Different for each leadership; undefined while nobody is known to lead.
   */
  onLeader(leader: string | undefined): void {
    if (leader === this.#leader) return
    this.#leader = leader
    this.resubmit()
  }

  /** What was submitted may have got lost: all of it is submitted again. */
  resubmit(): void {
    this.#dispatchedBelow = this.#oldestOpen
  }

  /** What to submit now; undefined when there is nothing, or nobody to submit it to. */
  take(): Dispatch | undefined {
    if (this.#leader === undefined) return undefined
    const submissions: Submission[] = []
    let byteLength = 0
    let wantsPlaces = false
    for (const { submission, calls, byteLength: bytes } of this.#open.values()) {
      if (submission.sequence < this.#dispatchedBelow) continue
      if (submissions.length > 0 && byteLength + bytes > dispatchBytesMax)
        return this.#dispatch(submissions, wantsPlaces)
      submissions.push({ ...submission, settledBelow: this.#oldestOpen })
      byteLength += bytes
      wantsPlaces ||= calls.some((call) => call.wantsPlace)
    }
    while (this.#isWorthSubmitting && byteLength < dispatchBytesMax) {
      const { submission, calls, byteLength: bytes } = this.#submitWaiting()
      submissions.push(submission)
      byteLength += bytes
      wantsPlaces ||= calls.some((call) => call.wantsPlace)
    }
    return submissions.length === 0 ? undefined : this.#dispatch(submissions, wantsPlaces)
  }

  /** The leader has a submission in its log, where its first command has this application index. */
  onAppended(sequence: number, firstIndex: Index, term: Term): void {
    let index = firstIndex
    for (const call of this.#open.get(sequence)?.calls ?? []) {
      call.onAppended(index, term)
      index += call.commands.length
    }
  }

  /** A submission of any session was applied. */
  onApplied(applied: AppliedSubmission<R>): void {
    if (applied.session !== this.#session) return
    switch (applied.verdict) {
      case 'applied':
        return this.#settle(applied.sequence, applied.outcome)
      case 'repeated':
        // Without an outcome it is one that was settled before.
        if (applied.outcome !== undefined) this.#settle(applied.sequence, applied.outcome)
        return
      case 'early':
        return this.resubmit()
      case 'unknown-session':
        // Of a session that the group has never known, the opening got lost with a leader: it is submitted again.
        if (this.#isKnown) this.#beginSession()
        else this.resubmit()
    }
  }

  /**
   * The state was replaced as a whole, and outcomes with it.
   *
   * @param lastSequence The last submission of this session that it has; undefined when it does not know the session.
   * @param outcomeOf What became of one of them.
   */
  onRestored(
    lastSequence: number | undefined,
    outcomeOf: (sequence: number) => SubmissionOutcome<R> | undefined,
  ): void {
    if (lastSequence === undefined) {
      if (this.#isKnown) this.#beginSession()
      return
    }
    for (const sequence of this.#open.keys()) {
      const outcome = sequence <= lastSequence ? outcomeOf(sequence) : undefined
      if (outcome !== undefined) this.#settle(sequence, outcome)
    }
  }

  get #oldestOpen(): number {
    const [oldest] = this.#open.keys()
    return oldest ?? this.#nextSequence
  }

  #dispatch(submissions: readonly Submission[], wantsPlaces: boolean): Dispatch {
    this.#dispatchedBelow = submissions.at(-1)!.sequence + 1
    return { opening: this.#isKnown ? undefined : this.#session, submissions, wantsPlaces }
  }

  get #isWorthSubmitting(): boolean {
    if (this.#waiting.size === 0 || this.#open.size >= openSubmissionsMax) return false
    if (this.#open.size < partialOpenMax) return true
    return this.#waitingCommands >= submissionCommandsMax || this.#waitingBytes >= submissionBytesMax
  }

  /** Gives calls that wait a number, as many as are submitted together. */
  #submitWaiting(): Submitted<R> {
    const calls: Call<R>[] = []
    const commands: Uint8Array[] = []
    let byteLength = 0
    for (const call of this.#waiting) {
      const bytes = bytesOf(call)
      const isTooMuch =
        commands.length + call.commands.length > submissionCommandsMax ||
        byteLength + bytes > submissionBytesMax
      if (isTooMuch && calls.length > 0) break
      this.withdraw(call)
      calls.push(call)
      commands.push(...call.commands)
      byteLength += bytes
    }
    const sequence = this.#nextSequence++
    const submission = { session: this.#session, sequence, settledBelow: this.#oldestOpen, commands }
    if (this.#open.size === 0) submission.settledBelow = sequence
    const submitted = { submission, calls, byteLength }
    this.#open.set(sequence, submitted)
    return submitted
  }

  #settle(sequence: number, { firstIndex, term, results }: SubmissionOutcome<R>): void {
    this.#isKnown = true
    const submitted = this.#open.get(sequence)
    if (submitted === undefined) return
    this.#open.delete(sequence)
    let place = 0
    for (const call of submitted.calls) {
      const end = place + call.commands.length
      call.onApplied(firstIndex + place, term, results.slice(place, end))
      place = end
    }
  }

  /** The group has forgotten the session, and with it what it has carried out of it. */
  #beginSession(): void {
    const lost = [...this.#open.values()]
    this.#open.clear()
    this.#session = this.#newSession()
    this.#isKnown = false
    this.#nextSequence = 1
    this.#dispatchedBelow = 1
    for (const { calls } of lost) for (const call of calls) call.onUnknown()
  }
}

function bytesOf({ commands }: Call<unknown>): number {
  let byteLength = 0
  for (const command of commands) byteLength += command.byteLength
  return byteLength
}
