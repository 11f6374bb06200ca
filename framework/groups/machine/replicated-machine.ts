import {
  digestOfParts,
  encodeUtf8,
  invariant,
  MosaikError,
  bytesOf,
  type Digest,
  type GroupId,
} from '#framework/primitives'
import type { Entry, Index } from '../raft/index.js'
import { readHead, snapshotOf, type SnapshotHead } from './machine-snapshot.js'
import { Sessions, type SubmissionOutcome, type SubmissionVerdict } from './sessions.js'
import type { ApplyContext, MachineFactory, StateMachine } from './state-machine.js'
import { decodeSessionOpening, decodeSubmission, MalformedEntryError, type SessionId } from './submission.js'

/** What applying an entry has come to, for whoever submitted it. */
export type AppliedSubmission<R> = { readonly session: SessionId; readonly sequence: number } & (
  | Exclude<SubmissionVerdict<R>, { verdict: 'apply' }>
  | { readonly verdict: 'applied'; readonly outcome: SubmissionOutcome<R> }
)

/** The machine threw, or an entry is not what it can be: nothing more can be applied. Code `GROUP_MACHINE_FAILED`. */
export class MachineFailedError extends MosaikError {
  constructor(index: Index, cause: unknown) {
    super('GROUP_MACHINE_FAILED', `the entry at index ${index} could not be applied`, { cause })
  }
}

export interface ReplicatedMachineOptions<C, R, Q, A> {
  readonly groupId: GroupId
  readonly factory: MachineFactory<C, R, Q, A>
}

/**
 * Everything that a group replicates on one member: the application's machine, which submissions it has carried out, and
 * how far it is in the log. Synchronous; what is applied decides everything.
 */
export class ReplicatedMachine<C = unknown, R = unknown, Q = unknown, A = unknown> {
  readonly #options: ReplicatedMachineOptions<C, R, Q, A>
  #machine: StateMachine<C, R, Q, A>
  #sessions = new Sessions<R>()
  #appliedIndex: Index = 0
  #applicationIndex: Index = 0
  #timestampMs = 0
  #failure: MachineFailedError | undefined

  constructor(options: ReplicatedMachineOptions<C, R, Q, A>) {
    this.#options = options
    this.#machine = options.factory()
  }

  /** The index of the last entry that was applied. */
  get appliedIndex(): Index {
    return this.#appliedIndex
  }

  /** The application index of the last command that was applied, or passed over as one that had been. */
  get applicationIndex(): Index {
    return this.#applicationIndex
  }

  /** Why nothing more can be applied. */
  get failure(): MachineFailedError | undefined {
    return this.#failure
  }

  get codecs(): StateMachine<C, R, Q, A>['codecs'] {
    return this.#machine.codecs
  }

  /** Whether the state can be had as a snapshot, and so the log be compacted. */
  get hasSnapshots(): boolean {
    return this.#machine.snapshot !== undefined && this.#machine.restore !== undefined
  }

