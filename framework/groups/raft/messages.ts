import type { ChainHash, ClusterId, Entry, Index, MemberId, Term } from './types.js'

/** What every message carries. */
export interface Envelope {
  /** Messages of another cluster are not looked at. */
  readonly clusterId: ClusterId
  readonly from: MemberId
  readonly to: MemberId
  /** The sender's term; in a `pre-vote-request` the term that it would stand for. */
  readonly term: Term
}

/** "Would you elect me in `term`?" Changes nothing at either end (Ongaro 2014, §9.6). */
export interface PreVoteRequest extends Envelope {
  readonly type: 'pre-vote-request'
  readonly lastIndex: Index
  readonly lastTerm: Term
}

/** `term` is the voter's own, whether it grants or denies. */
export interface PreVoteAnswer extends Envelope {
  readonly type: 'pre-vote-answer'
  /** The term that was asked for. */
  readonly requestedTerm: Term
  readonly granted: boolean
}

/** RequestVote (Raft, figure 2). */
export interface VoteRequest extends Envelope {
  readonly type: 'vote-request'
  readonly lastIndex: Index
  readonly lastTerm: Term
  /** The leader itself asked the sender to take over: the voter need not stand by its leader (Ongaro 2014, §3.10). */
  readonly transfer: boolean
}

export interface VoteAnswer extends Envelope {
  readonly type: 'vote-answer'
  readonly granted: boolean
}

/**
 * When the receiver of an append says that it has it:
 *
 * - `when-durable`: when its log is on its disk up to there;
 * - `at-once`: with what is durable so far, for a heartbeat;
 * - `none`: it brings no entries, only word of what is committed, and there is nothing to say to that;
 * - `quiesce`: as `at-once`; and nothing more will be said until something happens, so the receiver does without.
 *
 * A refusal is always said, and at once.
 */
export type AnswerWish = 'when-durable' | 'at-once' | 'none' | 'quiesce'

/** AppendEntries (Raft, figure 2). Without entries it is a heartbeat, a probe, or word of what is committed. */
export interface AppendRequest extends Envelope {
  readonly type: 'append'
  /** The entry in front of `entries`, which the receiver must have, with this term and this hash. */
  readonly prevIndex: Index
  readonly prevTerm: Term
  readonly prevHash: ChainHash
  readonly entries: readonly Entry[]
  readonly commitIndex: Index
  /** Counts the leader's broadcasts: an answer to a round proves that the sender was still followed when it began. */
  readonly round: number
  /** When the round began, by the leader's ticks. It comes back in the answer, for leases. */
  readonly roundTick: number
  readonly answer: AnswerWish
}

/** In place of an append, when the receiver needs entries that the leader has compacted. A heartbeat as well. */
export interface SyncRequired extends Envelope {
  readonly type: 'sync-required'
  /** The first entry that the leader could still send. The receiver gets what is before it in another way. */
  readonly firstIndex: Index
  readonly commitIndex: Index
  readonly round: number
  readonly roundTick: number
}

/** The answer to `append` and `sync-required`. Of several in a row the last one says it all. */
export interface AppendAnswer extends Envelope {
  readonly type: 'append-answer'
  readonly accepted: boolean
  /** The highest `round` of this term that the sender has seen, and its `roundTick`. */
  readonly round: number
  readonly roundTick: number
  /** Up to where the sender's log is durable and known to be the leader's. 0: nothing is known yet. */
  readonly matchIndex: Index
  /** `prevIndex` of the append that is not accepted; 0 when it is. */
  readonly rejectedIndex: Index
  /**
   * When not accepted: the term of the sender's entry at `rejectedIndex`, and the first index of it in the sender's
   * log; both 0 when there is no entry there, and `lastIndex` says where the log ends (Raft, §5.3).
   */
  readonly conflictTerm: Term
  readonly conflictIndex: Index
  /** When accepted: like `matchIndex`, but durable or not. When not: the end of the sender's log. */
  readonly lastIndex: Index
}

/** TimeoutNow: the receiver has all of the log and stands for election at once (Ongaro 2014, §3.10). */
export interface TimeoutNow extends Envelope {
  readonly type: 'timeout-now'
}

export type Message =
  | PreVoteRequest
  | PreVoteAnswer
  | VoteRequest
  | VoteAnswer
  | AppendRequest
  | SyncRequired
  | AppendAnswer
  | TimeoutNow
