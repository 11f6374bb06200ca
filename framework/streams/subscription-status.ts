import type { PeerEntry } from '#framework/discovery'
import type { CloseReason } from '#framework/network'
import type { PeerId, StreamId } from '#framework/primitives'

/**
 * - `connecting`: a link is being opened;
 * - `connected`: datums flow;
 * - `closed`: there is no link. `lastClose` says why, `retryAtMs` when the next attempt is due. Only a consumer keeps
 *   subscriptions in this state, one for each producer that it could subscribe to.
 */
export type SubscriptionState = 'connecting' | 'connected' | 'closed'

/**
 * One pairing of a producer and a consumer, as seen from one of its ends. The counters are live; everything else is as
 * of the change that the watch told about.
 */
export interface SubscriptionStatus {
  readonly stream: StreamId
  /** The stream's name as this node defines it. */
  readonly name: string
  /** Which end this node is. */
  readonly role: 'producer' | 'consumer'
  readonly producer: PeerId
  readonly consumer: PeerId
  readonly state: SubscriptionState
  /** What the catalog holds about the other end now, not when the subscription began; undefined when nothing. */
  readonly peer: PeerEntry | undefined
  /** Unix milliseconds; undefined unless `connected`. */
  readonly connectedAtMs?: number | undefined
  /** Why the link before this one ended, or could not be opened. */
  readonly lastClose?: CloseReason | undefined
  /** When the next attempt is due, in Unix milliseconds. Only when `closed`. */
  readonly retryAtMs?: number | undefined
  /**
   * Which attempt this is: a later one has nothing to do with what is left of an earlier one. At the consumer counted from 1 for
   * this producer; at the producer what the consumer's node counts, over all that it subscribes to.
   */
  readonly attempt: number
  /**
   * At the producer, datums written to this link. At the consumer, datums received from this producer, over all links since it
   * qualifies: after a reconnection this is more.
   */
  readonly datums: number
  /** The same in encoded bytes, without framing. */
  readonly bytes: number
  /** Datums that the consumer will never get: given up by the producer, or known to be missing by the consumer. */
  readonly dropped: number
}
