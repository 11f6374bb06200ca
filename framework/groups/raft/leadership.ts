import { invariant, type Digest } from '#framework/primitives'
import { AppendQuorum } from './append-quorum.js'
import { AppendSender, type AppendSenderOptions } from './append-sender.js'
import { encodeConfiguration, haveSameVoters, isSingleStep, isWellFormed, roleOf } from './configuration.js'
import type { AppendAnswer, Envelope, Message } from './messages.js'
import { Progress } from './progress.js'
import { Quiescence } from './quiescence.js'
import { electorateOf, reachedByQuorum, type Electorate } from './quorum.js'
import { votersDigest, type ReadIndex } from './read-confirmation.js'
import { ReadQuorum } from './read-quorum.js'
import { ReadQueue } from './reads.js'
import type { MemberProgress, Proposal, ProposeOutcome, ReadId, RefusalReason, StepOutcome } from './ready.js'
import type { EntryContent, Replica } from './replica.js'
import { Rounds } from './rounds.js'
import type { Settings } from './settings.js'
import { Transfer } from './transfer.js'
import type { Configuration, Index, MemberId, Term } from './types.js'

const NO_PAYLOAD = new Uint8Array(0)

/** So many bytes that are not committed yet take longer to send than one message more. */
const AHEAD_BYTES_MIN = 4096

/** What a leader has to know of the member that it is. */
export interface LeaderContext extends Omit<AppendSenderOptions, 'rounds'> {
  readonly term: Term
}

/** What a leader does in its term: from its election until it is a follower again. */
export class Leadership {
  readonly #settings: Settings
  readonly #replica: Replica
  readonly #term: Term
  readonly #send: (message: Message) => void
  readonly #envelope: (to: MemberId) => Envelope
  /** Everybody who gets the log, voters first, each in the order of their ids. */
  readonly #progress = new Map<MemberId, Progress>()
  readonly #reads = new ReadQueue()
  readonly #readQuorum = new ReadQuorum()
  readonly #appendQuorum = new AppendQuorum()
  readonly #transfer = new Transfer()
  /** The first entry of the term: when it is committed, so is all that earlier leaders committed. */
  readonly #noopIndex: Index
  #observers: readonly MemberId[]
  /** {@link thriftyIndex} at the last tick. */
  #thriftyIndexAtTick: Index | undefined
  readonly #rounds = new Rounds()
  readonly #sender: AppendSender
  #uncommittedBytes = 0
  #hasUnsent = true
  readonly #quiescence: Quiescence
  /** Since when a majority stands by this leader without having answered: the election, or the end of quiescence. */
  #followedTick = 0

  constructor(context: LeaderContext, observers: readonly MemberId[]) {
    this.#settings = context.settings
    this.#replica = context.replica
    this.#term = context.term
    this.#send = context.send
    this.#envelope = context.envelope
    this.#observers = observers
    this.#quiescence = new Quiescence(context.settings.quiesceAfterTicks)
    this.#sender = new AppendSender({ ...context, rounds: this.#rounds })
    this.#followMembership()
    const { log, commitIndex } = this.#replica
    for (let index = commitIndex + 1; index <= log.lastIndex; index++)
      this.#uncommittedBytes += log.entryAt(index)!.payload.byteLength
    this.#noopIndex = this.#append({ kind: 'noop', commandCount: 0, timestampMs: 0, payload: NO_PAYLOAD })
  }

  get hasUnsent(): boolean {
    return this.#hasUnsent
  }

  get reads(): ReadQueue {
    return this.#reads
  }

  get transfer(): Transfer {
    return this.#transfer
  }

