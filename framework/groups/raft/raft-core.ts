import type { Digest } from '#framework/primitives'
import { ClusterChanges } from './cluster-changes.js'
import type { CoreParts } from './core-parts.js'
import type { Writes } from './durability.js'
import { Elections } from './elections.js'
import { Following } from './following.js'
import { HeldAnswers } from './held-answers.js'
import { Leadership } from './leadership.js'
import { MemberState } from './member-state.js'
import type { AppendAnswer, Message } from './messages.js'
import type { RaftOptions } from './options.js'
import { Outbox } from './outbox.js'
import { OwnMembership } from './own-membership.js'
import type {
  IgnoredReason,
  MemberProgress,
  Proposal,
  ProposeOutcome,
  RaftStatus,
  ReadId,
  ReadOutcome,
  Ready,
  Refusal,
  RefusalReason,
  StepOutcome,
  TransferOutcome,
} from './ready.js'
import type { ReadIndex } from './read-confirmation.js'
import { Replica } from './replica.js'
import { settingsOf, type Settings } from './settings.js'
import type {
  ClusterId,
  Configuration,
  Entry,
  HardState,
  Index,
  MemberId,
  SnapshotFacts,
  Term,
} from './types.js'

const NOTHING: readonly never[] = Object.freeze([])

/**
 * The consensus core of one member of a group: Raft (Ongaro and Ousterhout 2014, Ongaro 2014), with the rules that
 * README.md lists. Synchronous and without effects: messages, ticks and requests go in, what is to be written, sent and
 * applied comes out of {@link takeReady}, and {@link persisted} says what has reached the disk. Equal inputs give equal
 * outputs.
 */
