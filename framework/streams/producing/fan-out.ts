import { isDeepStrictEqual } from 'node:util'
import type { Catalog, PeerEntry } from '#framework/discovery'
import {
  CloseReasons,
  closeReason,
  describeCloseReason,
  type CloseReason,
  type Link,
} from '#framework/network'
import {
  ComposedWatch,
  MosaikError,
  toHex,
  Watch,
  type PeerId,
  type ReadonlyWatch,
} from '#framework/primitives'
import { notAllowed, type AdmissionRules } from '../eligibility/admission.js'
import { isSatisfied, onlineWhen, type OnlineWhen } from '../conditions.js'
import type { ConsumerQueue } from './consumer-queue.js'
import { ConsumerQueues } from './consumer-queues.js'
import { DatumLog } from './datum-log.js'
import { DatumSender } from './datum-sender.js'
import type { StreamDefinition } from '../definition.js'
import { EgressTurns } from './egress-turns.js'
import { datumBytesMax } from './encode-datum.js'
import { HeldPlaces } from './held-places.js'
import { LiveEligibility } from '../eligibility/live-eligibility.js'
import type { DropCause, ProducerCounters, SlowCause } from '../metrics.js'
import { OutgoingSubscription } from './outgoing-subscription.js'
import type { Producer, ProducerOptions, ProducerStats } from '../producer.js'
import { ReplayRetention } from './replay-retention.js'
import type { SendQueueLimits } from './send-queue.js'
import { StallTimer } from './stall-timer.js'
import { peerLabel, type StreamsContext } from '../streams-context.js'
import type { SubscriptionStatus } from '../subscription-status.js'
import { UndeliveredSink } from './undelivered-sink.js'
import type { Greeting, SubscribeRequest } from '../wire.js'
import { withAbort } from '../with-abort.js'

/** How long closing lets consumers take what is queued. */
const closeTimeoutMs = 2_000
const epochBytes = 8
const stallTimeoutMsDefault = 30_000
/** How long the place of a consumer that was lost is kept, and how many there are at most. */
const holdMsDefault = 60_000
const heldPlacesMax = 1024

/** What a producer needs of the node it is on. */
export interface FanOutOwner {
  /** The stream is being retired: from now on nobody is to find this producer. */
  onRetiring(): void
  /** It is over, and another may take its place. */
  onClosed(): void
  /** A subscription has changed. */
  onSubscriptions(): void
}

/** What all handles of a producer share: encodes each datum once and hands it to a queue for every subscribed consumer. */
export class FanOut<T> implements Omit<Producer<T>, 'sendMany' | 'when' | typeof Symbol.asyncDispose> {
  readonly stream: StreamDefinition<T>
  readonly subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>

  readonly #context: StreamsContext
  readonly #owner: FanOutOwner
  readonly #limits: SendQueueLimits
  readonly #maxConsumers: number
  readonly #onlineWhen: OnlineWhen
  readonly #eligibility: LiveEligibility
  readonly #counters: ProducerCounters
  readonly #epoch: string
  readonly #what: string
  readonly #log: DatumLog<T>
  readonly #queues: ConsumerQueues<T>
  readonly #sender: DatumSender<T>
  /** By the consumer they serve, in the order in which they came. */
  readonly #served = new Map<string, OutgoingSubscription>()
  /** Undefined unless datums are to be acknowledged. */
  readonly #places: HeldPlaces | undefined
  readonly #statuses = new ComposedWatch<readonly SubscriptionStatus[]>(
    () => Array.from(this.#served.values(), (subscription) => subscription.status()),
    'at-once',
  )
  readonly #online: Watch<boolean>
  readonly #undelivered: UndeliveredSink<T>
  readonly #egress: EgressTurns | undefined
  readonly #stallTimeoutMs: number
  readonly #stalls: StallTimer<OutgoingSubscription>
  #isClosing = false
  #closed: Promise<void> | undefined
  #sent = 0
  #sentBytes = 0
  #dropped = 0
  #refused = 0

