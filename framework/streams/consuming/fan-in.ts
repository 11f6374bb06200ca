import type { Catalog, PeerEntry } from '#framework/discovery'
import { CloseReasons, closeReason, type CloseReason, type Link } from '#framework/network'
import {
  ComposedWatch,
  messageOf,
  Watch,
  type PeerId,
  type ReadonlyWatch,
  type StreamId,
} from '#framework/primitives'
import {
  isSatisfied,
  onlineWhen,
  streamConditions,
  type OnlineWhen,
  type StreamConditions,
} from '../conditions.js'
import type { Consumer, ConsumerEvent, ConsumerOptions, ConsumerStats, Envelope } from '../consumer.js'
import type { ReadOptions } from './datum-reader.js'
import type { StreamDefinition } from '../definition.js'
import { liveEligibility, type LiveEligibility } from '../eligibility/live-eligibility.js'
import { isProducerOf } from './offers.js'
import { PreferredProducers } from './preferred-producers.js'
import type { ProducerState } from './producer-places.js'
import { Reception, type ReceptionOwner } from './reception.js'
import type { StreamsContext } from '../streams-context.js'
import type { SubscriptionStatus } from '../subscription-status.js'
import { Upstream } from './upstream.js'
import type { SubscribeRequest } from '../wire.js'

/** What consumers need of the node they are on. */
export interface FanInOwner {
  /**
   * Opens a link to a producer: over the network, or within this node.
   *
   * @param isNearOnly Whether the consumer wants to know how far away the producer is, and to leave it if it is too far.
   */
  open(entry: PeerEntry, request: SubscribeRequest, signal: AbortSignal, isNearOnly: boolean): Promise<Link>
  /** Whether this very node produces the stream. */
  producesHere(stream: StreamId): boolean
  /** A number for a request, higher than that of all before it on this node. */
  nextAttempt(): number
  /** The consumer is over. */
  onClosed(consumer: FanIn<unknown>): void
  /** A subscription has changed. */
  onSubscriptions(): void
}

/** A consumer: one subscription to each producer that qualifies, and one inbox for what all of them send. */
export class FanIn<T> implements Consumer<T>, ReceptionOwner {
  readonly stream: StreamDefinition<T>
  readonly subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>

  readonly #context: StreamsContext
  readonly #owner: FanInOwner
  readonly #options: ConsumerOptions<T>
  readonly #onlineWhen: OnlineWhen
  readonly #eligibility: LiveEligibility
  readonly #what: string
  readonly #reception: Reception<T>
  readonly #upstreams = new Map<PeerId, Upstream>()
  /** Ends of subscriptions that are under way; undefined while no producer was left. */
  #leaving: Set<Promise<void>> | undefined
  readonly #statuses = new ComposedWatch<readonly SubscriptionStatus[]>(
    () => Array.from(this.#upstreams.values(), (upstream) => upstream.status()),
    'at-once',
  )
  readonly #online: Watch<boolean>
  #preferred: PreferredProducers | undefined
  #me: PeerEntry
  #isClosing = false
  #closed: Promise<void> | undefined
  #failure: { readonly cause: unknown } | undefined

