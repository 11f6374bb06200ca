import type { CoreParts } from './core-parts.js'
import { ElectionTimer } from './election-timer.js'
import type { PreVoteAnswer, PreVoteRequest, TimeoutNow, VoteAnswer, VoteRequest } from './messages.js'
import { electorateOf } from './quorum.js'
import type { StepOutcome } from './ready.js'
import type { MemberId } from './types.js'
import { Votes } from './votes.js'

/** One tick at least, whenever the first of them comes: the one whose turn it is has as long to be elected. */
const TURN_TICKS = 2

/** What elections have to do with the rest of a member. */
export interface ElectionContext extends CoreParts {
  /** Whether a majority follows this member. Undefined unless it leads. */
  readonly isFollowed: () => boolean | undefined
  /** Only for a fault. */
  readonly isReachable: (member: MemberId) => boolean
  readonly becomeLeader: () => void
}

/** How leaders come about: whom a member votes for, when it stands itself, and what becomes of that (Raft, §5.2, §5.4.1). */
export class Elections {
  readonly #context: ElectionContext
  readonly #timer: ElectionTimer
  #votes = new Votes()

  constructor(context: ElectionContext) {
    this.#context = context
    this.#timer = new ElectionTimer(context.settings, context.state.term > 0)
  }

  /** A leader was heard. */
  onLeader(): void {
    this.#timer.onLeader()
  }

  get isQuiescent(): boolean {
    return this.#timer.isQuiescent
  }

  /** The leader will say nothing until something happens. */
  quiesce(): void {
    this.#timer.quiesce()
  }

  /** Waits for a leader again. @returns Whether it did not. */
  wake(silentTicks: number): boolean {
    return this.#timer.wake(silentTicks)
  }

  /** This member is about to be a follower. @param wasLeader Whether it led. */
  onFollower(wasLeader: boolean): void {
    if (wasLeader) this.#timer.onLeadershipOver()
    if (this.#context.state.role !== 'follower') this.#timer.restart()
  }

  /** Time passes at a member that does not lead. */
  tick(count: number): void {
    const { membership } = this.#context
    if (this.isQuiescent) return
    this.#timer.tick(count)
    if (!this.#timer.isOver && !this.#isAlone) return
    this.#giveUpWaiting()
    if (membership.mayStand) this.#askAhead()
  }

  onPreVoteRequest(request: PreVoteRequest): StepOutcome {
    const { state, outbox, membership } = this.#context
    const isUpToDate = this.#isUpToDate(request)
    const granted = request.term > state.term && isUpToDate && !this.#standsByLeader
    outbox.send({
      ...state.envelope(request.from),
      type: 'pre-vote-answer',
      requestedTerm: request.term,
      granted,
    })
    const isBetter = !isUpToDate && !this.#standsByLeader && state.role === 'follower'
    if (isBetter && membership.mayStand) this.#standInsteadOf(request.from)
    return 'stepped'
  }

  onPreVoteAnswer(answer: PreVoteAnswer): StepOutcome {
    const { state, becomeFollower } = this.#context
    if (!answer.granted && answer.term > state.term) {
      becomeFollower(answer.term, undefined)
      return 'stepped'
    }
    if (state.role !== 'pre-candidate' || answer.requestedTerm !== state.term + 1) return 'stale'
    return this.#onVote(answer)
  }

  onVoteRequest(request: VoteRequest): StepOutcome {
    const { state, settings, outbox, answers, becomeFollower } = this.#context
    // Neither the term nor the vote of somebody who cannot know that there is a leader (Ongaro 2014, §4.2.3).
    const isUnwelcome = this.#standsByLeader && !request.transfer
    if (request.term > state.term && !isUnwelcome) becomeFollower(request.term, undefined)
    const isFree = state.isFreeFor(request.from) || settings.faults.votesTwiceInATerm === true
    const granted = !isUnwelcome && request.term === state.term && isFree && this.#isUpToDate(request)
    if (!granted) {
      outbox.send({ ...state.envelope(request.from), type: 'vote-answer', granted })
      return 'stepped'
    }
    state.voteFor(request.from)
    this.#timer.onVote()
    answers.onVote({ ...state.envelope(request.from), type: 'vote-answer', granted })
    return 'stepped'
  }

  onVoteAnswer(answer: VoteAnswer): StepOutcome {
    const { state, becomeFollower } = this.#context
    if (answer.term > state.term) {
      becomeFollower(answer.term, undefined)
      return 'stepped'
    }
    if (answer.term < state.term || state.role !== 'candidate') return 'stale'
    return this.#onVote(answer)
  }

  onTimeoutNow(message: TimeoutNow): StepOutcome {
    const { state, membership } = this.#context
    if (message.term !== state.term || message.from !== state.leader) return 'stale'
    if (!membership.mayStand) return 'stranger'
    this.#stand(true)
    return 'stepped'
  }

  /** The own vote counts as soon as it cannot be forgotten. */
  countOwnVote(): void {
    const { state, replica, settings } = this.#context
    const isDurable = replica.durability.isHardStateDurable || settings.faults.countsOwnVoteBeforePersisted
    if (state.role !== 'candidate' || !isDurable) return
    this.#votes.record(state.id, true)
    this.#afterVote()
  }

  /** There is no leader, as far as this member knows. */
  #giveUpWaiting(): void {
    this.#timer.restart()
    this.#context.state.setLeader(undefined)
  }

  /**
   * Whoever got an entry that others did not is the only one who can be elected, and they may not know. There may be several of
   * those: if all of them stood at the same time, each would have its own vote and none a majority, so they take turns.
   */
  #standInsteadOf(candidate: MemberId): void {
    const { state, replica } = this.#context
    const able = replica.configuration.voters.filter((voter) => voter !== candidate && voter !== state.leader)
    const turn = able.indexOf(state.id)
    if (turn > 0) return this.#timer.hurry(turn * TURN_TICKS)
    this.#giveUpWaiting()
    this.#askAhead()
  }

