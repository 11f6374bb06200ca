import type { AppendAnswer } from './messages.js'
import type { RaftLimits } from './options.js'
import type { RaftLog } from './raft-log.js'
import type { MemberProgress } from './ready.js'
import type { Index, MemberId } from './types.js'

/** So far behind, and no more, counts as caught up: one that has anything at all, for a young log is no longer than this. */
const CAUGHT_UP_LAG_MAX = 64
/** Caught up for so many rounds in a row, a member is taken to stay so. */
const CAUGHT_UP_ROUNDS = 2
/** Who follows along answers every so many-th append. */
const ANSWERED_EVERY = 32

/** Appends up to one that has to be answered, which answers for all of them. */
interface InFlight {
  lastIndex: Index
  bytes: number
  /** When the last of them left. */
  sentTick: number
}

/** What a leader knows of another member's log, and what is on its way there. */
export class Progress {
  readonly member: MemberId
  role: MemberProgress['role']
  /** Whether that is what it is by the committed configuration as well. */
  isRoleCommitted = true
  /** A voter that is not needed to commit what is under way. */
  isSpare = false
  /**
   * - `probe`: one append at a time, until it is known where the logs part;
   * - `replicate`: appends follow each other without waiting for answers;
   * - `sync`: the leader does not have what comes next any more.
   */
  #state: MemberProgress['state'] = 'probe'
  #matchIndex: Index = 0
  #nextIndex: Index
  readonly #inFlight: InFlight[] = []
  #inFlightBytes = 0
  /** How many appends at the end of those have left without asking for an answer. */
  #unaskedCount = 0
  /** Outside of `replicate`: the one message is on its way, and its answer or the next heartbeat decides. */
  #isWaiting = false
  /** The commit index that the member was last told. */
  commitIndexSent: Index = 0
  /** When it was last heard of, by the leader's ticks. */
  heardTick: number
  /** The latest round that it has answered, and when that began. */
  #ackedRound = 0
  #ackedTick = -Infinity
  #caughtUpRounds = 0

  constructor(member: MemberId, role: MemberProgress['role'], nextIndex: Index, nowTick: number) {
    this.member = member
    this.role = role
    this.#nextIndex = nextIndex
    this.heardTick = nowTick
  }

  get state(): MemberProgress['state'] {
    return this.#state
  }

  get matchIndex(): Index {
    return this.#matchIndex
  }

  /** The next entry to send. */
  get nextIndex(): Index {
    return this.#nextIndex
  }

  get ackedRound(): number {
    return this.#ackedRound
  }

  get ackedTick(): number {
    return this.#ackedTick
  }

  get caughtUpRounds(): number {
    return this.#caughtUpRounds
  }

  report(nowTick: number): MemberProgress {
    const { member, role, matchIndex, state, caughtUpRounds } = this
    return { member, role, matchIndex, state, caughtUpRounds, silentTicks: nowTick - this.heardTick }
  }

