import type { Message } from './messages.js'
import type { Entry, HardState, Index, MemberId, RoleFacts, SnapshotFacts, Term } from './types.js'

/**
 * What is to be done outside of the core since it was last asked. Writes of one Ready go to the storage as one unit and
 * with one sync; several Readies may be on their way to the disk at once, in their order. When the writes of a Ready are
 * durable, the driver says so with its `id`: {@link RaftCore.persisted}. What must not be said before that (votes, acknowledged
 * entries) the core keeps to itself until then, so all of `messages` may always leave at once.
 */
export interface Ready {
  /** Ascending. */
  readonly id: number
  /** Whether there is something to write: `hardState`, `snapshot`, `truncateFrom` or `entries`. Otherwise `persisted` need not be called. */
  readonly mustPersist: boolean
  /**
   * Whether somebody waits until what is to be written is durable. Otherwise, with entries that a leader does not want to hear
   * of, it may be written a little later, together with what comes then.
   */
  readonly isAwaited: boolean
  /** To write first. Undefined when it has not changed. */
  readonly hardState: HardState | undefined
  /**
   * To write second: an installed snapshot. What the state machine gets from it is known to the driver; the log is empty
   * afterwards, or goes on with the entries behind the snapshot that `keepsEntries` says are right.
   */
  readonly snapshot: InstalledSnapshot | undefined
  /** To write third: no entry of this index or higher is in the log any more. */
  readonly truncateFrom: Index | undefined
  /** To write fourth: the log goes on with these. */
  readonly entries: readonly Entry[]
  /** To send, in this order for each receiver. Losing them is harmless. */
  readonly messages: readonly Message[]
  /**
   * To apply, in this order, after the installed snapshot. Every committed entry comes once, whatever its kind. It may be
   * among those that this Ready or one before it has to be written, so what is kept of its effects must not reach the disk
   * before them.
   */
  readonly committed: readonly Entry[]
  /** Reads that may be answered as soon as everything up to their index is applied. */
  readonly reads: readonly ConfirmedRead[]
  /** Reads that will not be confirmed: this member is not the leader any more. */
  readonly failedReads: readonly ReadId[]
  /** Undefined when neither role, term nor leader has changed. */
  readonly role: RoleFacts | undefined
  /** The leader has compacted what this member needs next; the driver is to get it from whoever has it. */
  readonly syncRequired: SyncDemand | undefined
  /** What went wrong or is worth a line in the log. */
  readonly incidents: readonly Incident[]
}

export interface InstalledSnapshot {
  readonly facts: SnapshotFacts
  /** Whether the log already has the snapshot's last entry, so that what is behind it stays. */
  readonly keepsEntries: boolean
}

export interface SyncDemand {
  readonly leader: MemberId
  /** The first entry that the leader can still send. */
  readonly firstIndex: Index
  readonly commitIndex: Index
}

/** Chosen by the core, ascending. */
export type ReadId = number

export interface ConfirmedRead {
  readonly id: ReadId
  /** What the state machine must have applied. */
  readonly index: Index
}

/** Something that a person should hear of. */
export type Incident =
  /** This log and the leader's hold different entries where both must be right: the member has stopped. */
  | {
      readonly type: 'diverged'
      readonly leader: MemberId
      readonly index: Index
      readonly commitIndex: Index
      readonly reason: string
    }
  /** An append whose entries do not have the hashes that it says; it is dropped as if it had been lost. */
  | { readonly type: 'corrupt-append'; readonly from: MemberId; readonly index: Index }
  /** A leader that has not heard of a majority for an election timeout gave up (Ongaro 2014, §6.2). */
  | { readonly type: 'quorum-lost'; readonly term: Term }
  /** A configuration without this member was committed. */
  | { readonly type: 'removed' }
  /** Leadership did not reach the target within an election timeout. */
  | { readonly type: 'transfer-aborted'; readonly target: MemberId }

/** What became of a message. Only `stepped` had an effect; the rest is counted in {@link RaftStatus}. */
export type StepOutcome = 'stepped' | IgnoredReason

/**
 * - `other-cluster`, `other-member`: not meant for this member;
 * - `stranger`: an answer of somebody who was not asked;
 * - `stale`: of an earlier term, or an answer to something that is over;
 * - `malformed`: not what a member sends;
 * - `corrupt`: see the incident `corrupt-append`;
 * - `stopped`: this member has diverged and takes no more part.
 */
export type IgnoredReason =
  'other-cluster' | 'other-member' | 'stranger' | 'stale' | 'malformed' | 'corrupt' | 'stopped'

/** Why nothing was proposed. */
export type RefusalReason =
  /** Ask `leader`, if there is one. */
  | 'not-leader'
  /** Too much is proposed and not committed yet. */
  | 'busy'
  /** A payload is longer than `commandBytesMax`. */
  | 'too-large'
  /** Leadership is about to move to another member. */
  | 'transferring'
  /** Another change of the voters, or the first entry of this leader's term, is not committed yet. */
  | 'change-pending'
  /** The new configuration differs by more than one voter, has none, or is not well formed. */
  | 'not-single-step'
  /** The member is not what the request needs it to be: a voter, a learner that has caught up, somebody else. */
  | 'unsuitable-member'

export interface Refusal {
  readonly accepted: false
  readonly reason: RefusalReason
  readonly leader: MemberId | undefined
}

/** What a command, or several that are applied together, is appended as. */
export interface Proposal {
  readonly payload: Uint8Array
  /** Default `command`. */
  readonly kind?: 'command' | 'session' | undefined
  /** How many commands the payload holds. Default 1, and 0 for other kinds. */
  readonly commandCount?: number | undefined
}

/**
 * Where proposals were appended, one entry each. They are committed when an entry with this `term` at their index comes
 * out as committed, and lost when one with another term does.
 */
export interface Appended {
  readonly accepted: true
  readonly term: Term
  readonly firstIndex: Index
  readonly lastIndex: Index
  /** Of the first and the last command; a range that ends before it begins when there is no command. */
  readonly firstApplicationIndex: Index
  readonly lastApplicationIndex: Index
}

export type ProposeOutcome = Appended | Refusal
export type ReadOutcome = { readonly accepted: true; readonly id: ReadId } | Refusal
export type TransferOutcome = { readonly accepted: true } | Refusal

/** What a leader knows of another member. */
export interface MemberProgress {
  readonly member: MemberId
  readonly role: 'voter' | 'learner' | 'observer'
  /** Up to where its log is durable and equals the leader's. */
  readonly matchIndex: Index
  /** `probe`: looking for where the logs part; `replicate`: entries flow; `sync`: needs what is compacted. */
  readonly state: 'probe' | 'replicate' | 'sync'
  /** For how many rounds in a row it was at most 64 entries behind. */
  readonly caughtUpRounds: number
  /** Since it was last heard of. */
  readonly silentTicks: number
}

/** A picture of the core, for people, policies and tests. */
export interface RaftStatus extends RoleFacts {
  readonly commitIndex: Index
  /** Handed out to be applied. May be ahead of `durableIndex`. */
  readonly appliedIndex: Index
  /** Up to where this member's log is durable. */
  readonly durableIndex: Index
  readonly lastIndex: Index
  readonly lastTerm: Term
  /** The first entry that is in memory. */
  readonly firstIndex: Index
  /** The application index of the last committed entry. */
  readonly committedApplicationIndex: Index
  /** Whether the member has diverged and takes no more part. */
  readonly isStopped: boolean
  /** Messages without effect, by reason. */
  readonly ignored: Readonly<Record<IgnoredReason, number>>
}
