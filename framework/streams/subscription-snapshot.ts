import type { PeerEntry } from '#framework/discovery'
import type { CloseReason } from '#framework/network'
import type { PeerId, StreamId } from '#framework/primitives'
import type { SubscriptionState, SubscriptionStatus } from './subscription-status.js'

/** What the counters of a status are read from, for as long as somebody has it. */
export interface StatusCounters {
  readonly counts: { readonly datums: number; readonly bytes: number; readonly dropped: number }
}

/** A status as of now. One is kept for each end of a subscription: its getters are those of the class. */
export class SubscriptionSnapshot implements SubscriptionStatus {
  readonly stream: StreamId
  readonly name: string
  readonly role: 'producer' | 'consumer'
  readonly producer: PeerId
  readonly consumer: PeerId
  readonly state: SubscriptionState
  readonly peer: PeerEntry | undefined
  readonly connectedAtMs: number | undefined
  readonly lastClose: CloseReason | undefined
  readonly retryAtMs: number | undefined
  readonly attempt: number
  readonly #counters: StatusCounters

  constructor(status: Omit<SubscriptionStatus, 'datums' | 'bytes' | 'dropped'>, counters: StatusCounters) {
    this.stream = status.stream
    this.name = status.name
    this.role = status.role
    this.producer = status.producer
    this.consumer = status.consumer
    this.state = status.state
    this.peer = status.peer
    this.connectedAtMs = status.connectedAtMs
    this.lastClose = status.lastClose
    this.retryAtMs = status.retryAtMs
    this.attempt = status.attempt
    this.#counters = counters
  }

  get datums(): number {
    return this.#counters.counts.datums
  }

  get bytes(): number {
    return this.#counters.counts.bytes
  }

  get dropped(): number {
    return this.#counters.counts.dropped
  }

  /** The counters are no members of their own, and would otherwise be missing. */
  toJSON(): object {
    return Object.assign({}, this, this.#counters.counts)
  }
}
