import { InvariantError } from '#framework/primitives'
import type { Message } from './messages.js'
import type { RaftOptions } from './options.js'
import type {
  MemberProgress,
  Proposal,
  ProposeOutcome,
  RaftStatus,
  ReadOutcome,
  Ready,
  StepOutcome,
  TransferOutcome,
} from './ready.js'
import type { ClusterId, Configuration, Entry, HardState, Index, MemberId, SnapshotFacts } from './types.js'

/** The consensus core of one member of one group. Synchronous: what is to be done outside is taken with {@link takeReady}. */
export class RaftCore {
  constructor(_options: RaftOptions) {}

  get id(): MemberId {
    return this.#todo()
  }
  /** Undefined while the member belongs to no cluster. */
  get clusterId(): ClusterId | undefined {
    return this.#todo()
  }
  /** The latest one in the log: it is in force, committed or not. */
  get configuration(): Configuration {
    return this.#todo()
  }

  /** Starts a cluster. Every founder does this with the same arguments and so gets the same first entry, which counts as committed. */
  found(_clusterId: ClusterId, _configuration: Configuration): void {
    this.#todo()
  }

  /** Takes a message in. */
  step(_message: Message): StepOutcome {
    return this.#todo()
  }

  /** Lets time pass. The driver must have done so before it asks for a lease read or takes messages in after a pause. */
  tick(_count = 1): void {
    this.#todo()
  }

  /** Appends one entry for each proposal, at the leader. All or none. */
  propose(_proposals: readonly Proposal[], _timestampMs: number): ProposeOutcome {
    return this.#todo()
  }

  /** Appends a new configuration, at the leader. One voter more or fewer at most; learners as you like. */
  proposeConfiguration(_next: Configuration, _timestampMs: number): ProposeOutcome {
    return this.#todo()
  }

  /**
   * Asks for the right to read what is applied, at the leader. `strong`: a majority confirms that there is no later
   * leader; `lease`: none can be yet, by the clocks, else as `strong`.
   */
  read(_consistency: 'strong' | 'lease'): ReadOutcome {
    return this.#todo()
  }

  /** Hands leadership to a voter, at the leader. */
  transferLeadership(_target: MemberId): TransferOutcome {
    return this.#todo()
  }

  /** Who else gets the log, at the leader, without being in the configuration. Replaces those of before. */
  setObservers(_observers: readonly MemberId[]): void {
    this.#todo()
  }

  /** A follower's log goes on with entries that somebody else than the leader has sent. How many were taken. */
  appendFetched(_entries: readonly Entry[]): number {
    return this.#todo()
  }

  /** The state machine is to go on from a snapshot. False when this member already has more. */
  installSnapshot(_facts: SnapshotFacts): boolean {
    return this.#todo()
  }

  /** What a snapshot of the state machine that has applied this entry stands for. Undefined when the entry is compacted. */
  snapshotFactsAt(_index: Index): SnapshotFacts | undefined {
    return this.#todo()
  }

  /**
   * Forgets entries up to `upTo` (snapshot or storage has them), but keeps a tail of the limits' size and what is not
   * applied. What is in front of the log then, when that has changed.
   */
  compact(_upTo: Index): SnapshotFacts | undefined {
    return this.#todo()
  }

  /** Whether {@link takeReady} has something. */
  get hasReady(): boolean {
    return this.#todo()
  }

  takeReady(): Ready {
    return this.#todo()
  }

  /** The writes of this Ready, and of all before it, are durable. */
  persisted(_readyId: number): void {
    this.#todo()
  }

  /** What this member would write. */
  get hardState(): HardState {
    return this.#todo()
  }
  get status(): RaftStatus {
    return this.#todo()
  }
  /** At the leader, of everybody else; empty elsewhere. */
  get progress(): readonly MemberProgress[] {
    return this.#todo()
  }
  /** An entry in memory. */
  entryAt(_index: Index): Entry | undefined {
    return this.#todo()
  }

  #todo(): never {
    throw new InvariantError('not there yet')
  }
}