  constructor(
    stream: StreamDefinition<T>,
    options: ConsumerOptions<T>,
    context: StreamsContext,
    owner: FanInOwner,
  ) {
    this.stream = stream
    this.#context = context
    this.#owner = owner
    this.#options = options
    this.#onlineWhen = onlineWhen(options.onlineWhen, 0)
    this.#what = `consumer of stream "${stream.name}"`
    this.#eligibility = liveEligibility({
      requirements: options,
      where: 'consumer',
      what: this.#what,
      context,
      onNews: (entry) => this.#onNews(entry),
    })
    this.#online = new Watch(isSatisfied(this.#onlineWhen, []))
    this.#me = context.discovery.me
    this.#reception = new Reception(stream, options, context, this.#what, this)
    this.subscriptions = this.#statuses
  }

  get online(): boolean {
    return this.#online.value
  }

  /** Whether producers know it by that name, and will. */
  isNamed(name: string): boolean {
    return !this.#isClosing && this.#options.name === name
  }

  when(): StreamConditions {
    return streamConditions(this.#what, this.#online, this.#statuses)
  }

  recv(options?: ReadOptions): Promise<T | undefined> {
    return this.#reception.reader.next(options)
  }

  tryRecv(): T | undefined {
    return this.#reception.reader.tryTake()
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#reception.reader.datums()
  }

  batches(options?: ReadOptions): AsyncIterable<readonly T[]> {
    return this.#reception.reader.batches(options)
  }

  envelopes(options?: ReadOptions): AsyncIterable<Envelope<T>> {
    return this.#reception.reader.envelopes(options)
  }

  ack(envelope?: Pick<Envelope<T>, 'producer' | 'epoch' | 'sequence'>): void {
    if (envelope === undefined) return this.#reception.inbox.settle()
    const { producer, epoch, sequence } = envelope
    const progress = this.#reception.resumePoints.get(producer)
    if (this.#options.ack === 'manual' && progress?.epoch === epoch) progress.acknowledge(sequence)
  }

  events(options?: { readonly signal?: AbortSignal }): AsyncIterable<ConsumerEvent> {
    return this.#reception.events.subscribe(options)
  }

  stats(): ConsumerStats {
    return { ...this.#reception.stats(), predicateErrors: this.#eligibility.errorCount }
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Begins to subscribe.
   *
   * @param peers All of whom there is an entry in the catalog, this node included.
   * @throws MosaikError `RANKINGS_TOO_MANY`, with a preference only.
   */
  start(catalog: Catalog, peers: Iterable<PeerId>): void {
    const { prefer } = this.#options
    if (prefer === undefined) return this.onCatalog(catalog, peers)
    this.#preferred = new PreferredProducers({
      discovery: this.#context.discovery,
      preference: prefer,
      candidates: (entry) => this.#isCandidate(entry) && !this.#upstreams.get(entry.peer)?.isWaiting,
      active: () => this.#activeProducers(),
      subscribe: (producer) => this.#subscribe(producer),
      leave: (producer) => this.#leaveForBetter(producer),
      onFailover: (failover) => this.#reception.emit({ type: 'failover', ...failover }),
    })
    this.#preferred.settle()
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
    if (!isChanged) return
    this.#refresh()
    this.#preferred?.rechoose()
  }

  /** From the reception, as are the next four. */
  open(entry: PeerEntry, request: SubscribeRequest, signal: AbortSignal): Promise<Link> {
    const { maxRttMs = Infinity } = this.#options
    return this.#owner.open(entry, request, signal, maxRttMs < Infinity)
  }

  nextAttempt(): number {
    return this.#owner.nextAttempt()
  }

  onStatus(upstream: Upstream): void {
    this.#refresh()
    if (this.#leaveIfRetired(upstream)) this.#refresh()
    this.#replaceIfClosed(upstream)
  }

  onIdle(upstream: Upstream): void {
    if (this.#preferred === undefined) upstream.start()
    else this.#preferred.rechoose()
  }

  /** A mistake of ours in a subscription: the consumer ends with it, rather than limp on with some of its producers. */
  onFailed(cause: unknown): void {
    this.#failure ??= { cause }
    this.#context.logger.error(`${this.#what} failed`, { cause: messageOf(cause) })
    void this.close()
  }

  /** Something other than its entry has changed about a peer. */
  #onNews(entry: PeerEntry): void {
    if (this.#isClosing || !this.#review(entry.peer, entry)) return
    this.#refresh()
    this.#preferred?.rechoose()
  }

  /** Whether this changes anything about the producers that are followed. */
  #review(peer: PeerId, entry: PeerEntry | undefined): boolean {
    const upstream = this.#upstreams.get(peer)
    if (upstream === undefined) {
      if (entry === undefined || !this.#isCandidate(entry)) return false
      if (this.#preferred !== undefined) return this.#preferred.hasFreePlace
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

  #isCandidate(entry: PeerEntry): boolean {
    return this.#isOfferedBy(entry) && this.#eligibility.judge(entry).isEligible
  }

  #isOfferedBy(entry: PeerEntry): boolean {
    const { local = true } = this.#options
    if (entry.peer === this.#me.peer) return local && this.#owner.producesHere(this.stream.id)
    return isProducerOf(entry, this.stream.id)
  }

  #follow(entry: PeerEntry): void {
    const upstream = new Upstream(entry, this.#reception)
    this.#upstreams.set(entry.peer, upstream)
    upstream.begin()
  }

  /** Those with which there is, or may soon be, a subscription that is not about to end. */
  #activeProducers(): Map<PeerId, ProducerState> {
    const active = new Map<PeerId, ProducerState>()
    for (const { producer, producerState, entry } of this.#upstreams.values()) {
      if (producerState !== 'idle' && this.#isOfferedBy(entry)) active.set(producer, producerState)
    }
    return active
  }

  #subscribe(producer: PeerId): void {
    const upstream = this.#upstreams.get(producer)
    const entry = this.#context.discovery.catalog.value.get(producer)
    if (upstream !== undefined) upstream.start()
    else if (entry !== undefined) this.#follow(entry)
  }

  #leaveForBetter(producer: PeerId): void {
    const upstream = this.#upstreams.get(producer)
    if (upstream === undefined) return
    this.#leaveProducer(upstream, closeReason(CloseReasons.Cancelled, 'another producer is preferred'))
    this.#refresh()
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
    const left = upstream.stop(reason)
    const leaving = (this.#leaving ??= new Set())
    leaving.add(left)
    void left.then(() => leaving.delete(left))
  }

  #noteOwnEntry(me: PeerEntry): void {
    const isNews = me.version.update !== this.#me.version.update
    this.#me = me
    if (!isNews) return
    for (const upstream of this.#upstreams.values()) upstream.onOwnEntry()
  }

  /** Who cannot be had at the moment is replaced at once, and who can may now be left for. */
  #replaceIfClosed({ state }: Upstream): void {
    if (this.#isClosing) return
    if (state === 'closed') this.#preferred?.rechoose()
    else this.#preferred?.settle()
  }

  /** Shows what has changed: who is subscribed to, and whether that is enough. */
  #refresh(): void {
    this.#statuses.invalidate()
    if (!this.#isClosing) {
      this.#eligibility.follow(this.#upstreams.values())
      // A consumer that is online whoever is there need not look who is.
      if (this.#onlineWhen.min !== 0) this.#online.set(isSatisfied(this.#onlineWhen, this.#statuses.value))
    }
    this.#owner.onSubscriptions()
  }

  async #leave(): Promise<void> {
    this.#isClosing = true
    this.#preferred?.[Symbol.dispose]()
    this.#eligibility[Symbol.dispose]()
    this.#online.set(false)
    const lefts = Array.from(this.#upstreams.values(), (upstream) => upstream.stop(CloseReasons.Cancelled))
    const cause = this.#failure?.cause
    this.#reception.reader.end(cause)
    await Promise.all([...lefts, ...(this.#leaving ?? [])])
    this.#upstreams.clear()
    this.#refresh()
    this.#statuses.end(cause)
    this.#online.end(cause)
    this.#reception.end(cause)
    this.#owner.onClosed(this as FanIn<unknown>)
  }
}
