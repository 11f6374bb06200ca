import type { Catalog, PeerEntry } from '#framework/discovery'
import { CloseReasons, closeReason, type CloseReason } from '#framework/network'
import {
  EventHub,
  invariant,
  messageOf,
  TaskScope,
  toHex,
  Watch,
  type PeerId,
  type ReadonlyWatch,
} from '#framework/primitives'
import {
  isSatisfied,
  onlineWhen,
  streamConditions,
  type OnlineWhen,
  type StreamConditions,
} from './conditions.js'
import type { Consumer, ConsumerEvent, ConsumerOptions, ConsumerStats, Envelope } from './consumer.js'
import { DatumReader } from './datum-reader.js'
import type { StreamDefinition } from './definition.js'
import { Inbox } from './inbox.js'
import { LiveEligibility } from './live-eligibility.js'
import type { ConsumerCounters } from './metrics.js'
import type { StreamsContext } from './streams-context.js'
import type { SubscriptionStatus } from './subscription-status.js'
import { Upstream, type OpenSubscription, type UpstreamOwner } from './upstream.js'
import { shapeCharsMax, type Subscribe } from './wire.js'

const subscriberBytes = 8
/** How many events may wait for each reader of them. */
const eventsBacklog = 1024

/** What a consumer needs of the node it is on. */
export interface FanInOwner {
  readonly open: OpenSubscription
  /** Whether this very node produces the stream. */
  producesHere(): boolean
  /** It is over. */
  onClosed(): void
  /** A subscription has changed. */
  onSubscriptions(): void
}

/** A consumer: one subscription to each producer that qualifies, and one inbox for what all of them send. */
export class FanIn<T> implements Consumer<T> {
  readonly stream: StreamDefinition<T>
  readonly subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>

  readonly #context: StreamsContext
  readonly #owner: FanInOwner
  readonly #onlineWhen: OnlineWhen
  readonly #eligibility: LiveEligibility
  readonly #counters: ConsumerCounters
  readonly #what: string
  readonly #upstreamOwner: UpstreamOwner
  readonly #upstreams = new Map<PeerId, Upstream>()
  readonly #tasks: TaskScope
  readonly #inbox: Inbox<T>
  readonly #reader: DatumReader<T>
  readonly #statuses = new Watch<readonly SubscriptionStatus[]>([])
  readonly #online: Watch<boolean>
  readonly #events = new EventHub<ConsumerEvent>({ backlog: eventsBacklog })
  #me: PeerEntry
  #requests = 0
  #isClosing = false
  #closed: Promise<void> | undefined
  #failure: { readonly cause: unknown } | undefined
  #received = 0
  #bytes = 0
  #gaps = 0
  #lost = 0
  #invalid = 0