export class RaftCore {
  readonly #settings: Settings
  readonly #replica: Replica
  readonly #state: MemberState
  readonly #membership: OwnMembership
  readonly #answers: HeldAnswers
  readonly #outbox = new Outbox()
  readonly #clusters: ClusterChanges
  readonly #elections: Elections
  readonly #following: Following
  /** While this member leads. */
  #leadership: Leadership | undefined
  #observers: readonly MemberId[] = NOTHING
  #nextReadId: ReadId = 1
  #nextReadyId = 1
  #nowTick = 0
  readonly #ignored: Record<IgnoredReason, number> = {
    'other-cluster': 0,
    'other-member': 0,
    stranger: 0,
    stale: 0,
    malformed: 0,
    corrupt: 0,
    stopped: 0,
  }
  /** Only for a fault. */
  readonly #heardTicks = new Map<MemberId, number>()

  /** @throws InvariantError for options that make no sense, or a restored log that is none. */
  constructor(options: RaftOptions) {
    const settings = settingsOf(options)
    const { hasher, faults } = settings
    const replica = new Replica(options.restored, hasher, faults)
    const state = new MemberState(settings, replica, options.restored.hardState)
    const outbox = this.#outbox
    const membership = new OwnMembership(state, replica, outbox)
    const answers = new HeldAnswers(replica.durability, faults)
    this.#settings = settings
    this.#replica = replica
    this.#state = state
    this.#membership = membership
    this.#answers = answers
    const parts: CoreParts = {
      settings,
      replica,
      state,
      membership,
      answers,
      outbox,
      becomeFollower: (term, leader) => this.#becomeFollower(term, leader),
    }
    this.#clusters = new ClusterChanges(parts)
    this.#elections = new Elections({
      ...parts,
      isFollowed: () => this.#leadership?.isFollowed,
      isReachable: (member) => this.#isReachable(member),
      becomeLeader: () => this.#becomeLeader(),
    })
    this.#following = new Following({ ...parts, elections: this.#elections })
  }

  get id(): MemberId {
    return this.#state.id
  }

  /** Undefined while the member belongs to no cluster. */
  get clusterId(): ClusterId | undefined {
    return this.#state.clusterId
  }

  /** The latest one in the log: it is in force, committed or not. */
  get configuration(): Configuration {
    return this.#replica.configuration
  }

  /** The latest one that is known to be committed. */
  get committedConfiguration(): Configuration {
    return this.#replica.configurations.at(this.#replica.commitIndex)
  }

  /** What is to be remembered, durable yet or not. */
  get hardState(): HardState {
    return this.#state.hardState
  }

  get status(): RaftStatus {
    const { log, commitIndex, handedOutIndex, durability } = this.#replica
    return {
      ...this.#state.facts,
      commitIndex,
      appliedIndex: handedOutIndex,
      durableIndex: durability.durableIndex,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      firstIndex: log.firstIndex,
      committedApplicationIndex: log.positionAt(commitIndex)?.applicationIndex ?? 0,
      isStopped: this.#state.isStopped,
      ignored: { ...this.#ignored },
    }
  }

  /** What the leader knows of everybody else; empty at others. */
  get progress(): readonly MemberProgress[] {
    return this.#leadership?.report() ?? NOTHING
  }

  /** An entry that is in memory. */
  entryAt(index: Index): Entry | undefined {
    return this.#replica.log.entryAt(index)
  }

  /**
   * What of the log may not have reached the disk yet, to its end. Undefined when what is in front of it is a snapshot that
   * may not have either.
   */
  get undurable(): readonly Entry[] | undefined {
    const { log, durability } = this.#replica
    if (log.base.index > durability.durableIndex) return undefined
    return log.slice(durability.durableIndex + 1, Infinity, Infinity)
  }

  /**
   * Founds a cluster. The first entry follows from the arguments alone, so that several founders who do this by
   * themselves get the same log; it counts as committed, being what the cluster id stands for.
   *
   * @throws InvariantError when the member belongs to a cluster, or the configuration has no voters.
   */
  found(clusterId: ClusterId, configuration: Configuration): void {
    this.#clusters.found(clusterId, configuration)
  }

  /**
   * Makes another cluster of the one that the member belongs to, whose majority is given up for lost: with this log as it
   * is, and this member as the only voter, which leads as soon as that is durable. What is not known to be committed may
   * have been acknowledged, so it is kept, as by any new leader.
   *
   * @param learners Who gets the log from then on.
   * @throws InvariantError when the member belongs to no cluster, or has stopped.
   */
  reform(clusterId: ClusterId, learners: Iterable<MemberId>): void {
    this.wake()
    this.#clusters.reform(clusterId, learners)
  }

  /**
   * Goes over to a cluster that another member has made of this one, with a log that was at least as good: so it has all
   * of this one that is committed. The rest comes from its leader. Until its configuration is in the log, the one that is
   * there says nothing: the member does not stand for election.
   *
   * @throws InvariantError when the member has stopped, or its log does not say which cluster it is of.
   */
  adopt(clusterId: ClusterId): void {
    this.wake()
    this.#clusters.adopt(clusterId)
  }

  /** Takes in what another member sent. */
  step(message: Message): StepOutcome {
    const outcome = this.#step(message)
    if (outcome !== 'stepped') this.#ignored[outcome]++
    return outcome
  }

  /**
   * Lets time pass. A driver that was kept from running says how many ticks it missed before anything else, so that a
   * lease is not taken for younger than it is. For an election they count as one heartbeat at most: what would have
   * prevented it may be waiting to be stepped.
   *
   * @param nowTick What the driver has counted, these ticks included. Leaders that count alike have their rounds at the
   *   same ticks, so that what they say travels together.
   */
  tick(count = 1, nowTick = this.#nowTick + count): void {
    if (this.#state.isStopped) return
    this.#nowTick = nowTick
    if (this.#leadership) this.#tickLeader(this.#leadership, count)
    else this.#elections.tick(Math.min(count, this.#settings.heartbeatTicks))
  }

  /**
   * Appends one entry for each proposal, at the leader; all or none.
   *
   * @param timestampMs What the entries say of when it is, in Unix milliseconds.
   * @throws InvariantError for a number of commands that does not fit the kind.
   */
  propose(proposals: readonly Proposal[], timestampMs: number): ProposeOutcome {
    return this.#leadership?.propose(proposals, timestampMs) ?? this.#refuse('not-leader')
  }

  /**
   * Appends a new configuration, at the leader: at most one voter more or fewer, and any learners. Lineage and verdicts
   * stay what they are; verdicts that it brings take the place of those.
   */
  proposeConfiguration(next: Configuration, timestampMs: number): ProposeOutcome {
    return this.#leadership?.proposeConfiguration(next, timestampMs) ?? this.#refuse('not-leader')
  }

  /**
   * Asks, at the leader, for leave to read what is applied; it comes as {@link Ready.reads}, or not, as
   * {@link Ready.failedReads}. `strong`: a majority confirms that there is no later leader. `lease`: by the clocks there
   * can be none yet; where that is not certain, as `strong`.
   */
  read(consistency: 'strong' | 'lease'): ReadOutcome {
    if (!this.#leadership) return this.#refuse('not-leader')
    const id = this.#nextReadId++
    const reason = this.#leadership.read(id, consistency)
    return reason === undefined ? { accepted: true, id } : this.#refuse(reason)
  }

  /**
   * What is committed, at the leader, for a member that has it confirmed itself ({@link ReadConfirmation}). Undefined when
   * it may not: nothing of the own term is committed, or other voters are in force than those that it is going to count.
   */
  readIndex(clusterId: ClusterId, voters: Digest): ReadIndex | undefined {
    return clusterId === this.clusterId ? this.#leadership?.readIndex(voters) : undefined
  }

  /** The term that this member is in, durable or not. Undefined when it has stopped, or is not in this cluster. */
  termIn(clusterId: ClusterId): Term | undefined {
    return this.#state.isStopped || clusterId !== this.clusterId ? undefined : this.#state.term
  }

  /**
   * The round that strong reads wait for, at the leader, while only as many voters are asked to answer it as it takes. If it
   * stays for long, {@link widenReads}.
   */
  get thriftyRound(): number | undefined {
    return this.#leadership?.thriftyRound
  }

  /** Asks all voters to answer {@link thriftyRound}. The next tick does so in any case. */
  widenReads(): void {
    this.#leadership?.widenReads()
  }

  /**
   * The first entry that is not committed, at the leader, while only as many voters have been sent it as it takes. If it stays
   * for long, {@link widenAppends}.
   */
  get thriftyIndex(): Index | undefined {
    return this.#leadership?.thriftyIndex
  }

  /** Sends all voters what is not committed. If it is still not by the tick after the next, that is done in any case. */
  widenAppends(): void {
    this.#leadership?.widenAppends()
  }

  /** Hands leadership to another voter, at the leader. Until it has, or an election timeout is over, nothing is proposed. */
  transferLeadership(target: MemberId): TransferOutcome {
    const reason = this.#leadership ? this.#leadership.transferTo(target) : 'not-leader'
    return reason === undefined ? { accepted: true } : this.#refuse(reason)
  }

  /** Who gets the log without being in the configuration, whenever this member leads. Replaces those of before. */
  setObservers(observers: readonly MemberId[]): void {
    this.#observers = [...observers]
    this.#leadership?.setObservers(this.#observers)
  }

  /**
   * Lets a follower's log go on with entries that are committed at somebody else than the leader. That is safe, whoever it
   * is: what is committed never changes. Entries that this log has already are passed over, and where it has others they
   * are not committed and never will be, so that it ends there and goes on with these. Each hash proves that the entry
   * follows. Nothing is taken back that is committed here, or that this term's leader was told to be its own.
   *
   * @returns How many were taken or passed over, from the first on; none at a leader.
   */
  appendFetched(entries: readonly Entry[]): number {
    return this.#following.appendFetched(entries)
  }

  /**
   * Commits everything up to an entry that the leader has committed, as it says outside of consensus, if this log has the
   * same: so that what was fetched can be applied, and let go, while there is more to fetch.
   *
   * @returns Whether this log has that entry.
   */
  commitFetched(from: MemberId, entry: Entry): boolean {
    return this.#following.commitFetched(from, entry)
  }

  /** Tells the leader, which waits for a heartbeat otherwise, how far the log goes after what was got from elsewhere. */
  announceEnd(): void {
    this.#following.announceEnd()
  }

  /**
   * Goes on from a snapshot of the state machine; it comes out as {@link Ready.snapshot}.
   *
   * @returns False, and nothing happens, when this member has as much already, leads, or belongs to no cluster.
   */
  installSnapshot(facts: SnapshotFacts): boolean {
    return this.#following.installSnapshot(facts)
  }

  /** What a snapshot stands for that is taken after this entry was applied. Undefined when it is not, or compacted. */
  snapshotFactsAt(index: Index): SnapshotFacts | undefined {
    return this.#replica.factsAt(index)
  }

  /**
   * Forgets entries up to `upTo`, because a snapshot or the storage has them; but a tail as long as the limits say stays
   * for members that are a little behind, and so does what was not handed out to be applied.
   *
   * @returns What is in front of the log from now on; undefined when nothing was forgotten.
   */
  compact(upTo: Index): SnapshotFacts | undefined {
    return this.#replica.compact(upTo, this.#settings.limits)
  }

  /**
   * Whether this member does nothing as long as nothing happens. The driver may then leave it alone, if before anything
   * else it says how much time has passed ({@link tick}), and {@link wake}s it when others may be gone.
   */
  get isQuiescent(): boolean {
    return this.#leadership?.isQuiescent ?? this.#elections.isQuiescent
  }

  /** Whether this member leads, and {@link quiesce} would do something. */
  get mayQuiesce(): boolean {
    return this.#leadership?.mayQuiesce ?? false
  }

  /**
   * Has a group in which nothing happens do without heartbeats, at the leader, as soon as all others have agreed. Only for a
   * driver that learns in another way when one of them is gone.
   *
   * @returns Whether the others are asked. Not when anything is under way, or was lately.
   */
  quiesce(): boolean {
    return this.#leadership?.quiesce() ?? false
  }

  /**
   * Something may be wrong, or about to happen: a leader that was quiescent says so, and so does a follower, which waits
   * for its leader again.
   *
   * @param silentTicks For how long, at least, nothing at all has come from the leader.
   */
  wake(silentTicks = 0): void {
    if (this.#state.isStopped) return
    if (this.#leadership) this.#leadership.wake()
    else if (this.#elections.wake(silentTicks)) this.#following.announceEnd()
  }

  /** Whether {@link takeReady} has anything. */
  get hasReady(): boolean {
    return (
      !this.#outbox.isEmpty ||
      this.#answers.isDue ||
      this.#replica.durability.hasWrites(this.#replica.log) ||
      this.#replica.hasCommitted ||
      this.#state.hasNews ||
      (this.#leadership !== undefined && (this.#leadership.hasUnsent || this.#leadership.reads.hasConfirmed))
    )
  }

  /** What is to be done. Take it again when it is: new things may have come up. */
  takeReady(): Ready {
    this.#leadership?.flush()
    const { log, durability } = this.#replica
    this.#answers.flush(this.#outbox.send, this.#state.envelope)
    if (this.#leadership) this.#outbox.confirm(this.#leadership.reads.takeConfirmed())
    const id = this.#nextReadyId++
    const mustPersist = durability.hasWrites(log)
    const writes = mustPersist ? durability.take(id, log) : NO_WRITES
    const said = this.#outbox.take()
    return {
      id,
      mustPersist,
      isAwaited: mustPersist && this.#awaits(writes),
      ...writes,
      messages: said.messages,
      committed: this.#replica.takeCommitted(this.#settings.limits.committedEntriesMax),
      reads: said.reads,
      failedReads: said.failedReads,
      role: this.#state.takeNews(),
      syncRequired: said.syncRequired,
      incidents: said.incidents,
    }
  }

  /**
   * What the Ready of this id, and every one before it, had to be written is durable.
   *
   * @throws InvariantError when nothing of it was on its way.
   */
  persisted(readyId: number): void {
    this.#replica.durability.persisted(readyId)
    if (this.#state.isStopped) return
    this.#elections.countOwnVote()
    // Entries of the leader's may have become durable, or its quorum smaller.
    this.#advanceLeader()
  }

  #step(message: Message): StepOutcome {
    if (this.#state.isStopped) return 'stopped'
    if (message.to !== this.id) return 'other-member'
    if (message.clusterId !== this.clusterId && !this.#clusters.join(message)) return 'other-cluster'
    if (message.from === this.id) return 'malformed'
    // What the leader has to say is judged by those who follow it.
    if (this.isQuiescent && message.type !== 'append') this.wake()
    if (this.#settings.faults.quorumByReachability) this.#heardTicks.set(message.from, this.#nowTick)
    switch (message.type) {
      case 'pre-vote-request':
        return this.#elections.onPreVoteRequest(message)
      case 'pre-vote-answer':
        return this.#elections.onPreVoteAnswer(message)
      case 'vote-request':
        return this.#elections.onVoteRequest(message)
      case 'vote-answer':
        return this.#elections.onVoteAnswer(message)
      case 'append':
        return this.#following.onAppend(message)
      case 'sync-required':
        return this.#following.onSyncRequired(message)
      case 'append-answer':
        return this.#onAppendAnswer(message)
      case 'timeout-now':
        return this.#elections.onTimeoutNow(message)
    }
  }

  #onAppendAnswer(answer: AppendAnswer): StepOutcome {
    if (answer.term > this.#state.term) {
      this.#becomeFollower(answer.term, undefined)
      return 'stepped'
    }
    if (answer.term < this.#state.term || !this.#leadership) return 'stale'
    const outcome = this.#leadership.onAppendAnswer(answer)
    this.#afterAdvance()
    return outcome
  }

  #tickLeader(leadership: Leadership, count: number): void {
    const { heartbeatTicks } = this.#settings
    const isRoundDue = this.#nowTick % heartbeatTicks < count
    const verdict = leadership.tick(count, isRoundDue)
    const aborted = leadership.takeAbortedTransfer()
    if (aborted !== undefined) this.#outbox.report({ type: 'transfer-aborted', target: aborted })
    if (verdict !== 'quorum-lost') return
    this.#outbox.report({ type: 'quorum-lost', term: this.#state.term })
    this.#becomeFollower(this.#state.term, undefined)
  }

  #becomeLeader(): void {
    this.#state.setRole('leader')
    this.#state.setLeader(this.id)
    this.#leadership = new Leadership(
      {
        settings: this.#settings,
        replica: this.#replica,
        term: this.#state.term,
        send: this.#outbox.send,
        envelope: this.#state.envelope,
      },
      this.#observers,
    )
    this.#advanceLeader()
  }

  #becomeFollower(term: Term, leader: MemberId | undefined): void {
    const leadership = this.#leadership
    this.#leadership = undefined
    if (leadership) {
      this.#outbox.confirm(leadership.reads.takeConfirmed())
      this.#outbox.fail(leadership.reads.takePending())
    }
    this.#elections.onFollower(leadership !== undefined)
    if (term > this.#state.term) {
      this.#state.enterTerm(term, undefined)
      this.#answers.onTerm()
    }
    this.#state.setRole('follower')
    this.#state.setLeader(leader)
  }

  #advanceLeader(): void {
    if (!this.#leadership) return
    this.#leadership.advance()
    this.#afterAdvance()
  }

  #afterAdvance(): void {
    this.#membership.onCommitted()
    if (!this.#leadership?.isRemoved) return
    // Those who stay should know that the change is committed before they have to elect somebody (Ongaro 2014, §4.2.2).
    this.#leadership.flush()
    this.#becomeFollower(this.#state.term, undefined)
  }

  #refuse(reason: RefusalReason): Refusal {
    return { accepted: false, reason, leader: this.#state.leader }
  }

  /** Whether anything is said, done or asked for when this is durable. */
  #awaits({ hardState, snapshot, truncateFrom }: Writes): boolean {
    const isMoreThanEntries = hardState !== undefined || snapshot !== undefined || truncateFrom !== undefined
    return (
      isMoreThanEntries || this.#leadership !== undefined || this.#answers.awaits(this.#replica.log.lastIndex)
    )
  }

  #isReachable(member: MemberId): boolean {
    const heardTick = this.#heardTicks.get(member) ?? -Infinity
    return member === this.id || this.#nowTick - heardTick < this.#settings.electionTicks
  }
}

const NO_WRITES = {
  hardState: undefined,
  snapshot: undefined,
  truncateFrom: undefined,
  entries: NOTHING,
} as const