  /** Whether the configuration no longer has this member as a voter, and that is committed. */
  get isRemoved(): boolean {
    const { configurations, configuration, commitIndex } = this.#replica
    return configurations.currentIndex <= commitIndex && !configuration.voters.includes(this.#settings.id)
  }

  /** Whether a majority has heard this leader so lately that it would not elect another one. */
  get isFollowed(): boolean {
    const followedTick = Math.max(this.#quorumAckedTick(), this.#followedTick)
    return this.#rounds.nowTick - followedTick < this.#settings.electionTicks
  }

  /** Whether nobody expects heartbeats. */
  get isQuiescent(): boolean {
    return this.#quiescence.isReached
  }

  /** Whether nothing is under way, and nothing was asked of this leader for long enough. */
  get mayQuiesce(): boolean {
    if (!this.#quiescence.isDue) return false
    const { log, commitIndex } = this.#replica
    const { lastIndex } = log
    if (commitIndex < lastIndex || this.#ownMatchIndex < lastIndex) return false
    if (this.#reads.pendingCount > 0 || this.#transfer.target !== undefined) return false
    for (const { state, matchIndex } of this.#progress.values())
      if (state !== 'replicate' || matchIndex < lastIndex) return false
    return true
  }

  /** Asks the others to do without heartbeats, if it may. @returns Whether it did. */
  quiesce(): boolean {
    if (!this.mayQuiesce) return false
    this.#startFullRound('quiesce')
    this.#quiescence.onAnswered(this.#progress.values())
    return true
  }

  /** Others may be gone, or have something to say. */
  wake(): void {
    if (!this.isQuiescent || !this.#settings.faults.quiescentLeaderKeepsLease) this.stir()
  }

  /** Something happens: heartbeats go on, at once if they had ended. @returns Whether a round begins with that. */
  stir(): boolean {
    if (this.isQuiescent) {
      // Whoever is gone was not missed so far.
      for (const progress of this.#progress.values()) progress.heardTick = this.#rounds.nowTick
      this.#followedTick = this.#rounds.nowTick
    }
    // What is said next is of this round, and so no late word of before.
    if (!this.#quiescence.stir()) return false
    this.#startFullRound()
    return true
  }

  report(): readonly MemberProgress[] {
    return [...this.#progress.values()].map((progress) => progress.report(this.#rounds.nowTick))
  }

  /** @returns Whether a majority has been silent for too long for this to go on (check-quorum; Ongaro 2014, §6.2). */
  tick(count: number, isRoundDue: boolean): 'quorum-lost' | undefined {
    if (this.isQuiescent && this.#settings.faults.quiescentLeaderKeepsLease) return undefined
    this.#rounds.tick(count)
    if (this.isQuiescent) return undefined
    this.#quiescence.tick(count)
    if (isRoundDue) this.#startFullRound()
    else this.widenReads()
    const { thriftyIndex } = this
    if (thriftyIndex !== undefined && thriftyIndex === this.#thriftyIndexAtTick) this.widenAppends()
    this.#thriftyIndexAtTick = thriftyIndex
    // Of two voters, the other one cannot be elected without this one's vote, so there is nothing to fear from waiting.
    if (this.#replica.configuration.voters.length === 2) return undefined
    const heardTick = reachedByQuorum(this.#electorate(), (member) =>
      member === this.#settings.id ? this.#rounds.nowTick : (this.#progress.get(member)?.heardTick ?? 0),
    )
    return this.#rounds.nowTick - heardTick >= this.#settings.electionTicks ? 'quorum-lost' : undefined
  }

  propose(proposals: readonly Proposal[], timestampMs: number): ProposeOutcome {
    const { commandBytesMax, uncommittedEntriesMax, uncommittedBytesMax } = this.#settings.limits
    this.stir()
    if (this.#transfer.target !== undefined) return this.#refuse('transferring')
    let bytes = 0
    for (const { payload } of proposals) {
      if (payload.byteLength > commandBytesMax) return this.#refuse('too-large')
      bytes += payload.byteLength
    }
    const { log, commitIndex } = this.#replica
    if (log.lastIndex - commitIndex + proposals.length > uncommittedEntriesMax) return this.#refuse('busy')
    if (this.#uncommittedBytes + bytes > uncommittedBytesMax) return this.#refuse('busy')
    const before = log.last
    for (const { payload, kind = 'command', commandCount = kind === 'command' ? 1 : 0 } of proposals) {
      invariant(
        kind === 'command' ? Number.isSafeInteger(commandCount) && commandCount >= 1 : commandCount === 0,
        `an entry of kind ${kind} cannot hold ${commandCount} commands`,
      )
      this.#append({ kind, commandCount, timestampMs, payload })
    }
    return {
      accepted: true,
      term: this.#term,
      firstIndex: before.index + 1,
      lastIndex: log.lastIndex,
      firstApplicationIndex: before.applicationIndex + 1,
      lastApplicationIndex: log.last.applicationIndex,
    }
  }

  proposeConfiguration(next: Configuration, timestampMs: number): ProposeOutcome {
    const { configurations, configuration, commitIndex, log } = this.#replica
    this.stir()
    if (this.#transfer.target !== undefined) return this.#refuse('transferring')
    if (!isWellFormed(next)) return this.#refuse('not-single-step')
    if (!this.#settings.faults.configurationTakesTwoSteps) {
      // Ongaro's correction of 2015: an entry of the own term first, or two leaders could each take half a step.
      // What leaves the voters as they are changes no majority: it holds up nothing, least of all that one who is gone is taken
      // out, without which it may never be committed itself.
      const isSettled = configurations.from(commitIndex).every((each) => haveSameVoters(each, configuration))
      if (!isSettled || !this.#isTermCommitted) return this.#refuse('change-pending')
      if (!isSingleStep(configuration, next)) return this.#refuse('not-single-step')
    }
    const { applicationIndex } = log.last
    const index = this.#append({
      kind: 'configuration',
      commandCount: 0,
      timestampMs,
      payload: encodeConfiguration({
        ...next,
        lineage: configuration.lineage,
        verdicts: next.verdicts ?? configuration.verdicts,
      }),
    })
    this.#followMembership()
    return {
      accepted: true,
      term: this.#term,
      firstIndex: index,
      lastIndex: index,
      firstApplicationIndex: applicationIndex + 1,
      lastApplicationIndex: applicationIndex,
    }
  }

  setObservers(observers: readonly MemberId[]): void {
    this.stir()
    this.#observers = observers
    this.#followMembership()
  }

  /** @returns Why not; undefined when the read is taken on. */
  read(id: ReadId, consistency: 'strong' | 'lease'): RefusalReason | undefined {
    // A round that begins for this read will do.
    const round = this.stir() ? this.#rounds.latest : this.#rounds.latest + 1
    const { faults, limits } = this.#settings
    if (this.#reads.pendingCount >= limits.pendingReadsMax) return 'busy'
    // What earlier leaders committed is known only when an entry of the own term is committed.
    const index = Math.max(this.#replica.commitIndex, this.#noopIndex)
    const isCertain = this.#isTermCommitted && (this.#isAlone || (consistency === 'lease' && this.#hasLease))
    if (isCertain || faults.readsWithoutQuorum) {
      this.#reads.addConfirmed(id, faults.readsWithoutQuorum ? this.#replica.commitIndex : index)
    } else {
      this.#reads.add(id, index, round)
      this.#hasUnsent = true
    }
    return undefined
  }

  /** {@link RaftCore.readIndex}, in the cluster that it is asked for. */
  readIndex(voters: Digest): ReadIndex | undefined {
    this.stir()
    const { configuration, commitIndex } = this.#replica
    if (voters !== votersDigest(configuration) || !this.#isTermCommitted) return undefined
    return { term: this.#term, index: commitIndex }
  }

  /** The round that reads wait for, while not all voters are asked to answer it. */
  get thriftyRound(): number | undefined {
    const { thriftyRound } = this.#readQuorum
    return thriftyRound === this.#reads.neededRound ? thriftyRound : undefined
  }

  /** Asks all voters to answer the round that reads wait for. */
  widenReads(): void {
    if (this.thriftyRound === undefined) return
    for (const progress of this.#readQuorum.widen(this.#otherVoters)) this.#sender.ask(progress, 'at-once')
  }

  /** The first entry that is not committed, while not everybody gets those. */
  get thriftyIndex(): Index | undefined {
    const { log, commitIndex } = this.#replica
    return commitIndex < log.lastIndex && this.#appendQuorum.hasSpares ? commitIndex + 1 : undefined
  }

  /** Sends everybody what is not committed. */
  widenAppends(): void {
    const awaited = this.thriftyIndex
    if (awaited === undefined) return
    this.#appendQuorum.widen(awaited, this.#replica.log.lastIndex, this.#ownMatchIndex < awaited)
    this.#hasUnsent = true
  }

  /** @returns Why not; undefined when it is under way. */
  transferTo(target: MemberId): RefusalReason | undefined {
    this.stir()
    if (target === this.#settings.id || !this.#replica.configuration.voters.includes(target))
      return 'unsuitable-member'
    if (this.#transfer.target !== undefined)
      return this.#transfer.target === target ? undefined : 'transferring'
    this.#transfer.begin(target, this.#rounds.nowTick + this.#settings.electionTicks)
    const progress = this.#progress.get(target)!
    // It has not been asked up to where it has the log.
    if (progress.isSpare) this.#sender.sendCommitIndex(progress, 'when-durable')
    this.#hasUnsent = true
    return undefined
  }

  /** @returns Whose turn to lead did not come in time, if there is one. */
  takeAbortedTransfer(): MemberId | undefined {
    return this.#transfer.takeAborted(this.#rounds.nowTick)
  }

  onAppendAnswer(answer: AppendAnswer): StepOutcome {
    const progress = this.#progress.get(answer.from)
    if (progress === undefined) return 'stranger'
    const { log } = this.#replica
    if (answer.round > this.#rounds.latest || answer.matchIndex > log.lastIndex) return 'malformed'
    if (this.#quiescence.isContradictedBy(answer, progress.ackedRound)) this.stir()
    progress.heardTick = this.#rounds.nowTick
    this.#hasUnsent = true
    if (answer.accepted) progress.onAccepted(answer.matchIndex)
    const outcome = answer.accepted ? 'stepped' : progress.onRejected(answer, log)
    progress.onRound(answer.round, answer.roundTick, this.#endFor(progress))
    this.#readQuorum.onAnswer(progress)
    if (
      answer.accepted &&
      progress.hasLost(answer.roundTick, answer.lastIndex, this.#settings.heartbeatTicks)
    )
      progress.becomeProbe(progress.matchIndex + 1)
    this.#quiescence.onAnswered(this.#progress.values())
    this.advance()
    return outcome
  }

  /** Commits what a majority has by now, and confirms the reads for which a majority has answered. */
  advance(): void {
    const { log } = this.#replica
    const { id, faults } = this.#settings
    const electorate = this.#electorate()
    const reached = reachedByQuorum(electorate, (member) =>
      member === id ? this.#ownMatchIndex : (this.#progress.get(member)?.matchIndex ?? 0),
    )
    // Entries of earlier terms are committed by the way, never by counting (Raft, §5.4.2).
    if (log.termAt(reached) === this.#term || faults.commitsOldTermByCounting) this.#commitTo(reached)
    if (this.#reads.neededRound === undefined || !this.#isTermCommitted) return
    const round = reachedByQuorum(electorate, (member) =>
      member === id ? this.#rounds.latest : (this.#progress.get(member)?.ackedRound ?? 0),
    )
    this.#reads.onRoundConfirmed(round)
  }

  /** Sends what is to be sent and has not been. */
  flush(): void {
    if (!this.#hasUnsent) return
    this.#hasUnsent = false
    // One round at a time for reads: those that come meanwhile share the next.
    if (this.#reads.neededRound === this.#rounds.latest + 1) this.#startReadRound()
    this.#chooseSpares()
    // Nobody waits for the spare ones to have anything.
    for (const progress of this.#progress.values())
      if (!progress.isSpare) this.#sender.sendPending(progress, this.#endFor(progress))
    for (const progress of this.#progress.values())
      if (progress.isSpare) this.#sender.sendPending(progress, this.#endFor(progress))
    this.#sendTimeoutNow()
  }

  get #otherVoters(): readonly Progress[] {
    return [...this.#progress.values()].filter(({ role }) => role === 'voter')
  }

  get #isTermCommitted(): boolean {
    return this.#replica.commitIndex >= this.#noopIndex
  }

  get #isLittleUnderWay(): boolean {
    return this.#uncommittedBytes < AHEAD_BYTES_MIN
  }

  get #isAlone(): boolean {
    const { voters } = this.#replica.configuration
    return voters.length === 1 && voters[0] === this.#settings.id
  }

  /** Whether no other leader can have been elected yet (Ongaro 2014, §6.4.1). */
  get #hasLease(): boolean {
    if (this.#settings.faults.staleLeaseRead) return true
    // Once somebody was told to stand for election at once, voters do not wait any more.
    if (this.#transfer.hasToldAnyone) return false
    return this.#rounds.nowTick - this.#quorumAckedTick() < this.#settings.leaseTicks
  }

  get #ownMatchIndex(): Index {
    const { durability, log } = this.#replica
    return this.#settings.faults.leaderCountsBeforePersisted ? log.lastIndex : durability.durableIndex
  }

  #quorumAckedTick(): number {
    return reachedByQuorum(this.#electorate(), (member) =>
      member === this.#settings.id
        ? this.#rounds.nowTick
        : (this.#progress.get(member)?.ackedTick ?? -Infinity),
    )
  }

  #electorate(): Electorate {
    const { id, electionTicks, faults } = this.#settings
    return electorateOf(this.#replica.configuration, faults, (member) => {
      const heardTick = this.#progress.get(member)?.heardTick ?? 0
      return member === id || this.#rounds.nowTick - heardTick < electionTicks
    })
  }

  #refuse(reason: RefusalReason): ProposeOutcome {
    return { accepted: false, reason, leader: this.#settings.id }
  }

  #append(content: EntryContent): Index {
    this.#uncommittedBytes += content.payload.byteLength
    this.#hasUnsent = true
    return this.#replica.create(this.#term, content).index
  }

  #commitTo(index: Index): void {
    const { log, configurations } = this.#replica
    const from = this.#replica.commitIndex
    if (!this.#replica.commitTo(index)) return
    for (let at = from + 1; at <= this.#replica.commitIndex; at++)
      this.#uncommittedBytes -= log.entryAt(at)!.payload.byteLength
    this.#hasUnsent = true
    this.#appendQuorum.onCommitted(this.#ownMatchIndex >= this.#replica.commitIndex)
    const { currentIndex } = configurations
    if (currentIndex > from && currentIndex <= this.#replica.commitIndex) this.#followMembership()
  }

  /** Replicates to whom the log says, and to those whose removal is not committed yet. */
  #followMembership(): void {
    const { configurations, configuration, commitIndex, log } = this.#replica
    const former = configurations.at(Math.max(commitIndex, log.base.index))
    // Voters first: what they have is committed.
    const wanted = new Set([
      ...[...configuration.voters, ...former.voters].sort(),
      ...[...configuration.learners, ...former.learners, ...this.#observers].sort(),
    ])
    wanted.delete(this.#settings.id)
    const known = new Map(this.#progress)
    this.#progress.clear()
    for (const member of wanted) {
      const role = roleOf(configuration, member)
      const progress =
        known.get(member) ?? new Progress(member, role, log.lastIndex + 1, this.#rounds.nowTick)
      progress.role = role
      progress.isRoleCommitted = role === roleOf(former, member)
      this.#progress.set(member, progress)
      known.delete(member)
    }
    this.#appendQuorum.onVoters(this.#otherVoters)
    // The last that they hear is that they are not members any more.
    for (const progress of known.values()) this.#sender.sendCommitIndex(progress, 'none')
    this.#hasUnsent = true
  }

  #startFullRound(answer: 'at-once' | 'quiesce' = 'at-once'): void {
    this.#readQuorum.onFullRound(this.#rounds.latest + 1)
    this.#startRound(this.#progress.values(), answer)
  }

  /** Only voters can confirm reads. */
  #startReadRound(): void {
    const asked = this.#readQuorum.begin(this.#rounds.latest + 1, this.#otherVoters, this.#othersNeeded)
    this.#startRound(asked, 'at-once')
  }

  /** How many others it takes to make a majority with this member, if that counts. */
  get #othersNeeded(): number {
    const { members, needed } = this.#electorate()
    return needed - (members.includes(this.#settings.id) ? 1 : 0)
  }

  /** Whoever is to lead has to have everything, and much had better be with everybody. */
  #chooseSpares(): void {
    const mayWait = this.#transfer.target === undefined && this.#isLittleUnderWay
    this.#appendQuorum.choose(mayWait ? this.#othersNeeded : Infinity, this.#replica.commitIndex)
  }

  #startRound(members: Iterable<Progress>, answer: 'at-once' | 'quiesce'): void {
    this.#rounds.begin()
    this.#quiescence.onRound(this.#rounds.latest, answer === 'quiesce')
    for (const progress of members) this.#sender.ask(progress, answer)
  }

  /**
   * The last entry to send. Who follows along has no use for one that is not committed, and gets it together with the word that
   * it is: one message in place of two. But much of it had better be there by then.
   */
  #endFor(progress: Progress): Index {
    const { log, commitIndex } = this.#replica
    return progress.followsAlong && this.#isLittleUnderWay ? commitIndex : log.lastIndex
  }

  /** As soon as the target has the whole log. */
  #sendTimeoutNow(): void {
    const { target } = this.#transfer
    if (target === undefined || this.#transfer.isTold) return
    if (this.#progress.get(target)?.matchIndex !== this.#replica.log.lastIndex) return
    this.#transfer.onTold()
    this.#send({ ...this.#envelope(target), type: 'timeout-now' })
  }
}