  constructor(
    stream: StreamDefinition<T>,
    options: ConsumerOptions,
    context: StreamsContext,
    owner: FanInOwner,
  ) {
    this.stream = stream
    this.#context = context
    this.#owner = owner
    this.#onlineWhen = onlineWhen(options.onlineWhen, 0)
    this.#what = `consumer of stream "${stream.name}"`
    this.#eligibility = new LiveEligibility({
      requirements: options,
      where: 'consumer',
      what: this.#what,
      context,
      onNews: (entry) => this.#onNews(entry),
    })
    this.#counters = context.metrics.forConsumer(stream.id)
    this.#inbox = new Inbox(stream)
    this.#reader = new DatumReader(this.#inbox, this.#what)
    this.#online = new Watch(isSatisfied(this.#onlineWhen, []))
    this.#tasks = new TaskScope({ onFailure: (cause) => this.#onFailure(cause) })
    this.#me = context.discovery.me
    this.#upstreamOwner = this.#ownerOfUpstreams(options)
    this.subscriptions = this.#statuses.asReadonly()
  }

  get online(): boolean {
    return this.#online.value
  }

  when(): StreamConditions {
    return streamConditions(this.#what, this.#online, this.#statuses)
  }

  async recv(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<T | undefined> {
    return (await this.#reader.next(options.signal))?.datum
  }

  tryRecv(): T | undefined {
    return this.#reader.tryTake()?.datum
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#reader.iterate(({ datum }) => datum)[Symbol.asyncIterator]()
  }

  batches(): AsyncIterable<readonly T[]> {
    return this.#reader.batches()
  }

  envelopes(): AsyncIterable<Envelope<T>> {
    return this.#reader.iterate((envelope) => envelope)
  }

  ack(): void {
    invariant(false, 'not yet')
  }

  events(options?: { readonly signal?: AbortSignal }): AsyncIterable<ConsumerEvent> {
    return this.#events.subscribe(options)
  }

  stats(): ConsumerStats {
    return {
      received: this.#received,
      bytes: this.#bytes,
      bufferedBytes: this.#inbox.byteLength,
      gaps: this.#gaps,
      lost: this.#lost,
      invalid: this.#invalid,
      predicateErrors: this.#eligibility.errorCount,
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Follows the catalog: subscribes to producers that qualify, and leaves those that no longer do.
   *
   * @param changed The peers about which the catalog says something else than last time.
   */
  onCatalog(catalog: Catalog, changed: Iterable<PeerId>): void {
    if (this.#isClosing) return
    this.#noteOwnEntry(catalog.me)
    let isChanged = false
    for (const peer of changed) isChanged = this.#review(peer, catalog.get(peer)) || isChanged
    if (isChanged) this.#refresh()
  }

  /** Something other than its entry has changed about a peer. */
  #onNews(entry: PeerEntry): void {
    if (!this.#isClosing && this.#review(entry.peer, entry)) this.#refresh()
  }

  /** Whether this changes anything about the producers that are followed. */
  #review(peer: PeerId, entry: PeerEntry | undefined): boolean {
    const upstream = this.#upstreams.get(peer)
    if (upstream === undefined) {
      if (entry === undefined || !this.#isOfferedBy(entry) || !this.#eligibility.judge(entry).isEligible) {
        return false
      }
      this.#follow(entry)
      return true
    }
    const reason = this.#reasonToLeave(upstream, entry)
    if (entry !== undefined && reason === undefined) {
      const isNews = upstream.onEntry(entry)
      return this.#leaveIfRetired(upstream) || isNews
    }
    this.#leaveProducer(upstream, reason ?? CloseReasons.Cancelled)
    return true
  }

  #isOfferedBy(entry: PeerEntry): boolean {
    if (entry.peer === this.#me.peer) return this.#owner.producesHere()
    return entry.produces.some(({ id }) => id === this.stream.id)
  }

  #follow(entry: PeerEntry): void {
    const upstream = new Upstream(entry, this.#upstreamOwner)
    this.#upstreams.set(entry.peer, upstream)
    this.#tasks.spawn(`subscription to ${entry.peer}`, () => upstream.run())
  }

  #reasonToLeave(upstream: Upstream, entry: PeerEntry | undefined): CloseReason | undefined {
    if (entry === undefined) return closeReason(CloseReasons.UnknownPeer, 'the peer has left the catalog')
    const judgement = this.#eligibility.judge(entry)
    if (judgement.isEligible) return undefined
    if (upstream.state === 'connected') this.#eligibility.onLeft(judgement)
    return closeReason(
      CloseReasons.NotAllowed,
      `the consumer does not accept this peer any more: ${judgement.message}`,
    )
  }

  /**
   * Leaves a producer that has withdrawn its offer. Not while there is a link, or may be one soon: a producer that retires
   * sends what it still has, and says when that is all.
   */
  #leaveIfRetired(upstream: Upstream): boolean {
    if (upstream.state !== 'closed' || this.#isOfferedBy(upstream.entry)) return false
    this.#leaveProducer(upstream, CloseReasons.Cancelled)
    return true
  }

  #leaveProducer(upstream: Upstream, reason: CloseReason): void {
    if (this.#upstreams.get(upstream.producer) === upstream) this.#upstreams.delete(upstream.producer)
    upstream.stop(reason)
  }

  #noteOwnEntry(me: PeerEntry): void {
    const isNews = me.version.update !== this.#me.version.update
    this.#me = me
    if (!isNews) return
    for (const upstream of this.#upstreams.values()) upstream.onOwnEntry()
  }

  #ownerOfUpstreams(options: ConsumerOptions): UpstreamOwner {
    const { id, name, fingerprint, shape } = this.stream
    const windowBytes = options.windowBytes ?? 1024 * 1024
    const subscriber = toHex(this.#context.random.bytes(subscriberBytes))
    return {
      context: this.#context,
      stream: this.stream,
      windowBytes,
      backoff: typeof options.backoff === 'function' ? {} : (options.backoff ?? {}),
      open: this.#owner.open,
      request: (): Subscribe => ({
        stream: id,
        name,
        fingerprint,
        ...(shape.length <= shapeCharsMax && { shape }),
        windowBytes,
        entry: this.#context.discovery.signedEntry(),
        subscriber,
        attempt: ++this.#requests,
      }),
      onFrame: (source, reader, { lostBefore, receivedAtMs }) => {
        this.#counters.receivedItems.add(reader.count)
        this.#counters.receivedBytes.add(reader.payloadBytes)
        this.#inbox.put({ source, reader, lostBefore, receivedAtMs })
        this.#reader.onArrival()
      },
      onLost: (gap) => {
        this.#gaps++
        this.#lost += gap.count
        this.#counters.lostItems.add(gap.count)
        this.#events.emit({ type: 'gap', ...gap })
      },
      onTaken: (byteLength) => {
        this.#received++
        this.#bytes += byteLength
        this.#reader.onTaken(byteLength)
      },
      onInvalid: () => {
        this.#invalid++
        this.#counters.invalidItems.add()
      },
      emit: (event) => this.#events.emit(event),
      onStatus: (upstream) => {
        this.#refresh()
        if (this.#leaveIfRetired(upstream)) this.#refresh()
      },
    }
  }

  /** Shows what has changed: who is subscribed to, and whether that is enough. */
  #refresh(): void {
    const statuses = [...this.#upstreams.values()].map((upstream) => upstream.status())
    this.#statuses.set(statuses)
    if (!this.#isClosing) {
      this.#eligibility.follow([...this.#upstreams.values()].map(({ entry }) => entry))
      this.#online.set(isSatisfied(this.#onlineWhen, statuses))
    }
    this.#owner.onSubscriptions()
  }

  async #leave(): Promise<void> {
    this.#isClosing = true
    this.#eligibility[Symbol.dispose]()
    this.#online.set(false)
    for (const upstream of this.#upstreams.values()) upstream.stop(CloseReasons.Cancelled)
    const cause = this.#failure?.cause
    this.#reader.end(cause)
    await this.#tasks.close()
    this.#upstreams.clear()
    this.#refresh()
    this.#statuses.end(cause)
    this.#online.end(cause)
    this.#events.end(cause)
    this.#counters[Symbol.dispose]()
    this.#owner.onClosed()
  }

  /** A mistake of ours in a subscription: the consumer ends with it, rather than limp on with some of its producers. */
  #onFailure(cause: unknown): void {
    this.#failure = { cause }
    this.#context.logger.error(`${this.#what} failed`, { cause: messageOf(cause) })
    void this.close()
  }
}
