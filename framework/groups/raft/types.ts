declare const brand: unique symbol

/** The number of an election, from 1. 0: before the first. */
export type Term = number

/** The position of an entry in the log, from 1. 0: before the first. Safe integers. */
export type Index = number

/**
 * Who takes part in a group: `<peer id>/<incarnation>`. The incarnation belongs to the storage, so that a peer that lost
 * what it had written is another member, which cannot vote for its former self.
 */
export type MemberId = string & { readonly [brand]: 'MemberId' }

/** Which founding a group goes back to: 16 bytes as 32 lower-case hexadecimal characters. */
export type ClusterId = string & { readonly [brand]: 'ClusterId' }

/**
 * A digest of an entry and, through the entry before, of everything in front of it: two logs with equal hashes at an
 * index are equal up to there. 53 bits, so that it is a safe integer; 0 before the first entry.
 */
export type ChainHash = number

/** Who counts. The latest configuration in the log is in force, committed or not (Ongaro 2014, §4.1). */
export interface Configuration {
  /** A majority of these elects and commits. In the order of their ids, without duplicates. */
  readonly voters: readonly MemberId[]
  /** They receive the log and never count. In the order of their ids, none of them a voter. */
  readonly learners: readonly MemberId[]
  /**
   * The clusters that the log has been through, the oldest first: that of its founding, and one for each time that it was
   * reformed. The last is the one that the configuration is of. Written by the core; absent where it does not matter.
   */
  readonly lineage?: readonly ClusterOrigin[] | undefined
  /**
   * What was decided when this cluster, or one that has become part of it, met others: the last 32 (see verdicts.ts).
   * Absent: nothing.
   */
  readonly verdicts?: readonly Verdict[] | undefined
}

/** Which of two clusters of one group goes on, now that they have met. Final. */
export interface Verdict {
  readonly winner: ClusterId
  readonly loser: ClusterId
  /** The application index up to which both have the same commands. What the loser has behind it counts no more. */
  readonly shared: Index
  /** Whether a majority of the loser has it in its log: its members may give up what they have. */
  readonly isAgreed: boolean
}

/** With what a cluster began. At a founding that is nothing, so that all numbers are 0. */
export interface ClusterOrigin {
  readonly clusterId: ClusterId
  /** The end of the log that it was made of. */
  readonly lastTerm: Term
  readonly lastIndex: Index
  /** The application index up to which that log was known to be committed. */
  readonly committed: Index
}

/**
 * - `command`: for the state machine;
 * - `session`: about a client's session, for the layer between log and state machine;
 * - `noop`: the first entry of a leader;
 * - `configuration`: the payload is an encoded {@link Configuration}.
 */
export type EntryKind = 'command' | 'session' | 'noop' | 'configuration'

/** One entry of the log. Immutable. */
export interface Entry {
  readonly index: Index
  /** The term of the leader that made it. */
  readonly term: Term
  readonly kind: EntryKind
  /**
   * How many commands the payload holds, to be applied together or not at all: 1 or more for `command`, 0 for every
   * other kind.
   */
  readonly commandCount: number
  /**
   * The number of commands in the log up to and including this entry: the application index of its last command, or of
   * the last command before it when it has none.
   */
  readonly applicationIndex: Index
  /** When the leader accepted it, by the leader's wall clock in Unix milliseconds: the same for all who apply it. */
  readonly timestampMs: number
  readonly payload: Uint8Array
  readonly hash: ChainHash
}

/** The end of a log, or the point up to which one was compacted. */
export interface LogPosition {
  readonly index: Index
  readonly term: Term
  readonly applicationIndex: Index
  readonly hash: ChainHash
}

/** What a snapshot of the state machine stands for: everything up to and including an entry. */
export interface SnapshotFacts extends LogPosition {
  /** The latest configuration at or before the entry. */
  readonly configuration: Configuration
}

/** What a member must not forget: durable before anything is said that depends on it (Raft, figure 2). */
export interface HardState {
  /** Undefined while the member belongs to no cluster. Changes afterwards only when that is reformed. */
  readonly clusterId: ClusterId | undefined
  readonly term: Term
  /** Whom this member voted for in `term`. */
  readonly votedFor: MemberId | undefined
}

/** What a member finds in its storage when it starts. */
export interface RestoredState {
  readonly hardState: HardState
  /** What is right in front of `entries`. Undefined: the log begins at index 1. */
  readonly base?: SnapshotFacts | undefined
  /** All entries that are stored: in order, without gaps. */
  readonly entries: readonly Entry[]
  /** Up to where the state machine was restored; at least `base.index`. Default: `base.index`, or 0. */
  readonly appliedIndex?: Index | undefined
}

/**
 * - `follower`: everybody who is neither of the others, learners and observers included;
 * - `pre-candidate`: asks whether it would be elected (Ongaro 2014, §9.6);
 * - `candidate`: stands for election;
 * - `leader`.
 */
export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

/** What a member takes itself and others for. */
export interface RoleFacts {
  readonly role: Role
  readonly term: Term
  /** Undefined when no leader is known, or the one that was known has been silent for an election timeout. */
  readonly leader: MemberId | undefined
}
