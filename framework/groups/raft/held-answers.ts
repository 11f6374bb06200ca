import type { Durability } from './durability.js'
import type { CoreFaults } from './faults.js'
import type { AnswerWish, AppendAnswer, Envelope, Message, VoteAnswer } from './messages.js'
import type { Index, MemberId } from './types.js'

/**
 * The answers that say that something is durable, until it is: granted votes and acknowledged entries. Answers to
 * appends are cumulative, so the latest one stands for all.
 */
export class HeldAnswers {
  readonly #durability: Durability
  readonly #faults: CoreFaults
  #vote: VoteAnswer | undefined
  /** Whom an answer to an append is owed. */
  #leader: MemberId | undefined
  /** Whether the leader wants to hear at once, though it be less. */
  #isUrgent = false
  #matchIndex: Index = 0
  #round = 0
  #roundTick = 0

  constructor(durability: Durability, faults: CoreFaults) {
    this.#durability = durability
    this.#faults = faults
  }

  /** Up to where the log is known to be that of this term's leader. */
  get matchIndex(): Index {
    return this.#matchIndex
  }

  /** The highest round of this term that was seen. */
  get round(): number {
    return this.#round
  }

  /** What was owed in an earlier term is of no interest any more. */
  onTerm(): void {
    this.#vote = undefined
    this.#leader = undefined
    this.#isUrgent = false
    this.#matchIndex = 0
    this.#round = 0
    this.#roundTick = 0
  }

  onVote(vote: VoteAnswer): void {
    this.#vote = vote
  }

  onRound(round: number, roundTick: number): void {
    if (round <= this.#round) return
    this.#round = round
    this.#roundTick = roundTick
  }

  /** The log equals the leader's up to `lastIndex`. */
  onMatched(leader: MemberId, lastIndex: Index, answer: AnswerWish): void {
    this.#matchIndex = Math.max(this.#matchIndex, lastIndex)
    if (answer === 'none') return
    this.#leader = leader
    this.#isUrgent ||= answer === 'at-once' || answer === 'quiesce'
  }

  /**
   * Whether a log up to `lastIndex` has to be durable for something: an answer is owed, or there are entries that did not come
   * from the leader, of which whoever got them waits to hear.
   */
  awaits(lastIndex: Index): boolean {
    return this.#vote !== undefined || this.#leader !== undefined || this.#matchIndex < lastIndex
  }

  get isDue(): boolean {
    return this.#isVoteDue || this.#isAppendDue
  }

  /** Says what may be said by now. */
  flush(send: (message: Message) => void, envelope: (to: MemberId) => Envelope): void {
    if (this.#vote !== undefined && this.#isVoteDue) {
      send(this.#vote)
      this.#vote = undefined
    }
    if (this.#leader === undefined || !this.#isAppendDue) return
    send(this.#accepted(envelope(this.#leader)))
    this.#isUrgent = false
    if (this.#isAllDurable) this.#leader = undefined
  }

  /** Says nothing of what is durable, so it need not wait. */
  rejected(envelope: Envelope, lastIndex: Index, conflict: Conflict = NO_CONFLICT): AppendAnswer {
    return {
      ...envelope,
      type: 'append-answer',
      accepted: false,
      round: this.#round,
      roundTick: this.#roundTick,
      matchIndex: 0,
      rejectedIndex: conflict.rejectedIndex,
      conflictTerm: conflict.conflictTerm,
      conflictIndex: conflict.conflictIndex,
      lastIndex,
    }
  }

  #accepted(envelope: Envelope): AppendAnswer {
    return {
      ...envelope,
      type: 'append-answer',
      accepted: true,
      round: this.#round,
      roundTick: this.#roundTick,
      matchIndex: this.#isAllDurable ? this.#matchIndex : this.#durability.durableIndex,
      rejectedIndex: 0,
      conflictTerm: 0,
      conflictIndex: 0,
      lastIndex: this.#matchIndex,
    }
  }

  get #isVoteDue(): boolean {
    const { votesBeforePersisted = false } = this.#faults
    return this.#vote !== undefined && (votesBeforePersisted || this.#durability.isHardStateDurable)
  }

  get #isAppendDue(): boolean {
    if (this.#leader === undefined) return false
    const { acknowledgesBeforePersisted = false } = this.#faults
    const mayAnswer = acknowledgesBeforePersisted || this.#durability.isHardStateDurable
    return mayAnswer && (this.#isUrgent || this.#isAllDurable)
  }

  get #isAllDurable(): boolean {
    const { acknowledgesBeforePersisted = false } = this.#faults
    return acknowledgesBeforePersisted || this.#matchIndex <= this.#durability.durableIndex
  }
}

export interface Conflict {
  readonly rejectedIndex: Index
  readonly conflictTerm: number
  readonly conflictIndex: Index
}

const NO_CONFLICT: Conflict = { rejectedIndex: 0, conflictTerm: 0, conflictIndex: 0 }