  /**
   * Applies the next entry.
   *
   * @returns What it has come to; undefined for entries that nobody submitted.
   * @throws MachineFailedError now and from now on.
   */
  apply(entry: Entry): AppliedSubmission<R> | undefined {
    if (this.#failure !== undefined) throw this.#failure
    invariant(entry.index === this.#appliedIndex + 1, 'entries are applied one after the other')
    try {
      const applied = this.#applyByKind(entry)
      this.#appliedIndex = entry.index
      this.#applicationIndex = entry.applicationIndex
      return applied
    } catch (cause) {
      this.#failure = new MachineFailedError(entry.index, cause)
      throw this.#failure
    }
  }

  /** @throws What the machine throws. */
  query(query: Q): A {
    return this.#machine.query(query)
  }

  /** What became of a submission, if that is known still. */
  outcomeOf(session: SessionId, sequence: number): SubmissionOutcome<R> | undefined {
    return this.#sessions.outcomeOf(session, sequence)
  }

  /** The last submission of a session that was applied; undefined when the session is not known. */
  lastSequenceOf(session: SessionId): number | undefined {
    return this.#sessions.lastOf(session)
  }

  /** The state after the last entry that was applied, as it is at the moment of the call. Only if it {@link hasSnapshots}. */
  snapshot(): Iterable<Uint8Array> {
    const { result } = this.codecs
    const head: SnapshotHead<R> = {
      appliedIndex: this.#appliedIndex,
      applicationIndex: this.#applicationIndex,
      timestampMs: this.#timestampMs,
      sessions: [...this.#sessions.kept()],
    }
    invariant(this.#machine.snapshot !== undefined, 'only machines that can have snapshots taken')
    return snapshotOf(head, result, this.#machine.snapshot())
  }

  /**
   * Takes the place of everything there was. When it fails, that stays.
   *
   * @throws What is wrong with the snapshot, or with getting it.
   */
  async restore(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const machine = this.#options.factory()
    invariant(machine.restore !== undefined, 'only machines that can be restored get snapshots')
    const { head, rest } = await readHead<R>(pieces, machine.codecs.result)
    await machine.restore(rest)
    const sessions = new Sessions<R>()
    for (const session of head.sessions) sessions.restore(session)
    this.#machine = machine
    this.#sessions = sessions
    this.#appliedIndex = head.appliedIndex
    this.#applicationIndex = head.applicationIndex
    this.#timestampMs = head.timestampMs
    this.#failure = undefined
  }

  /** Begins anew, before the first entry. */
  reset(): void {
    this.#machine = this.#options.factory()
    this.#sessions = new Sessions()
    this.#appliedIndex = 0
    this.#applicationIndex = 0
    this.#timestampMs = 0
    this.#failure = undefined
  }

  #applyByKind(entry: Entry): AppliedSubmission<R> | undefined {
    switch (entry.kind) {
      case 'command':
        return this.#applySubmission(entry)
      case 'session':
        this.#sessions.open(decodeSessionOpening(entry.payload))
        return undefined
      case 'noop':
      case 'configuration':
        return undefined
    }
  }

  #applySubmission(entry: Entry): AppliedSubmission<R> {
    const submission = decodeSubmission(entry.payload)
    const { session, sequence, commands } = submission
    if (commands.length !== entry.commandCount)
      throw new MalformedEntryError('a submission has another number of commands than its entry')
    const judged = this.#sessions.judge(submission)
    if (judged.verdict !== 'apply') return { session, sequence, ...judged }
    const { command: codec } = this.codecs
    const firstIndex = entry.applicationIndex - commands.length + 1
    // A new leader's clock may be behind that of the one before.
    this.#timestampMs = Math.max(this.#timestampMs, entry.timestampMs)
    const decoded = commands.map((bytes) => codec.decode(bytes))
    const results = decoded.map((command, place) =>
      this.#machine.apply(
        command,
        new EntryContext(this.#options.groupId, entry, firstIndex + place, this.#timestampMs),
      ),
    )
    const outcome = { sequence, term: entry.term, firstIndex, results }
    this.#sessions.settle(session, outcome)
    return { session, sequence, verdict: 'applied', outcome }
  }
}

/** Most commands need no chance: the seed is made for those that look at it. */
class EntryContext implements ApplyContext {
  readonly groupId: GroupId
  readonly index: Index
  readonly timestampMs: number
  readonly #entry: Entry

  constructor(groupId: GroupId, entry: Entry, index: Index, timestampMs: number) {
    this.groupId = groupId
    this.index = index
    this.timestampMs = timestampMs
    this.#entry = entry
  }

  get term(): number {
    return this.#entry.term
  }

  get seed(): Digest {
    const { hash, payload } = this.#entry
    return digestOfParts(bytesOf(this.groupId), encodeUtf8(`${this.index} ${this.term} ${hash}`), payload)
  }
}
