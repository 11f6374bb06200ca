import { decode, encode, EventHub, toHex, type BackoffOptions } from '#framework/primitives'
import type { PeerEntry } from '#framework/discovery'
import type { Link } from '#framework/network'
import type { BackoffPolicy, ConsumerEvent, ConsumerOptions, ConsumerStats } from '../consumer.js'
import type { DatumFrameForm } from '../codec/datum-frame.js'
import type { StreamDefinition } from '../definition.js'
import type { ConsumerCounters } from '../metrics.js'
import type { StreamsContext } from '../streams-context.js'
import { shapeCharsMax, type SubscribeRequest } from '../wire.js'
import { DatumReader } from './datum-reader.js'
import { Inbox, type ReceivedFrame } from './inbox.js'
import type { Gap } from './intake.js'
import type { Acknowledging } from './producer-progress.js'
import { ResumePoints } from './resume-points.js'
import type { Upstream, UpstreamOwner } from './upstream.js'

const subscriberBytes = 8
const windowBytesDefault = 1024 * 1024
const usualBackoff: Partial<BackoffOptions> = Object.freeze({})
/** How many events may wait for each reader of them. */
const eventsBacklog = 1024

/** What a reception needs of the node it is on, and of the consumer that it is of. */
export interface ReceptionOwner {
  /** Opens a link to a producer; see {@link UpstreamOwner.open}. */
  open(entry: PeerEntry, request: SubscribeRequest, signal: AbortSignal): Promise<Link>
  /** A number for a request, higher than that of all before it on this node. */
  nextAttempt(): number
  onStatus(upstream: Upstream): void
  onIdle(upstream: Upstream): void
  /** See {@link UpstreamOwner.onFailed}. */
  onFailed(cause: unknown): void
}

/**
 * What a consumer asks of all its producers, and what it receives of them: all that its subscriptions have in common. A
 * class rather than an object of functions, because a node may have thousands.
 */
export class Reception<T> implements UpstreamOwner {
  readonly context: StreamsContext
  readonly stream: StreamDefinition<unknown>
  readonly windowBytes: number
  readonly backoff: Partial<BackoffOptions> | (() => BackoffPolicy)
  readonly acknowledging: Acknowledging
  readonly resumePoints = new ResumePoints()
  readonly inbox: Inbox<T>
  readonly reader: DatumReader<T>
  readonly events = new EventHub<ConsumerEvent>({ backlog: eventsBacklog })

  readonly #owner: ReceptionOwner
  readonly #counters: ConsumerCounters
  readonly #start: SubscribeRequest['start']
  readonly #subscriber: string
  readonly #isDurable: boolean
  readonly #criteria: unknown
  #gaps = 0
  #lost = 0
  #invalid = 0

  /** @param what How errors call the consumer. */
  constructor(
    stream: StreamDefinition<T>,
    options: ConsumerOptions<T>,
    context: StreamsContext,
    what: string,
    owner: ReceptionOwner,
  ) {
    this.context = context
    this.stream = stream as StreamDefinition<unknown>
    this.windowBytes = options.windowBytes ?? windowBytesDefault
    this.backoff = options.backoff ?? usualBackoff
    this.acknowledging = options.ack ?? 'taken'
    this.inbox = new Inbox(stream)
    this.reader = new DatumReader(this.inbox, what)
    this.#owner = owner
    this.#counters = context.metrics.forConsumer(stream.id)
    this.#start = options.start ?? 'oldest'
    this.#subscriber = options.name ?? toHex(context.random.bytes(subscriberBytes))
    this.#isDurable = options.name !== undefined
    // As they are now: a producer that is met later is to be told the same.
    this.#criteria = options.criteria === undefined ? undefined : decode(encode(options.criteria))
  }

  get form(): DatumFrameForm {
    return this.#criteria === undefined ? 'all' : 'selection'
  }

  stats(): Omit<ConsumerStats, 'predicateErrors'> {
    return {
      received: this.inbox.takenCount,
      bytes: this.inbox.takenBytes,
      waiting: this.inbox.waitingCount,
      bufferedBytes: this.inbox.byteLength,
      gaps: this.#gaps,
      lost: this.#lost,
      invalid: this.#invalid,
    }
  }

  open(entry: PeerEntry, request: SubscribeRequest, signal: AbortSignal): Promise<Link> {
    return this.#owner.open(entry, request, signal)
  }

  request(resume: SubscribeRequest['resume'], initialBytes: number): SubscribeRequest {
    const { id, name, fingerprint, shape } = this.stream
    return {
      stream: id,
      name,
      fingerprint,
      ...(shape.length <= shapeCharsMax && { shape }),
      windowBytes: initialBytes,
      subscriber: this.#subscriber,
      durable: this.#isDurable,
      attempt: this.#owner.nextAttempt(),
      start: this.#start,
      ...(resume !== undefined && { resume }),
      ...(this.#criteria !== undefined && { criteria: this.#criteria }),
    }
  }

  onFrame(frame: ReceivedFrame): void {
    this.#counters.receivedItems.add(frame.reader.count)
    this.#counters.receivedBytes.add(frame.reader.payloadBytes)
    this.inbox.put(frame)
    this.reader.onArrival()
  }

  onLost(gap: Gap): void {
    this.#gaps++
    this.#lost += gap.count
    this.#counters.lostItems.add(gap.count)
    this.emit({ type: 'gap', ...gap })
  }

  onInvalid(): void {
    this.#invalid++
    this.#counters.invalidItems.add()
  }

  emit(event: ConsumerEvent): void {
    this.events.emit(event)
  }

  onStatus(upstream: Upstream): void {
    this.#owner.onStatus(upstream)
  }

  onIdle(upstream: Upstream): void {
    this.#owner.onIdle(upstream)
  }

  onFailed(cause: unknown): void {
    this.#owner.onFailed(cause)
  }

  /** Nothing more arrives; what has arrived can still be read. */
  end(cause: unknown): void {
    this.events.end(cause)
    this.#counters[Symbol.dispose]()
  }
}