  #onVote({ from, granted }: PreVoteAnswer | VoteAnswer): StepOutcome {
    if (!this.#context.replica.configuration.voters.includes(from)) return 'stranger'
    this.#votes.record(from, granted)
    this.#afterVote()
    return 'stepped'
  }

  /** Asks whether it would be elected, without disturbing anybody (Ongaro 2014, §9.6). */
  #askAhead(): void {
    const { state, replica, membership, outbox } = this.#context
    state.setRole('pre-candidate')
    this.#votes = new Votes()
    this.#votes.record(state.id, true)
    const { lastIndex, lastTerm } = replica.log
    for (const to of membership.otherVoters)
      outbox.send({
        ...state.envelope(to),
        term: state.term + 1,
        type: 'pre-vote-request',
        lastIndex,
        lastTerm,
      })
    this.#afterVote()
  }

  /** Stands for election in the next term. */
  #stand(transfer: boolean): void {
    const { state, replica, membership, answers, outbox, settings } = this.#context
    state.enterTerm(state.term + 1, state.id)
    answers.onTerm()
    state.setRole('candidate')
    state.setLeader(undefined)
    this.#timer.restart()
    this.#votes = new Votes()
    const { lastIndex, lastTerm } = replica.log
    for (const to of membership.otherVoters)
      outbox.send({ ...state.envelope(to), type: 'vote-request', lastIndex, lastTerm, transfer })
    if (settings.faults.countsOwnVoteBeforePersisted) this.countOwnVote()
  }

  #afterVote(): void {
    const { state, replica, settings, isReachable, becomeFollower, becomeLeader } = this.#context
    const outcome = this.#votes.outcome(electorateOf(replica.configuration, settings.faults, isReachable))
    if (outcome === 'lost') {
      // No need to wait for the timeout to know it: the next attempt is one whole timeout away.
      becomeFollower(state.term, undefined)
    } else if (outcome === 'won') {
      if (state.role === 'pre-candidate') this.#stand(false)
      // A leader whose own term is not durable could be elected twice in it, and append two different entries.
      else if (this.#votes.isGrantedBy(state.id)) becomeLeader()
    }
  }

  /** Whether the candidate's log is at least as good as this one (Raft, §5.4.1). */
  #isUpToDate({ lastIndex, lastTerm }: VoteRequest | PreVoteRequest): boolean {
    const { log } = this.#context.replica
    return lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex >= log.lastIndex)
  }

  /** Whether there may be a leader that counts on not being replaced yet (Ongaro 2014, §4.2.3, §6.4.1). */
  get #standsByLeader(): boolean {
    return this.#context.isFollowed() ?? this.#timer.standsByLeader
  }

  /**
   * Whether there is nobody to wait for. A leader that has taken everybody but this member out, itself included, goes on
   * until that is committed, and may hold a lease.
   */
  get #isAlone(): boolean {
    const { membership, settings } = this.#context
    if (!membership.isSoleVoter) return false
    const mayHaveLeader = membership.mayHaveCompany && this.#timer.standsByLeader
    return !mayHaveLeader || settings.faults.ignoresLeaderWhenAlone === true
  }
}
