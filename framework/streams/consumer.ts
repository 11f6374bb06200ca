import type { PeerEntry } from '#framework/discovery'
import type { BackoffOptions, PeerId, ReadonlyWatch } from '#framework/primitives'
import type { OnlineWhen, StreamConditions } from './conditions.js'
import type { StreamDefinition } from './definition.js'
import type { SubscriptionStatus } from './subscription-status.js'

/** How a stream is consumed. */
export interface ConsumerOptions {
  /**
   * How many bytes each producer may send ahead of the application, one datum more at most. Default 1 MiB. What a
   * consumer buffers is bounded by this times the number of producers.
   */
  readonly windowBytes?: number
  /**
   * Which producers are subscribed to, judged by their current entry whenever the catalog changes. A producer that no
   * longer qualifies is left. Must be quick and must not wait; when it throws the answer is no.
   */
  readonly require?: (peer: PeerEntry) => boolean
  /** When the consumer counts as online: with so many producers subscribed to. Default 0, which is always. */
  readonly onlineWhen?: number | OnlineWhen
  /** How long to wait between attempts to reach one producer. Default: 0.5 s growing by half to 60 s, ±50 %. */
  readonly backoff?: Partial<BackoffOptions>
}

/** A datum and where it comes from. */
export interface Envelope<T> {
  readonly datum: T
  readonly producer: PeerId
  /** Which life of the producer it is: sequence numbers of different epochs have nothing to do with each other. */
  readonly epoch: string
  /** Counts the datums of a producer's life from 0, those included that this consumer missed. */
  readonly sequence: number
  /** How many datums of the same life were lost on the way just before this one. */
  readonly lostBefore: number
  /** When it arrived at this node, in Unix milliseconds. */
  readonly receivedAtMs: number
}

/** What a consumer has received so far. */
export interface ConsumerStats {
  /** Datums that the application has taken. */
  readonly received: number
  /** The same in encoded bytes, without framing. */
  readonly bytes: number
  /** Received frames that wait to be taken, in bytes. */
  readonly bufferedBytes: number
  /** How many times datums were missing. */
  readonly gaps: number
  /** How many datums were missing. */
  readonly lost: number
  /** Datums that could not be decoded or do not satisfy the schema. Each one ended the subscription it came from. */
  readonly invalid: number
  /** Times that `require` threw or answered with something other than a boolean. */
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
  batches(): AsyncIterable<readonly T[]>
  /** Each datum with its producer, sequence number and losses. */
  envelopes(): AsyncIterable<Envelope<T>>

  /** Whether `onlineWhen` holds at this moment. Never after the end. */
  readonly online: boolean
  /** One for each producer that qualifies, connected or not. */
  readonly subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>
  /** Conditions to await. They reject with `ENDED` when the consumer closes first. */
  when(): StreamConditions
  stats(): ConsumerStats

  /** Leaves all producers. What was received can still be taken, then `recv` says it is over. Idempotent. */
  close(): Promise<void>
}
