import type { PeerInfo, Preference, TicketValidator } from '#framework/discovery'
import type { CloseReason } from '#framework/network'
import type { BackoffOptions, Lagged, PeerId, ReadonlyWatch } from '#framework/primitives'
import type { OnlineWhen, StreamConditions } from './conditions.js'
import type { Criteria } from './criteria/criteria.js'
import type { StreamDefinition } from './definition.js'
import type { SubscriptionStatus } from './subscription-status.js'

/** How long to wait between attempts to reach one producer. One object for each producer. */
export interface BackoffPolicy {
  /** How long before the next attempt, in milliseconds; undefined to make none until something is known to have changed. */
  next(): number | undefined
  /** There was a subscription that worked. */
  reset(): void
}

/** How a stream is consumed. */
export interface ConsumerOptions<T = unknown> {
  /**
   * How many bytes each producer may send ahead of the application, one datum more at most. Default 1 MiB. What a
   * consumer buffers is bounded by this times the number of producers, however often it loses them. With a producer that
   * has `ack`, what the application has taken and not acknowledged counts too.
   */
  readonly windowBytes?: number
  /**
   * Which producers are subscribed to: those for which all of these hold, judged by what is known of them now, whenever
   * that changes. A producer that no longer qualifies is left. Must be quick and must not wait; when one throws the
   * answer is no.
   */
  readonly require?: ((peer: PeerInfo) => boolean) | readonly ((peer: PeerInfo) => boolean)[]
  /** Producers must show a ticket that each of these accepts, and are left when it expires. */
  readonly requireTicket?: TicketValidator | readonly TicketValidator[]
  /** Producers that are known to be further away, as round trip in milliseconds, are left. Default: no limit. */
  readonly maxRttMs?: number
  /** Only the best of the producers that qualify: `nearest(2)`. When one is lost, the next best takes its place. Default: all. */
  readonly prefer?: Preference
  /** Whether a producer on this very node counts. Default: true. */
  readonly local?: boolean
  /**
   * Which datums to send; judged by the producer. Default: all. What went by while there was no subscription nobody has
   * judged: it counts as lost, whether it would have met them or not.
   */
  readonly criteria?: Criteria<T>
  /**
   * Where to begin with a producer that keeps a replay and that this consumer does not know yet: with the oldest datum
   * that it keeps (default), or with the next one it sends. Who comes back goes on where it was, if that is still kept.
   */
  readonly start?: 'oldest' | 'newest'
  /**
   * When a datum counts as acknowledged, for producers with `ack`: when the application asks for the one after it, or says
   * that it is done with all that it has taken (`taken`, the default), or when {@link Consumer.ack} is called with its envelope (`manual`).
   */
  readonly ack?: 'taken' | 'manual'
  /**
   * A name for this consumer on its node, under which producers with `ack` know it when its process has been started
   * again with the same identity. Default: a random one, so that a new process is a new consumer.
   */
  readonly name?: string
  /** When the consumer counts as online: with so many producers subscribed to. Default 0, which is always. */
  readonly onlineWhen?: number | OnlineWhen
  /**
   * How long to wait between attempts to reach one producer. Default: 0.5 s growing by half to 60 s, ±50 %. A function
   * makes the policy for each producer.
   */
  readonly backoff?: Partial<BackoffOptions> | (() => BackoffPolicy)
}

/** A datum and where it comes from. */
export interface Envelope<T> {
  readonly datum: T
  readonly producer: PeerId
  /** Which life of the producer it is: sequence numbers of different epochs have nothing to do with each other. */
  readonly epoch: string
  /** Counts the datums of a producer's life from 0, those included that this consumer missed or did not want. */
  readonly sequence: number
  /** How many datums of the same life were lost on the way just before this one. */
  readonly lostBefore: number
  /** When it arrived at this node, in Unix milliseconds. */
  readonly receivedAtMs: number
}