  /** Whether another message with entries may leave. */
  canSend({ inFlightMessagesMax, inFlightBytesMax }: RaftLimits): boolean {
    if (this.#state !== 'replicate') return !this.#isWaiting
    return this.#inFlight.length < inFlightMessagesMax && this.#inFlightBytes < inFlightBytesMax
  }

  /** Whether it has been seen to keep up. */
  get isSteady(): boolean {
    return this.#state === 'replicate' && this.#caughtUpRounds >= CAUGHT_UP_ROUNDS
  }

  /**
   * Whether nobody waits for this member to have an entry: its answer is not needed for a majority; it does not catch up,
   * which may make a voter of it; and there is no change under way that it has to hear of, or by which it may be a voter
   * again if nothing comes of it.
   */
  get followsAlong(): boolean {
    return (this.role !== 'voter' || this.isSpare) && this.isRoleCommitted && this.isSteady
  }

  /**
   * Whether an append with so many bytes has to be answered. The answer of who follows along only makes room for more, so it is
   * time when half of that is used, or now and then; and heartbeats are answered anyway.
   */
  needsAnswer(bytes: number, { inFlightBytesMax }: RaftLimits): boolean {
    if (!this.followsAlong) return true
    return this.#unaskedCount + 1 >= ANSWERED_EVERY || 2 * (this.#inFlightBytes + bytes) >= inFlightBytesMax
  }

  /** An append with entries up to `lastIndex` left. @param isAsked Whether it has to be answered. */
  onSent(lastIndex: Index, bytes: number, nowTick: number, isAsked: boolean): void {
    if (this.#state !== 'replicate') {
      this.#isWaiting = true
      return
    }
    this.#nextIndex = lastIndex + 1
    this.#inFlightBytes += bytes
    const open = this.#unaskedCount > 0 ? this.#inFlight.at(-1) : undefined
    if (open === undefined) {
      this.#inFlight.push({ lastIndex, bytes, sentTick: nowTick })
    } else {
      open.lastIndex = lastIndex
      open.bytes += bytes
      open.sentTick = nowTick
    }
    this.#unaskedCount = isAsked ? 0 : this.#unaskedCount + 1
  }

  /** @param endIndex The last entry that the member can have. */
  onRound(round: number, roundTick: number, endIndex: Index): void {
    if (round <= this.#ackedRound) return
    this.#ackedRound = round
    this.#ackedTick = roundTick
    const isCaughtUp = this.#state === 'replicate' && endIndex - this.#matchIndex <= CAUGHT_UP_LAG_MAX
    this.#caughtUpRounds = isCaughtUp ? this.#caughtUpRounds + 1 : 0
  }

  /** The member's log is durable and equal up to `matchIndex`. */
  onAccepted(matchIndex: Index): void {
    this.#matchIndex = Math.max(this.#matchIndex, matchIndex)
    this.#nextIndex = Math.max(this.#nextIndex, this.#matchIndex + 1)
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.lastIndex <= this.#matchIndex)
      this.#inFlightBytes -= this.#inFlight.shift()!.bytes
    this.#state = 'replicate'
    this.#isWaiting = false
  }

  /** Something was refused. Finds how far back to go: over a whole term at once (Raft, §5.3). */
  onRejected(
    { rejectedIndex, conflictTerm, conflictIndex, lastIndex }: AppendAnswer,
    log: RaftLog,
  ): 'stepped' | 'stale' {
    if (this.#state === 'sync') {
      if (lastIndex >= log.base.index) this.becomeProbe(Math.min(lastIndex, log.lastIndex) + 1)
      return 'stepped'
    }
    const isAnswerToProbe = this.#state !== 'probe' || rejectedIndex === this.#nextIndex - 1
    if (rejectedIndex <= this.#matchIndex || !isAnswerToProbe) return 'stale'
    let next = lastIndex + 1
    if (conflictTerm > 0) {
      const sameTerm = log.lastIndexUpToTerm(conflictTerm, rejectedIndex - 1)
      next = log.termAt(sameTerm) === conflictTerm ? sameTerm + 1 : conflictIndex
    }
    this.becomeProbe(Math.min(next, rejectedIndex))
    return 'stepped'
  }

  /**
   * Whether an append must have been lost on the way: a round that began a good while after it has been answered, and the
   * member still has not received it. (It may have been overtaken by the round's message, but not for so long.)
   */
  hasLost(roundTick: number, receivedIndex: Index, patienceTicks: number): boolean {
    const oldest = this.#inFlight[0]
    if (oldest === undefined || receivedIndex >= oldest.lastIndex) return false
    return oldest.sentTick + patienceTicks <= roundTick
  }

  /** Looks for where the logs part, from `nextIndex` on. */
  becomeProbe(nextIndex: Index): void {
    this.#state = 'probe'
    this.#nextIndex = Math.max(nextIndex, this.#matchIndex + 1)
    this.#clearInFlight()
  }

  becomeSync(): void {
    this.#state = 'sync'
    this.#clearInFlight()
  }

  #clearInFlight(): void {
    this.#inFlight.length = 0
    this.#inFlightBytes = 0
    this.#unaskedCount = 0
    this.#isWaiting = false
  }
}
