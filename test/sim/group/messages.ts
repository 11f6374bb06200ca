import type { Message } from '../../../framework/groups/raft/messages.js'
import type { ReadIndex } from '../../../framework/groups/raft/read-confirmation.js'
import type { ClusterId, Index, MemberId, Term } from '../../../framework/groups/raft/types.js'
import type { Digest } from '#framework/primitives'
import type { RegisterInput, RegisterOutput } from '../clients/register.js'
import type { Snapshot } from './journal.js'

/** What a client asks of a member. */
export interface ClientRequest {
  readonly kind: 'request'
  readonly client: number
  /** Counts the operations of the client, from 1: the same for every attempt. */
  readonly sequence: number
  readonly attempt: number
  readonly input: RegisterInput
  /** For reads. */
  readonly consistency: 'strong' | 'lease'
  /** The highest index of a write that any client knew to be done when this operation began. */
  readonly knownIndex: Index
}

export interface ClientAnswer {
  readonly kind: 'answer'
  readonly sequence: number
  readonly attempt: number
  /** `refused`: nothing was done in this attempt, or nobody here knows whether. */
  readonly outcome:
    | { readonly type: 'done'; readonly output: RegisterOutput; readonly index: Index }
    | { readonly type: 'refused'; readonly leaderHost: number | undefined }
}

/** Asks a member for its state machine, because the leader has compacted what the sender needs. */
export interface SnapshotRequest {
  readonly kind: 'snapshot-request'
  readonly aboveIndex: Index
}

export interface SnapshotAnswer {
  readonly kind: 'snapshot-answer'
  readonly snapshot: Snapshot
}

interface QuestionHead {
  /** The attempt of the client that it is asked for. */
  readonly key: string
  readonly asker: MemberId
  /** Whose answer would count: nobody else gives one. */
  readonly to: MemberId
  readonly clusterId: ClusterId
}

interface AnswerHead {
  readonly key: string
  readonly from: MemberId
  readonly clusterId: ClusterId
}

/** What a member asks that does not lead and has a strong read confirmed. */
export type ReadQuestion =
  | (QuestionHead & { readonly kind: 'read-index-question'; readonly voters: Digest })
  | (QuestionHead & { readonly kind: 'term-question' })

/** Undefined for refusals. */
export type ReadAnswer =
  | (AnswerHead & { readonly kind: 'read-index-answer'; readonly readIndex: ReadIndex | undefined })
  | (AnswerHead & { readonly kind: 'term-answer'; readonly term: Term | undefined })

/** The sender is there. Only in groups that may be quiescent, which have no other sign of it. */
export interface Ping {
  readonly kind: 'ping'
}

/** Everything that the simulated network carries. */
export type SimMessage =
  | { readonly kind: 'raft'; readonly message: Message }
  | Ping
  | ReadQuestion
  | ReadAnswer
  | SnapshotRequest
  | SnapshotAnswer
  | ClientRequest
  | ClientAnswer