/** Something that happened to a consumer and its producers. Numbers of datums are exact. */
export type ConsumerEvent =
  /** Datums were lost: `count` of them, between the last one that arrived and `sequence`. Told when that becomes known. */
  | {
      readonly type: 'gap'
      readonly producer: PeerId
      readonly epoch: string
      readonly sequence: number
      readonly count: number
    }
  /** A subscription began. `resumed`: where the last one had ended; otherwise what came between is in a `gap`. */
  | {
      readonly type: 'subscribed'
      readonly producer: PeerId
      readonly epoch: string
      readonly sequence: number
      readonly resumed: boolean
    }
  /** The producer has begun a new life; what it sent in the one before and did not arrive is not known. */
  | { readonly type: 'epoch'; readonly producer: PeerId; readonly epoch: string; readonly before: string }
  /** A subscription ended. */
  | { readonly type: 'unsubscribed'; readonly producer: PeerId; readonly reason: CloseReason }
  /** Another producer was chosen in the place of one; undefined when there was no other. */
  | {
      readonly type: 'failover'
      readonly from: PeerId
      readonly to: PeerId | undefined
      readonly cause: 'lost' | 'better'
    }
  /** What this reader of events has missed is in `stats()` nevertheless. */
  | Lagged

/** What a consumer has received so far. */
export interface ConsumerStats {
  /** Datums that the application has taken, each counted once. What was sent to it is this, `waiting`, `lost` and `invalid`. */
  readonly received: number
  /** The same in encoded bytes, without framing. */
  readonly bytes: number
  /** Datums that have arrived and wait to be taken. */
  readonly waiting: number
  /** Received frames that wait to be taken, in bytes. */
  readonly bufferedBytes: number
  /** How many times datums were missing. */
  readonly gaps: number
  /** How many datums were missing. */
  readonly lost: number
  /** Datums that could not be decoded or do not satisfy the schema. Each one ended the subscription it came from. */
  readonly invalid: number
  /** Times that `require` or a validator of `requireTicket` threw, or answered with something it must not. */
  readonly predicateErrors: number
}

/**
 * The receiving end of a stream on one node: one subscription to each producer that qualifies, kept up by itself.
 * Datums of one producer arrive in the order in which they were sent; there is no order across producers. Nothing is
 * received twice; what is missed is counted.
 *
 * ```ts
 * for await (const price of consumer) …
 * ```
 *
 * Leaving such a loop does not close the consumer: what was not taken is taken by the next loop.
 *
 * Byte strings of datums that were handed out may share up to 16 KiB of memory with each other, never with what others
 * receive: whoever keeps a few for long, or transfers one to another thread, takes a copy (`slice()`) first. Texts of more
 * than 12 characters may share up to 1 KiB.
 */
export interface Consumer<T> extends AsyncDisposable, AsyncIterable<T> {
  readonly stream: StreamDefinition<T>

  /**
   * Takes the next datum, waiting for one if need be; undefined when the consumer was closed and everything it had
   * received is taken. Several calls may wait; they are served in order.
   *
   * @throws The signal's reason: then no datum was taken.
   * @throws MosaikError `CONSUMER_BUSY` when 1024 calls wait already.
   */
  recv(options?: { readonly signal?: AbortSignal | undefined }): Promise<T | undefined>
  /** The next datum if one is here, otherwise undefined. */
  tryRecv(): T | undefined
  /** Everything that is here at a time, at least one datum and at most 1024: the quickest way to take many. */
  batches(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<readonly T[]>
  /** Each datum with its producer, sequence number and losses. */
  envelopes(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<Envelope<T>>
  /**
   * Acknowledges a datum, under `ack: 'manual'`; in any order. What was acknowledged already, or is of an earlier life, is nothing.
   * Without an envelope, under `ack: 'taken'`: everything that was taken, as asking for more does. For who stops.
   */
  ack(envelope?: Pick<Envelope<T>, 'producer' | 'epoch' | 'sequence'>): void
  /** What happens from this call on. Leaving the loop unsubscribes; a slow reader loses the oldest and is told. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterable<ConsumerEvent>

  /** Whether `onlineWhen` holds at this moment. Never after the end. */
  readonly online: boolean
  /** One for each producer that qualifies, connected or not; under `prefer`, for each that was chosen since it qualifies. */
  readonly subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>
  /** Conditions to await. They reject with `ENDED` when the consumer closes first. */
  when(): StreamConditions
  stats(): ConsumerStats

  /**
   * Leaves all producers. What was received can still be taken, then `recv` says it is over. Acknowledges nothing: not
   * even the datum that was taken last. Idempotent.
   */
  close(): Promise<void>
}
