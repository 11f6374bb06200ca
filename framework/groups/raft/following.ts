import { judgeAppend } from './append-verdict.js'
import type { CoreParts } from './core-parts.js'
import type { Elections } from './elections.js'
import type { AppendRequest, SyncRequired } from './messages.js'
import type { StepOutcome } from './ready.js'
import type { Entry, Index, MemberId, SnapshotFacts } from './types.js'

/** What following has to do with the rest of a member. */
export interface FollowingContext extends CoreParts {
  readonly elections: Elections
}

/** How a member's log follows the leader's: by appends (Raft, §5.3), and by what was got from others when it is far behind. */
export class Following {
  readonly #context: FollowingContext

  constructor(context: FollowingContext) {
    this.#context = context
  }

  onAppend(request: AppendRequest): StepOutcome {
    const { settings, replica, state, membership, answers, outbox, elections } = this.#context
    const isNewRound = request.term > state.term || request.round > answers.round
    const obstacle = this.#hearLeader(request)
    if (obstacle) return obstacle
    const verdict = judgeAppend(replica, request, settings.faults)
    switch (verdict.type) {
      case 'matched':
        if (verdict.truncateFrom !== undefined) replica.truncateFrom(verdict.truncateFrom)
        for (const entry of verdict.entries) replica.append(entry)
        answers.onMatched(request.from, verdict.lastIndex, request.answer)
        membership.commitTo(Math.min(request.commitIndex, answers.matchIndex))
        if (request.answer === 'quiesce' && isNewRound) elections.quiesce()
        return 'stepped'
      case 'rejected':
        outbox.send(
          answers.rejected(state.envelope(request.from), replica.log.lastIndex, {
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
        outbox.report({ type: 'corrupt-append', from: request.from, index: verdict.index })
        return 'corrupt'
      case 'malformed':
        return 'malformed'
    }
  }

  onSyncRequired(request: SyncRequired): StepOutcome {
    const obstacle = this.#hearLeader(request)
    if (obstacle) return obstacle
    const { from, firstIndex, commitIndex } = request
    this.#context.outbox.demandSync({ leader: from, firstIndex, commitIndex })
    this.#reject(from)
    return 'stepped'
  }

  /** {@link RaftCore.appendFetched} */
  appendFetched(entries: readonly Entry[]): number {
    if (!this.#isFollower) return 0
    const { log } = this.#context.replica
    let count = 0
    for (const entry of entries) {
      const isKnown = entry.index < log.base.index || log.positionAt(entry.index)?.hash === entry.hash
      if (!isKnown && !this.#goOnWith(entry)) break
      count++
    }
    return count
  }

  /** {@link RaftCore.commitFetched} */
  commitFetched(from: MemberId, { index, hash }: Entry): boolean {
    const { state, replica, membership } = this.#context
    if (state.isStopped || from !== state.leader) return false
    if (index > replica.log.base.index && replica.log.entryAt(index)?.hash !== hash) return false
    membership.commitTo(index)
    return true
  }

  /** {@link RaftCore.announceEnd} */
  announceEnd(): void {
    const { state } = this.#context
    if (state.isStopped || state.role !== 'follower' || state.leader === undefined) return
    this.#reject(state.leader)
  }

  /** {@link RaftCore.installSnapshot} */
  installSnapshot(facts: SnapshotFacts): boolean {
    const { state, replica, membership, becomeFollower } = this.#context
    if (!this.#isFollower || facts.index <= replica.commitIndex) return false
    replica.install(facts)
    if (facts.term > state.term) becomeFollower(facts.term, undefined)
    membership.onCommitted()
    return true
  }

  get #isFollower(): boolean {
    const { isStopped, role, clusterId } = this.#context.state
    return !isStopped && role !== 'leader' && clusterId !== undefined
  }

  /** What appends and their substitutes have in common: who sends them is the leader. */
  #hearLeader({ from, term, round, roundTick }: AppendRequest | SyncRequired): StepOutcome | undefined {
    const { state, replica, answers, elections, becomeFollower } = this.#context
    if (term < state.term) {
      // So that it learns that it leads no more.
      this.#reject(from)
      return 'stale'
    }
    const isSecondLeader =
      term === state.term &&
      (state.role === 'leader' || (state.leader !== undefined && state.leader !== from))
    if (isSecondLeader) {
      this.#stop(from, replica.commitIndex, 'two leaders in one term')
      return 'stepped'
    }
    if (term > state.term || state.role !== 'follower' || state.leader === undefined)
      becomeFollower(term, from)
    // What is of a round before the leader fell silent was overtaken by that, and is no news.
    if (!elections.isQuiescent || round > answers.round) elections.onLeader()
    answers.onRound(round, roundTick)
    return undefined
  }

  /** Says where the log ends, and nothing of what the leader has asked. */
  #reject(to: MemberId): void {
    const { state, replica, answers, outbox } = this.#context
    outbox.send(answers.rejected(state.envelope(to), replica.log.lastIndex))
  }

  /** @returns False when the entry does not follow what is in front of it, or may not take another one's place. */
  #goOnWith(entry: Entry): boolean {
    const { state, replica, answers } = this.#context
    const { log, commitIndex } = replica
    const previous = log.positionAt(entry.index - 1)
    if (previous === undefined || entry.index <= Math.max(commitIndex, answers.matchIndex)) return false
    const isInOrder = entry.term >= previous.term && entry.term <= state.term
    if (!isInOrder || !replica.isChained(previous, entry)) return false
    if (entry.index <= log.lastIndex) replica.truncateFrom(entry.index)
    replica.append(entry)
    return true
  }

  /** What cannot be, is: whatever this member did now could make it worse. */
  #stop(leader: MemberId, index: Index, reason: string): void {
    const { state, replica, answers, outbox, becomeFollower } = this.#context
    outbox.report({ type: 'diverged', leader, index, commitIndex: replica.commitIndex, reason })
    becomeFollower(state.term, undefined)
    answers.onTerm()
    state.stop()
  }
}
