import type { PeerInfo, TicketValidator } from '#framework/discovery'
import type { ReadonlyWatch } from '#framework/primitives'
import type { OnlineWhen, StreamConditions } from './conditions.js'
import type { StreamDefinition } from './definition.js'
import type { SubscriptionStatus } from './subscription-status.js'

/**
 * What happens when a consumer does not keep up and its queue is full:
 *
 * - `block` (default): `send` waits for room, so that the slowest consumer sets the pace and nothing is lost;
 * - `drop-oldest`, `drop-newest`: this consumer misses datums, and is told how many;
 * - `disconnect`: this consumer is closed with TooSlow, and may come back.
 */
export type OverflowPolicy = 'block' | 'drop-oldest' | 'drop-newest' | 'disconnect'

/** What a producer keeps for consumers that come late or come back: its newest datums, by number or by age. */
export interface ReplayOptions {
  /** How many datums. */
  readonly last?: number
  /** For how long, in milliseconds. With `last`, whichever limit is reached first. */
  readonly for?: number
  /** How many bytes at most, in any case. Default 16 MiB. */
  readonly bytes?: number
}

/** What a producer may send in all, to all of its consumers together. What is over it waits in their queues. */
export interface EgressOptions {
  /** Encoded bytes of datums, without framing. */
  readonly bytesPerSecond?: number
  readonly datumsPerSecond?: number
}

/** At least once: what a consumer has not acknowledged is kept for it, and sent again when it comes back. */
export interface AckOptions {
  /** How long the place of a consumer that was lost is kept, in milliseconds. Default 60 000. */
  readonly holdMs?: number
}

/** Why no consumer was sent a datum: none was subscribed, or the criteria of none accepted it. */
export type UndeliveredCause = 'no-consumer' | 'unmatched'

/** How a stream is produced. */
export interface ProducerOptions<T = unknown> {
  /** Default: `block`. */
  readonly overflow?: OverflowPolicy
  /** How many datums may wait for each consumer. Default 1024. */
  readonly queue?: number
  /** How many bytes may wait for each consumer. Default 4 MiB. A datum longer than that passes when it is alone. */
  readonly queueBytes?: number
  /**
   * Under `block`, how long a consumer may make others wait without taking anything, in milliseconds; then it is closed
   * with TooSlow, and may come back. Default 30 000; Infinity is for ever.
   */
  readonly stallTimeoutMs?: number
  /** More consumers are refused with NoCapacity, and try again later. Default: no limit. */
  readonly maxConsumers?: number
  /** When the producer counts as online: with so many consumers subscribed. Default 1. */
  readonly onlineWhen?: number | OnlineWhen
  /**
   * Which consumers are served: those for which all of these hold, judged by what is known of them now, whenever that
   * changes. A consumer that no longer qualifies is closed with NotAllowed. Must be quick and must not wait; when one
   * throws the answer is no.
   */
  readonly require?: ((peer: PeerInfo) => boolean) | readonly ((peer: PeerInfo) => boolean)[]
  /** Consumers must show a ticket that each of these accepts, and are closed with NotAllowed when it expires. */
  readonly requireTicket?: TicketValidator | readonly TicketValidator[]
  /** Consumers that are known to be further away, as round trip in milliseconds, are not served. Default: no limit. */
  readonly maxRttMs?: number
  /** Default: no limit. */
  readonly egress?: EgressOptions
  /** What is kept for consumers that come late or come back. Default: nothing. */
  readonly replay?: ReplayOptions
  /** Whether datums are kept until they are acknowledged. What is kept counts towards `queue`. Default: false. */
  readonly ack?: boolean | AckOptions
  /** Is handed the datums that no consumer was sent. Must be quick; what it throws is logged. */
  readonly undelivered?: (datum: T, cause: UndeliveredCause) => void
}

/** What a producer has done so far. */
export interface ProducerStats {
  /** Datums that were accepted, whoever received them. */
  readonly accepted: number
  /** Datums written to links, counted once for each consumer. */
  readonly sent: number
  /** The same in encoded bytes, without framing. */
  readonly sentBytes: number
  /** Datums given up for one consumer: its queue was full, it went while they waited, or it came back for what is not kept. */
  readonly dropped: number
  /** Accepted datums that no consumer was sent, and none is kept for: none was subscribed, or none wanted it. */
  readonly undelivered: number
  /** Datums that were refused because they do not satisfy the schema. */
  readonly invalid: number
  /** Consumers that were refused. */
  readonly refused: number
  /** Times that `require` or a validator of `requireTicket` threw, or answered with something it must not. */
  readonly predicateErrors: number
  /** Sends that wait now, for consumers or for room. */
  readonly waiting: number
  /** What waits for the consumer with the fullest queue now. */
  readonly queued: { readonly datums: number; readonly bytes: number }
  /** Consumers that were lost and for which what they have not acknowledged is kept now. It is in `queued`. */
  readonly held: number
}

/** The sending end of a stream on one node. Close it to retire the stream; a node closes what is still open. */
export interface Producer<T> extends AsyncDisposable {
  readonly stream: StreamDefinition<T>

  /**
   * Sends a datum to every subscribed consumer. Waits until the producer is online, and under `block` until every
   * consumer has room. Sends are accepted in the order in which they were made. Accepted means queued, not received;
   * see {@link drain}.
   *
   * @param options.signal Withdraws the datum while it waits.
   * @throws ProducerError which hands the datum back, `PRODUCER_FULL` when 1024 sends wait already, or 64 MiB of them.
   * @throws The signal's reason; the datum was not sent.
   */
  send(datum: T, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>

  /**
   * Sends one datum after the other, as {@link send} does, and waits only where that would: the quickest way to send
   * many. Rejects at the first that is not accepted. Those before it were; those behind it are not looked at.
   *
   * @throws What {@link send} throws.
   */
  sendMany(datums: Iterable<T>, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>

  /**
   * Sends a datum if that needs no waiting.
   *
   * @throws ProducerError which hands the datum back.
   */
  trySend(datum: T): void

  /** Whether `onlineWhen` holds at this moment. Never after the end. */
  readonly online: boolean
  /** One for each subscribed consumer. */
  readonly subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>
  /** Conditions to await. They reject with `ENDED` when the producer closes first. */
  when(): StreamConditions
  stats(): ProducerStats

  /**
   * Resolves when everything accepted so far was taken by the applications of all consumers that are still subscribed.
   * What a consumer misses because it goes is counted in `stats().dropped`.
   *
   * @throws The signal's reason. There is no other limit: a consumer may take its time.
   * @throws MosaikError `PRODUCER_CLOSED`.
   */
  drain(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>

  /**
   * Ends this handle: nothing more can be sent through it. With the last handle of a node's producer, closing retires
   * the stream: it is no longer announced, sends that wait are rejected with `PRODUCER_CLOSED`, what is queued
   * is written for up to two seconds, and consumers see the end of this producer's stream (GracefulShutdown, 204).
   * Idempotent.
   */
  close(): Promise<void>
}