  constructor(
    stream: StreamDefinition<T>,
    options: ProducerOptions<T>,
    context: StreamsContext,
    owner: FanOutOwner,
  ) {
    this.stream = stream
    this.#context = context
    this.#owner = owner
    this.#limits = {
      datumsMax: options.queue ?? 1024,
      bytesMax: options.queueBytes ?? 4 * 1024 * 1024,
      overflow: options.overflow ?? 'block',
    }
    const { clock } = context
    this.#log = new DatumLog({
      codec: stream.codec,
      pool: context.segments,
      datumBytesMax,
      retention: options.replay && new ReplayRetention(options.replay),
      now: () => clock.monotonic(),
    })
    this.#queues = new ConsumerQueues({
      log: this.#log,
      codec: stream.codec,
      limits: this.#limits,
      isAcknowledged: options.ack !== undefined && options.ack !== false,
    })
    this.#maxConsumers = options.maxConsumers ?? Infinity
    if (options.ack !== undefined && options.ack !== false) {
      const { holdMs = holdMsDefault } = options.ack === true ? {} : options.ack
      this.#places = new HeldPlaces({
        holdMs,
        countMax: Math.min(this.#maxConsumers, heldPlacesMax),
        clock,
        onDropped: (cause, count) => this.#onDropped(cause, count),
        onGivenUp: (queue) => this.#onGivenUp(queue),
      })
    }
    this.#onlineWhen = onlineWhen(options.onlineWhen, 1)
    this.#what = `producer of stream "${stream.name}"`
    this.#eligibility = new LiveEligibility({
      requirements: options,
      where: 'producer',
      what: this.#what,
      context,
      onNews: (entry) => this.#onNews(entry),
    })
    this.#counters = context.metrics.forProducer(stream.id)
    this.#undelivered = new UndeliveredSink(options.undelivered, this.#what, context.logger)
    this.#egress = options.egress && new EgressTurns(options.egress, clock, this.#counters.egressWaits)
    this.#stallTimeoutMs = options.stallTimeoutMs ?? stallTimeoutMsDefault
    this.#stalls = new StallTimer({
      timeoutMs: this.#stallTimeoutMs,
      clock,
      isWaiting: () => this.#sender.waitingCount > 0 && this.online,
      holders: () => this.#holdingUp(),
      onStalled: (subscription) => this.#dropStalled(subscription),
    })
    this.#epoch = toHex(context.random.bytes(epochBytes))
    this.#online = new Watch(isSatisfied(this.#onlineWhen, []))
    this.subscriptions = this.#statuses
    this.#sender = new DatumSender({
      stream,
      what: this.#what,
      log: this.#log,
      queues: this.#queues,
      pool: context.segments,
      online: this.#online,
      clock,
      onFlush: () => {
        for (const subscription of this.#served.values()) subscription.flush()
      },
      onLagging: (queues) => this.#dropLagging(queues),
      onUndelivered: (datum) => this.#onUndelivered(datum),
      onWaiting: () => this.#stalls.check(),
    })
  }

  get online(): boolean {
    return this.#online.value
  }

  /** The same, to be followed. */
  get isOnline(): ReadonlyWatch<boolean> {
    return this.#online.asReadonly()
  }

  /** It is being closed, or was: it takes no more consumers. */
  get isRetired(): boolean {
    return this.#isClosing
  }

  send(datum: T, options?: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    return this.#sender.send(datum, options?.signal)
  }

  trySend(datum: T): void {
    this.#sender.trySend(datum)
  }

  stats(): ProducerStats {
    return {
      accepted: this.#log.next,
      sent: this.#total(this.#sent, 'datums'),
      sentBytes: this.#total(this.#sentBytes, 'bytes'),
      dropped: this.#total(this.#dropped, 'dropped'),
      undelivered: this.#undelivered.count,
      invalid: this.#sender.invalidCount,
      refused: this.#refused,
      predicateErrors: this.#eligibility.errorCount,
      waiting: this.#sender.waitingCount,
      queued: this.fullestQueue(),
      held: this.#places?.count ?? 0,
    }
  }

  /** What waits for the consumer with the fullest queue, be it served or lost. */
  fullestQueue(): { readonly datums: number; readonly bytes: number } {
    let fullest = { datums: 0, bytes: 0 }
    const served = [...this.#served.values()].map(({ queue }) => queue)
    for (const { length, byteLength } of [...served, ...(this.#places?.queues ?? [])]) {
      if (length > fullest.datums) fullest = { datums: length, bytes: byteLength }
    }
    return fullest
  }

  async drain(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options
    signal?.throwIfAborted()
    const target = this.#log.next
    const drained = Promise.all(
      [...this.#served.values()].map((subscription) => subscription.drained(target, signal)),
    )
    await withAbort(drained, signal)
    // A producer that closes ends its subscriptions: then nobody can say what was taken.
    if (this.#isClosing) throw new MosaikError('PRODUCER_CLOSED', `${this.#what}: it was closed`)
  }

  close(): Promise<void> {
    this.#closed ??= this.#retire()
    return this.#closed
  }

  /** What a consumer's request is judged by. */
  admissionRules(request: Pick<SubscribeRequest, 'subscriber'>, consumer: PeerEntry): AdmissionRules {
    const { name, fingerprint, shape } = this.stream
    const taken = this.#served.has(keyOf(consumer.peer, request.subscriber)) ? 1 : 0
    return {
      name,
      fingerprint,
      shape,
      label: peerLabel(this.#context.discovery.me),
      consumerCount: this.#served.size - taken,
      maxConsumers: this.#maxConsumers,
      // Who asks is judged anew: a predicate may know better by now, for reasons of its own.
      judge: (entry) => this.#eligibility.reconsider(entry),
    }
  }

  onRefused(): void {
    this.#refused++
  }

  /** What a consumer with that request is told if it is served from this moment on. */
  greeting(request: SubscribeRequest, consumer: PeerEntry): Greeting {
    const { id, fingerprint, codec } = this.stream
    return {
      stream: id,
      fingerprint,
      codec: codec.id,
      epoch: this.#epoch,
      ...(this.#places && { ack: true }),
      sequence: this.#startOf(request, consumer),
    }
  }

  /**
   * Serves an admitted consumer until its link ends. Never rejects.
   *
   * @param accept Says what the consumer is told.
   */
  async serve(
    link: Link,
    request: SubscribeRequest,
    entry: PeerEntry,
    accept: (greeting: Greeting) => Promise<void>,
  ): Promise<void> {
    const key = keyOf(entry.peer, request.subscriber)
    const earlier = this.#served.get(key)
    if (earlier !== undefined && earlier.attempt >= request.attempt) {
      await link.close(closeReason(CloseReasons.Cancelled, 'a later attempt of this consumer is served'))
      return
    }
    if (earlier !== undefined) {
      const reason = closeReason(CloseReasons.Cancelled, 'a later attempt takes the place of this one')
      this.#drop(earlier, reason, this.#places !== undefined)
    }
    // Taken before anything else happens: showing the subscription may at once let sends through that waited for it.
    const greeting = this.greeting(request, entry)
    const subscription = this.#subscribe(link, request, entry, greeting.sequence)
    // Before the consumer hears of it, so that to a consumer that is subscribed the producer is never offline.
    this.#served.set(key, subscription)
    this.#refresh()
    const isOpen = await accept(greeting).then(
      () => true,
      () => false, // The consumer has gone already, and the link says why.
    )
    const reason = isOpen ? await subscription.run() : await link.closed
    this.#forget(subscription, this.#isPlaceKept(subscription, reason))
    const { logger } = this.#context
    logger.debug(`${this.#what}: a consumer has gone`, {
      consumer: peerLabel(entry),
      reason: describeCloseReason(reason),
    })
  }

  /**
   * Judges subscribed consumers again, by what the catalog says of them now.
   *
   * @param changed The peers about which it says something else than last time.
   */
  onCatalog(catalog: Catalog, changed: ReadonlySet<PeerId>): void {
    let isChanged = false
    for (const subscription of this.#served.values()) {
      if (!changed.has(subscription.consumer)) continue
      const entry = catalog.get(subscription.consumer)
      const reason = this.#reasonToDrop(subscription, entry)
      if (reason !== undefined) this.#drop(subscription, reason)
      else if (entry !== undefined) {
        subscription.entry = entry
        isChanged = true
      }
    }
    if (isChanged) this.#refresh()
  }

  /** Something other than its entry has changed about a peer. */
  #onNews(entry: PeerEntry): void {
    for (const subscription of this.#served.values()) {
      if (subscription.consumer !== entry.peer) continue
      const reason = this.#reasonToDrop(subscription, entry)
      if (reason !== undefined) this.#drop(subscription, reason)
    }
  }

  #reasonToDrop(subscription: OutgoingSubscription, entry: PeerEntry | undefined): CloseReason | undefined {
    if (entry === undefined) return closeReason(CloseReasons.UnknownPeer, 'the peer has left the catalog')
    if (subscription.isOfEarlierRunThan(entry)) {
      return closeReason(CloseReasons.Cancelled, 'the peer has been restarted')
    }
    const judgement = this.#eligibility.judge(entry)
    if (judgement.isEligible) return undefined
    this.#eligibility.onLeft(judgement)
    return notAllowed(this.stream.name, judgement)
  }

  /** Where a consumer begins: where it was, or where it wants to, as far as that is kept. */
  #startOf(request: SubscribeRequest, consumer: PeerEntry): number {
    const key = keyOf(consumer.peer, request.subscriber)
    const { resume, start } = request
    const resumed = resume?.epoch === this.#epoch ? Math.min(resume.sequence, this.#log.next) : undefined
    const place = this.#placeOf(key, request.criteria)
    if (place !== undefined) {
      return Math.min(Math.max(resumed ?? 0, place.acknowledgedUpTo), place.writtenUpTo)
    }
    if (resumed === undefined && start !== 'oldest') return this.#log.next
    return Math.max(resumed ?? 0, this.#log.oldest)
  }

  /** What is kept for a consumer, or would be if it were lost now. */
  #placeOf(key: string, criteria: unknown): ConsumerQueue | undefined {
    const served = this.#served.get(key)
    if (served === undefined) return this.#places?.get(key, criteria)
    return this.#places && isDeepStrictEqual(served.criteria, criteria) ? served.queue : undefined
  }

  #subscribe(link: Link, request: SubscribeRequest, entry: PeerEntry, start: number): OutgoingSubscription {
    const place = this.#places?.take(keyOf(entry.peer, request.subscriber), request.criteria)
    const redeliveredBelow = place?.writtenUpTo ?? start
    place?.rewind(start)
    const subscription: OutgoingSubscription = new OutgoingSubscription({
      link,
      request,
      entry,
      name: this.stream.name,
      producer: this.#context.discovery.me.peer,
      queue: place ?? this.#queues.add(start, request.criteria),
      form: request.criteria === undefined ? 'all' : 'selection',
      egress: this.#egress,
      liveFrom: this.#log.next,
      redeliveredBelow,
      counters: this.#counters,
      clock: this.#context.clock,
      onRoom: this.#sender.pump,
      onBlocked: () => this.#dropSlow(subscription, 'blocked', 'the network took nothing for too long'),
    })
    return subscription
  }

  #dropLagging(queues: readonly ConsumerQueue[]): void {
    for (const subscription of this.#served.values()) {
      if (queues.includes(subscription.queue)) this.#dropSlow(subscription, 'lagging', this.#tooSlow())
    }
    for (const queue of queues) this.#places?.giveUp(queue)
  }

  #onUndelivered(datum: T): void {
    const cause = this.#queues.areSelective ? 'unmatched' : 'no-consumer'
    this.#counters.dropped(cause === 'no-consumer' ? 'undelivered' : 'unmatched', 1)
    this.#undelivered.put(datum, cause)
  }

  #tooSlow(): string {
    const { datumsMax, bytesMax } = this.#limits
    return `more than ${datumsMax} datums or ${bytesMax} bytes were waiting`
  }

  #dropSlow(subscription: OutgoingSubscription, cause: SlowCause, message: string): void {
    if (!this.#isServed(subscription)) return
    this.#counters.disconnected(cause)
    this.#drop(subscription, closeReason(CloseReasons.TooSlow, message))
  }

  #isServed(subscription: OutgoingSubscription): boolean {
    return this.#served.get(keyOf(subscription.consumer, subscription.subscriber)) === subscription
  }

  /** Those for which the send that is next cannot be accepted. */
  #holdingUp(): OutgoingSubscription[] {
    const byteLength = this.#sender.waitingBytes
    return [...this.#served.values()].filter((subscription) => subscription.isHoldingUp(byteLength))
  }

  #dropStalled(subscription: OutgoingSubscription): void {
    const message = `others have waited for ${this.#stallTimeoutMs} ms, and it took nothing`
    this.#dropSlow(subscription, 'stalled', message)
  }

  /** Ends a subscription for a reason of ours. From now on it counts for nothing, but what waits for it may be kept. */
  #drop(
    subscription: OutgoingSubscription,
    reason: CloseReason,
    isPlaceKept = this.#isPlaceKept(subscription, reason),
  ): void {
    this.#forget(subscription, isPlaceKept)
    // Whoever serves the link waits for its end.
    void subscription.close(reason)
  }

  #forget(subscription: OutgoingSubscription, isPlaceKept: boolean): void {
    const key = keyOf(subscription.consumer, subscription.subscriber)
    if (this.#served.get(key) !== subscription) return
    const { queue } = subscription
    this.#served.delete(key)
    subscription.end({ isKept: isPlaceKept })
    if (isPlaceKept) this.#places?.hold(key, queue, subscription.criteria)
    else this.#queues.delete(queue)
    const { datums, bytes, dropped } = subscription.counts
    this.#sent += datums
    this.#sentBytes += bytes
    this.#dropped += dropped
    this.#refresh()
  }

  /**
   * Whether what waits for a consumer is kept after the end of its subscription. Not for one that has said goodbye,
   * unless it has a name under which to come back; nor for one that is not wanted any more, or does not keep up.
   */
  #isPlaceKept(subscription: OutgoingSubscription, reason: CloseReason): boolean {
    if (this.#places === undefined || this.#isClosing) return false
    if (placeLostReasons.has(reason.code)) return false
    return subscription.isDurable || !goodbyes.has(reason.code)
  }

  #onDropped(cause: DropCause, count: number): void {
    this.#dropped += count
    this.#counters.dropped(cause, count)
  }

  #onGivenUp(queue: ConsumerQueue): void {
    this.#queues.delete(queue)
    this.#sender.pump()
  }

  /** Shows what has changed, in this order: who is subscribed, whether that is enough, and who need not wait any more. */
  #refresh(): void {
    this.#statuses.invalidate()
    if (!this.#isClosing) {
      this.#eligibility.follow(this.#served.values())
      this.#online.set(this.#isOnlineNow())
    }
    this.#owner.onSubscriptions()
    this.#sender.pump()
  }

  /** Where a number is all that is wanted, nobody looks at each consumer whenever there is another one. */
  #isOnlineNow(): boolean {
    const { min = 1, tags = [] } = this.#onlineWhen
    return tags.length === 0 ? this.#served.size >= min : isSatisfied(this.#onlineWhen, this.#statuses.value)
  }

  async #retire(): Promise<void> {
    this.#isClosing = true
    this.#eligibility[Symbol.dispose]()
    this.#online.set(false)
    this.#owner.onRetiring()
    this.#sender.close()
    using deadline = this.#context.clock.deadline(closeTimeoutMs)
    const { signal } = deadline
    await Promise.all(
      [...this.#served.values()].map((subscription) => subscription.finish(this.#log.next, signal)),
    )
    for (const subscription of this.#served.values()) this.#forget(subscription, false)
    this.#places?.giveUpAll()
    this.#log.clear()
    this.#statuses.end()
    this.#online.end()
    this.#counters[Symbol.dispose]()
    this.#owner.onClosed()
  }

  #total(gone: number, counter: 'datums' | 'bytes' | 'dropped'): number {
    let total = gone
    for (const subscription of this.#served.values()) total += subscription.counts[counter]
    return total
  }
}

/** With these a consumer says that it goes. */
const goodbyes: ReadonlySet<number> = new Set([
  CloseReasons.Cancelled.code,
  CloseReasons.Success.code,
  CloseReasons.GracefulShutdown.code,
])
/** After these a consumer does not come back as the one it was. */
const placeLostReasons: ReadonlySet<number> = new Set([
  CloseReasons.NotAllowed.code,
  CloseReasons.SchemaMismatch.code,
  CloseReasons.ProtocolViolation.code,
  CloseReasons.TooSlow.code,
])

function keyOf(consumer: PeerId, subscriber: string): string {
  return `${consumer} ${subscriber}`
}
