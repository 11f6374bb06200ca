import { invariant } from '#framework/primitives'
import { judgeAppend } from './append-verdict.js'
import { configurationOf, encodeConfiguration, isWellFormed } from './configuration.js'
import { ElectionTimer } from './election-timer.js'
import { HeldAnswers } from './held-answers.js'
import { Leadership } from './leadership.js'
import { foundedLineage, lineageWith } from './lineage.js'
import type {
  AppendRequest,
  Envelope,
  Message,
  PreVoteAnswer,
  PreVoteRequest,
  SyncRequired,
  TimeoutNow,
  VoteAnswer,
  VoteRequest,
} from './messages.js'
import type { RaftOptions } from './options.js'
import { electorateOf } from './quorum.js'
import type {
  ConfirmedRead,
  IgnoredReason,
  Incident,
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
  SyncDemand,
  TransferOutcome,
} from './ready.js'
import { Replica } from './replica.js'
import { settingsOf, type Settings } from './settings.js'
import type {
  ClusterId,
  Configuration,
  Entry,
  HardState,
  Index,
  MemberId,
  Role,
  RoleFacts,
  SnapshotFacts,
  Term,
} from './types.js'
import { Votes } from './votes.js'

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
  readonly #answers: HeldAnswers
  readonly #envelope: (to: MemberId) => Envelope
  #clusterId: ClusterId | undefined
  #term: Term
  #votedFor: MemberId | undefined
  #role: Role = 'follower'
  #leader: MemberId | undefined
  #leadership: Leadership | undefined
  #votes = new Votes()
  #observers: readonly MemberId[] = NOTHING
  readonly #timer: ElectionTimer
  #isStopped = false
  #wasMember: boolean
  #nextReadId: ReadId = 1
  #nextReadyId = 1
  readonly #ignored: Record<IgnoredReason, number> = {
    'other-cluster': 0,
    'other-member': 0,
    stranger: 0,
    stale: 0,
    malformed: 0,
    corrupt: 0,
    stopped: 0,
  }
  // What the next Ready will say.
  #outbox: Message[] = []
  #reads: ConfirmedRead[] = []
  #failedReads: ReadId[] = []
  #incidents: Incident[] = []
  #syncDemand: SyncDemand | undefined
  #hasRoleChanged = false
  #nowTick = 0
  /** Only for a fault. */
  readonly #heardTicks = new Map<MemberId, number>()

  /** @throws InvariantError for options that make no sense, or a restored log that is none. */
  constructor(options: RaftOptions) {
    this.#settings = settingsOf(options)
    const { hasher, faults } = this.#settings
    const { hardState } = options.restored
    this.#replica = new Replica(options.restored, hasher, faults)
    this.#answers = new HeldAnswers(this.#replica.durability, faults.acknowledgesBeforePersisted ?? false)
    this.#clusterId = hardState.clusterId
    this.#term = Math.max(hardState.term, this.#replica.log.lastTerm)
    this.#votedFor = this.#term === hardState.term ? hardState.votedFor : undefined
    this.#timer = new ElectionTimer(this.#settings, this.#term > 0)
    this.#wasMember = this.#isMemberAt(this.#replica.commitIndex)
    this.#envelope = (to) => ({
      clusterId: this.#clusterId!,
      from: this.#settings.id,
      to,
      term: this.#term,
    })
  }

  get id(): MemberId {
    return this.#settings.id
  }

  /** Undefined while the member belongs to no cluster. */
  get clusterId(): ClusterId | undefined {
    return this.#clusterId
  }

  /** The latest one in the log: it is in force, committed or not. */
  get configuration(): Configuration {
    return this.#replica.configuration
  }

  /** What is to be remembered, durable yet or not. */
  get hardState(): HardState {
    const { forgetsVote, forgetsOwnVote } = this.#settings.faults
    const isForgotten = forgetsVote || (forgetsOwnVote && this.#votedFor === this.id)
    return {
      clusterId: this.#clusterId,
      term: this.#term,
      votedFor: isForgotten ? undefined : this.#votedFor,
    }
  }

  get status(): RaftStatus {
    const { log, commitIndex, handedOutIndex, durability } = this.#replica
    return {
      ...this.#roleFacts(),
      commitIndex,
      appliedIndex: handedOutIndex,
      durableIndex: durability.durableIndex,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      firstIndex: log.firstIndex,
      committedApplicationIndex: log.positionAt(commitIndex)?.applicationIndex ?? 0,
      isStopped: this.#isStopped,
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
   * Founds a cluster. The first entry follows from the arguments alone, so that several founders who do this by
   * themselves get the same log; it counts as committed, being what the cluster id stands for.
   *
   * @throws InvariantError when the member belongs to a cluster, or the configuration has no voters.
   */
  found(clusterId: ClusterId, configuration: Configuration): void {
    invariant(this.#clusterId === undefined, 'a member founds at most one cluster')
    const ordered = configurationOf(configuration.voters, configuration.learners)
    invariant(isWellFormed(ordered), 'a cluster needs voters')
    this.#clusterId = clusterId
    this.#term = 1
    this.#onHardState()
    this.#appendConfiguration({ ...ordered, lineage: foundedLineage(clusterId) })
    this.#commitTo(1)
    this.#hasRoleChanged = true
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
    invariant(this.#clusterId !== undefined && !this.#isStopped, 'a member of a cluster reforms it')
    const { log, commitIndex, configuration } = this.#replica
    const { index: lastIndex, term: lastTerm } = log.last
    const committed = log.positionAt(commitIndex)?.applicationIndex ?? 0
    const next = configurationOf([this.id], learners)
    this.#becomeFollower(this.#term + 1, undefined)
    this.#clusterId = clusterId
    this.#onHardState()
    this.#appendConfiguration({
      ...next,
      lineage: lineageWith(configuration.lineage, { clusterId, lastTerm, lastIndex, committed }),
    })
    this.#hasRoleChanged = true
  }

  /**
   * Goes over to a cluster that another member has made of this one, with a log that was at least as good: so it has all
   * of this one that is committed. The rest comes from its leader. Until its configuration is in the log, the one that is
   * there says nothing: the member does not stand for election.
   *
   * @throws InvariantError when the member has stopped, or its log does not say which cluster it is of.
   */
  adopt(clusterId: ClusterId): void {
    invariant(
      !this.#isStopped && this.configuration.lineage !== undefined,
      'a log says of which cluster it is',
    )
    this.#becomeFollower(this.#term, undefined)
    // What is known of the leader's log is that of another leader, be it of the same term.
    this.#answers.onTerm()
    this.#clusterId = clusterId
    this.#onHardState()
    this.#hasRoleChanged = true
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
    if (this.#isStopped) return
    this.#nowTick = nowTick
    if (this.#leadership) this.#tickLeader(this.#leadership, count)
    else this.#tickFollower(Math.min(count, this.#settings.heartbeatTicks))
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

  /** Appends a new configuration, at the leader: at most one voter more or fewer, and any learners. */
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
    if (this.#isStopped || this.#role === 'leader' || this.#clusterId === undefined) return 0
    const { log } = this.#replica
    let count = 0
    for (const entry of entries) {
      const isKnown = entry.index < log.base.index || log.positionAt(entry.index)?.hash === entry.hash
      if (!isKnown && !this.#goOnWith(entry)) break
      count++
    }
    return count
  }

  /**
   * Commits everything up to an entry that the leader has committed, as it says outside of consensus, if this log has the
   * same: so that what was fetched can be applied, and let go, while there is more to fetch.
   *
   * @returns Whether this log has that entry.
   */
  commitFetched(from: MemberId, { index, hash }: Entry): boolean {
    const { log } = this.#replica
    if (this.#isStopped || from !== this.#leader) return false
    if (index > log.base.index && log.entryAt(index)?.hash !== hash) return false
    this.#commitTo(index)
    return true
  }

  /** Tells the leader, which waits for a heartbeat otherwise, how far the log goes after what was got from elsewhere. */
  announceEnd(): void {
    if (this.#isStopped || this.#role !== 'follower' || this.#leader === undefined) return
    this.#outbox.push(this.#answers.rejected(this.#envelope(this.#leader), this.#replica.log.lastIndex))
  }

  /**
   * Goes on from a snapshot of the state machine; it comes out as {@link Ready.snapshot}.
   *
   * @returns False, and nothing happens, when this member has as much already, leads, or belongs to no cluster.
   */
  installSnapshot(facts: SnapshotFacts): boolean {
    if (this.#isStopped || this.#role === 'leader' || this.#clusterId === undefined) return false
    if (facts.index <= this.#replica.commitIndex) return false
    this.#replica.install(facts)
    if (facts.term > this.#term) this.#becomeFollower(facts.term, undefined)
    this.#noteMembership()
    return true
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
    const { tailEntriesMax, tailBytesMax } = this.#settings.limits
    const { handedOutIndex, durability } = this.#replica
    const tailStart = this.#replica.tailStart(tailEntriesMax, tailBytesMax)
    const to = Math.min(upTo, handedOutIndex, durability.durableIndex, tailStart)
    const base = to > this.#replica.log.base.index ? this.#replica.factsAt(to) : undefined
    if (base) this.#replica.compactTo(to)
    return base
  }

  /** Whether {@link takeReady} has anything. */
  get hasReady(): boolean {
    return (
      this.#outbox.length > 0 ||
      this.#answers.isDue ||
      this.#replica.durability.hasWrites(this.#replica.log) ||
      this.#replica.hasCommitted ||
      this.#hasRoleChanged ||
      this.#failedReads.length > 0 ||
      this.#reads.length > 0 ||
      this.#incidents.length > 0 ||
      this.#syncDemand !== undefined ||
      (this.#leadership !== undefined && (this.#leadership.hasUnsent || this.#leadership.reads.hasConfirmed))
    )
  }

  /** What is to be done. Take it again when it is: new things may have come up. */
  takeReady(): Ready {
    this.#leadership?.flush()
    const { log, durability } = this.#replica
    this.#answers.flush(this.#outbox, this.#envelope)
    if (this.#leadership) this.#reads.push(...this.#leadership.reads.takeConfirmed())
    const id = this.#nextReadyId++
    const mustPersist = durability.hasWrites(log)
    const ready: Ready = {
      id,
      mustPersist,
      ...(mustPersist ? durability.take(id, log) : NO_WRITES),
      messages: this.#outbox,
      committed: this.#replica.takeCommitted(this.#settings.limits.committedEntriesMax),
      reads: this.#reads,
      failedReads: this.#failedReads,
      role: this.#hasRoleChanged ? this.#roleFacts() : undefined,
      syncRequired: this.#syncDemand,
      incidents: this.#incidents,
    }
    this.#outbox = []
    this.#reads = []
    this.#failedReads = []
    this.#incidents = []
    this.#syncDemand = undefined
    this.#hasRoleChanged = false
    return ready
  }

  /**
   * What the Ready of this id, and every one before it, had to be written is durable.
   *
   * @throws InvariantError when nothing of it was on its way.
   */
  persisted(readyId: number): void {
    this.#replica.durability.persisted(readyId)
    if (this.#isStopped) return
    this.#countOwnVote()
    this.#advanceLeader()
  }

  #step(message: Message): StepOutcome {
    if (this.#isStopped) return 'stopped'
    if (message.to !== this.id) return 'other-member'
    if (message.clusterId !== this.#clusterId && !this.#joins(message)) return 'other-cluster'
    if (message.from === this.id) return 'malformed'
    if (this.#settings.faults.quorumByReachability) this.#heardTicks.set(message.from, this.#nowTick)
    switch (message.type) {
      case 'pre-vote-request':
        return this.#onPreVoteRequest(message)
      case 'pre-vote-answer':
        return this.#onPreVoteAnswer(message)
      case 'vote-request':
        return this.#onVoteRequest(message)
      case 'vote-answer':
        return this.#onVoteAnswer(message)
      case 'append':
        return this.#onAppend(message)
      case 'sync-required':
        return this.#onSyncRequired(message)
      case 'append-answer': {
        if (message.term > this.#term) {
          this.#becomeFollower(message.term, undefined)
          return 'stepped'
        }
        if (message.term < this.#term || !this.#leadership) return 'stale'
        const outcome = this.#leadership.onAppendAnswer(message)
        this.#afterAdvance()
        return outcome
      }
      case 'timeout-now':
        return this.#onTimeoutNow(message)
    }
  }

  /** A member of no cluster belongs to that of the first leader that sends it something. */
  #joins(message: Message): boolean {
    if (this.#clusterId !== undefined) return false
    if (message.type !== 'append' && message.type !== 'sync-required') return false
    this.#clusterId = message.clusterId
    this.#onHardState()
    return true
  }

  #onPreVoteRequest(request: PreVoteRequest): StepOutcome {
    const granted = request.term > this.#term && this.#isUpToDate(request) && !this.#standsByLeader
    this.#outbox.push({
      ...this.#envelope(request.from),
      type: 'pre-vote-answer',
      requestedTerm: request.term,
      granted,
    })
    return 'stepped'
  }

  #onPreVoteAnswer(answer: PreVoteAnswer): StepOutcome {
    if (!answer.granted && answer.term > this.#term) {
      this.#becomeFollower(answer.term, undefined)
      return 'stepped'
    }
    if (this.#role !== 'pre-candidate' || answer.requestedTerm !== this.#term + 1) return 'stale'
    if (!this.configuration.voters.includes(answer.from)) return 'stranger'
    this.#votes.record(answer.from, answer.granted)
    this.#afterVote()
    return 'stepped'
  }

  #onVoteRequest(request: VoteRequest): StepOutcome {
    // Neither the term nor the vote of somebody who cannot know that there is a leader (Ongaro 2014, §4.2.3).
    const isUnwelcome = this.#standsByLeader && !request.transfer
    if (request.term > this.#term && !isUnwelcome) this.#becomeFollower(request.term, undefined)
    const isFree =
      this.#votedFor === undefined ||
      this.#votedFor === request.from ||
      this.#settings.faults.votesTwiceInATerm === true
    const granted = !isUnwelcome && request.term === this.#term && isFree && this.#isUpToDate(request)
    if (!granted) {
      this.#outbox.push({ ...this.#envelope(request.from), type: 'vote-answer', granted })
      return 'stepped'
    }
    if (this.#votedFor !== request.from) {
      this.#votedFor = request.from
      this.#onHardState()
    }
    this.#timer.onVote()
    this.#answers.onVote({ ...this.#envelope(request.from), type: 'vote-answer', granted })
    return 'stepped'
  }

  #onVoteAnswer(answer: VoteAnswer): StepOutcome {
    if (answer.term > this.#term) {
      this.#becomeFollower(answer.term, undefined)
      return 'stepped'
    }
    if (answer.term < this.#term || this.#role !== 'candidate') return 'stale'
    if (!this.configuration.voters.includes(answer.from)) return 'stranger'
    this.#votes.record(answer.from, answer.granted)
    this.#afterVote()
    return 'stepped'
  }

  #onAppend(request: AppendRequest): StepOutcome {
    const obstacle = this.#hearLeader(request)
    if (obstacle) return obstacle
    const { log } = this.#replica
    const verdict = judgeAppend(this.#replica, request, this.#settings.faults)
    switch (verdict.type) {
      case 'matched':
        if (verdict.truncateFrom !== undefined) this.#replica.truncateFrom(verdict.truncateFrom)
        for (const entry of verdict.entries) this.#replica.append(entry)
        this.#answers.onMatched(request.from, verdict.lastIndex, request.answer)
        this.#commitTo(Math.min(request.commitIndex, this.#answers.matchIndex))
        return 'stepped'
      case 'rejected':
        this.#outbox.push(
          this.#answers.rejected(this.#envelope(request.from), log.lastIndex, {
            rejectedIndex: request.prevIndex,
            conflictTerm: verdict.conflictTerm,
            conflictIndex: verdict.conflictIndex,
          }),
        )
        return 'stepped'
      case 'diverged':
        this.#stop(request.from, verdict.index, verdict.reason)
        return 'stepped'
      case 'corrupt':
        this.#incidents.push({ type: 'corrupt-append', from: request.from, index: verdict.index })
        return 'corrupt'
      case 'malformed':
        return 'malformed'
    }
  }

  /** @returns False when the entry does not follow what is in front of it, or may not take another one's place. */
  #goOnWith(entry: Entry): boolean {
    const { log, commitIndex } = this.#replica
    const previous = log.positionAt(entry.index - 1)
    if (previous === undefined || entry.index <= Math.max(commitIndex, this.#answers.matchIndex)) return false
    const isInOrder = entry.term >= previous.term && entry.term <= this.#term
    if (!isInOrder || !this.#replica.isChained(previous, entry)) return false
    if (entry.index <= log.lastIndex) this.#replica.truncateFrom(entry.index)
    this.#replica.append(entry)
    return true
  }

  #onSyncRequired(request: SyncRequired): StepOutcome {
    const obstacle = this.#hearLeader(request)
    if (obstacle) return obstacle
    const { firstIndex, commitIndex } = request
    this.#syncDemand = { leader: request.from, firstIndex, commitIndex }
    this.#outbox.push(this.#answers.rejected(this.#envelope(request.from), this.#replica.log.lastIndex))
    return 'stepped'
  }

  #onTimeoutNow(message: TimeoutNow): StepOutcome {
    if (message.term !== this.#term || message.from !== this.#leader) return 'stale'
    if (!this.#mayStand) return 'stranger'
    this.#stand(true)
    return 'stepped'
  }

  /** What appends and their substitutes have in common: who sends them is the leader. */
  #hearLeader(request: AppendRequest | SyncRequired): StepOutcome | undefined {
    const { from, term } = request
    if (term < this.#term) {
      // So that it learns that it leads no more.
      this.#outbox.push(this.#answers.rejected(this.#envelope(from), this.#replica.log.lastIndex))
      return 'stale'
    }
    const isSecondLeader =
      term === this.#term &&
      (this.#role === 'leader' || (this.#leader !== undefined && this.#leader !== from))
    if (isSecondLeader) {
      this.#stop(from, this.#replica.commitIndex, 'two leaders in one term')
      return 'stepped'
    }
    if (term > this.#term || this.#role !== 'follower' || this.#leader === undefined)
      this.#becomeFollower(term, from)
    this.#timer.onLeader()
    this.#answers.onRound(request.round, request.roundTick)
    return undefined
  }

  #tickLeader(leadership: Leadership, count: number): void {
    const { heartbeatTicks } = this.#settings
    const isRoundDue = this.#nowTick % heartbeatTicks < count
    const verdict = leadership.tick(count, isRoundDue)
    const aborted = leadership.takeAbortedTransfer()
    if (aborted !== undefined) this.#incidents.push({ type: 'transfer-aborted', target: aborted })
    if (verdict !== 'quorum-lost') return
    this.#incidents.push({ type: 'quorum-lost', term: this.#term })
    this.#becomeFollower(this.#term, undefined)
  }

  #tickFollower(count: number): void {
    this.#timer.tick(count)
    if (!this.#timer.isOver && !this.#isAlone) return
    this.#timer.restart()
    this.#setLeader(undefined)
    if (this.#mayStand) this.#askAhead()
  }

  /** Asks whether it would be elected, without disturbing anybody. */
  #askAhead(): void {
    this.#setRole('pre-candidate')
    this.#votes = new Votes()
    this.#votes.record(this.id, true)
    const { lastIndex, lastTerm } = this.#replica.log
    for (const to of this.#otherVoters)
      this.#outbox.push({
        ...this.#envelope(to),
        term: this.#term + 1,
        type: 'pre-vote-request',
        lastIndex,
        lastTerm,
      })
    this.#afterVote()
  }

  /** Stands for election in the next term. */
  #stand(transfer: boolean): void {
    this.#enterTerm(this.#term + 1, this.id)
    this.#setRole('candidate')
    this.#setLeader(undefined)
    this.#timer.restart()
    this.#votes = new Votes()
    const { lastIndex, lastTerm } = this.#replica.log
    for (const to of this.#otherVoters)
      this.#outbox.push({ ...this.#envelope(to), type: 'vote-request', lastIndex, lastTerm, transfer })
    if (this.#settings.faults.acknowledgesBeforePersisted) this.#countOwnVote()
  }

  /** The own vote counts as soon as it cannot be forgotten. */
  #countOwnVote(): void {
    const isDurable =
      this.#replica.durability.isHardStateDurable || this.#settings.faults.acknowledgesBeforePersisted
    if (this.#role !== 'candidate' || !isDurable) return
    this.#votes.record(this.id, true)
    this.#afterVote()
  }

  #afterVote(): void {
    const outcome = this.#votes.outcome(
      electorateOf(this.configuration, this.#settings.faults, (member) => this.#isReachable(member)),
    )
    if (outcome === 'lost') {
      // No need to wait for the timeout to know it: the next attempt is one whole timeout away.
      this.#becomeFollower(this.#term, undefined)
    } else if (outcome === 'won') {
      if (this.#role === 'pre-candidate') this.#stand(false)
      // A leader whose own term is not durable could be elected twice in it, and append two different entries.
      else if (this.#votes.isGrantedBy(this.id)) this.#becomeLeader()
    }
  }

  #becomeLeader(): void {
    this.#setRole('leader')
    this.#setLeader(this.id)
    this.#leadership = new Leadership(
      {
        settings: this.#settings,
        replica: this.#replica,
        term: this.#term,
        send: (message) => this.#outbox.push(message),
        envelope: this.#envelope,
      },
      this.#observers,
    )
    this.#advanceLeader()
  }

  #becomeFollower(term: Term, leader: MemberId | undefined): void {
    if (this.#leadership) {
      this.#reads.push(...this.#leadership.reads.takeConfirmed())
      this.#failedReads.push(...this.#leadership.reads.takePending())
      this.#leadership = undefined
      this.#timer.onLeadershipOver()
    }
    if (this.#role !== 'follower') this.#timer.restart()
    if (term > this.#term) this.#enterTerm(term, undefined)
    this.#setRole('follower')
    this.#setLeader(leader)
  }

  #enterTerm(term: Term, votedFor: MemberId | undefined): void {
    this.#term = term
    this.#votedFor = votedFor
    this.#answers.onTerm()
    this.#hasRoleChanged = true
    this.#onHardState()
  }

  /** Entries of the leader's may have become durable, or its quorum smaller. */
  #advanceLeader(): void {
    if (!this.#leadership) return
    this.#leadership.advance()
    this.#afterAdvance()
  }

  #afterAdvance(): void {
    this.#noteMembership()
    if (!this.#leadership?.isRemoved) return
    // Those who stay should know that the change is committed before they have to elect somebody (Ongaro 2014, §4.2.2).
    this.#leadership.flush()
    this.#becomeFollower(this.#term, undefined)
  }

  /** An entry that is an axiom, and no leader's: with it, a cluster begins. */
  #appendConfiguration(configuration: Configuration): void {
    const payload = encodeConfiguration(configuration)
    this.#replica.create(this.#term, { kind: 'configuration', commandCount: 0, timestampMs: 0, payload })
  }

  #commitTo(index: Index): void {
    if (this.#replica.commitTo(index)) this.#noteMembership()
  }

  #noteMembership(): void {
    const isMember = this.#isMemberAt(this.#replica.commitIndex)
    if (this.#wasMember && !isMember) this.#incidents.push({ type: 'removed' })
    this.#wasMember = isMember
  }

  #isMemberAt(index: Index): boolean {
    const { voters, learners } = this.#replica.configurations.at(index)
    return voters.includes(this.#settings.id) || learners.includes(this.#settings.id)
  }

  /** What cannot be, is: whatever this member did now could make it worse. */
  #stop(leader: MemberId, index: Index, reason: string): void {
    const { commitIndex } = this.#replica
    this.#incidents.push({ type: 'diverged', leader, index, commitIndex, reason })
    this.#becomeFollower(this.#term, undefined)
    this.#answers.onTerm()
    this.#isStopped = true
  }

  #onHardState(): void {
    this.#replica.durability.onHardState(this.hardState)
  }

  #setRole(role: Role): void {
    if (role !== this.#role) this.#hasRoleChanged = true
    this.#role = role
  }

  #setLeader(leader: MemberId | undefined): void {
    if (leader !== this.#leader) this.#hasRoleChanged = true
    this.#leader = leader
  }

  #roleFacts(): RoleFacts {
    return { role: this.#role, term: this.#term, leader: this.#leader }
  }

  #refuse(reason: RefusalReason): Refusal {
    return { accepted: false, reason, leader: this.#leader }
  }

  /** Whether the candidate's log is at least as good as this one (Raft, §5.4.1). */
  #isUpToDate({ lastIndex, lastTerm }: VoteRequest | PreVoteRequest): boolean {
    const { log } = this.#replica
    return lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex >= log.lastIndex)
  }

  /** Whether there may be a leader that counts on not being replaced yet (Ongaro 2014, §4.2.3, §6.4.1). */
  get #standsByLeader(): boolean {
    return this.#leadership?.isFollowed ?? this.#timer.standsByLeader
  }

  get #isVoter(): boolean {
    return this.configuration.voters.includes(this.id)
  }

  /**
   * Also a member whose removal is in its log and not known to be committed: it may be the only one whose log is good
   * enough to be elected (Ongaro 2014, §4.2.2). Its own vote does not count then.
   */
  get #mayStand(): boolean {
    const { configurations, commitIndex } = this.#replica
    const isBeingRemoved =
      configurations.currentIndex > commitIndex && configurations.previous.voters.includes(this.id)
    return this.#hasOwnConfiguration && (this.#isVoter || isBeingRemoved)
  }

  /** Not while the log is still that of the cluster from which this member has gone over to another one. */
  get #hasOwnConfiguration(): boolean {
    const origin = this.configuration.lineage?.at(-1)
    return origin === undefined || origin.clusterId === this.#clusterId
  }

  /**
   * Whether there is nobody to wait for: no other voter, and nobody who may still lead by the configuration before. A leader
   * that has taken everybody but this member out, itself included, goes on until that is committed, and may hold a lease.
   */
  get #isAlone(): boolean {
    if (this.configuration.voters.length !== 1 || !this.#isVoter) return false
    const { configurations, commitIndex } = this.#replica
    const isSettled = configurations.currentIndex <= commitIndex
    const hadCompany = configurations.previous.voters.some((voter) => voter !== this.id)
    const mayHaveLeader = !isSettled && hadCompany && this.#timer.standsByLeader
    return !mayHaveLeader || this.#settings.faults.ignoresLeaderWhenAlone === true
  }

  get #otherVoters(): readonly MemberId[] {
    return this.configuration.voters.filter((voter) => voter !== this.id)
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
