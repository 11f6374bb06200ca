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
  raceSignal,
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
import { liveEligibility, type LiveEligibility } from '../eligibility/live-eligibility.js'
import type { DropCause, ProducerCounters, SlowCause } from '../metrics.js'
import { OutgoingSubscription } from './outgoing-subscription.js'
import { isPlaceKeptAfter, startSequence } from './place-rules.js'
import type { Producer, ProducerOptions, ProducerStats } from '../producer.js'
import { ReplayRetention } from './replay-retention.js'
import type { SendQueueLimits } from './send-queue.js'
import { consumerKey, ServedConsumers } from './served-consumers.js'
import { StallTimer } from './stall-timer.js'
import { peerLabel, type StreamsContext } from '../streams-context.js'
import type { SubscriptionStatus } from '../subscription-status.js'
import { UndeliveredSink } from './undelivered-sink.js'
import type { Greeting, SubscribeRequest } from '../wire.js'

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
  readonly #served = new ServedConsumers()
  /** Undefined unless datums are to be acknowledged. */
  readonly #places: HeldPlaces | undefined
  readonly #statuses = new ComposedWatch<readonly SubscriptionStatus[]>(
    () => this.#served.statuses(),
    'at-once',
  )
  readonly #online: Watch<boolean>
  readonly #undelivered: UndeliveredSink<T>
  readonly #egress: EgressTurns | undefined
  readonly #stallTimeoutMs: number
  readonly #stalls: StallTimer<OutgoingSubscription>
  #isClosing = false
  #closed: Promise<void> | undefined
  /** What was given up for consumers while they were away. */
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
    this.#eligibility = liveEligibility({
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
        for (const subscription of this.#served) subscription.flush()
      },
      onLagging: (queues) => this.#dropLagging(queues),
      onInvalid: () => this.#counters.dropped('encode', 1),
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
      sent: this.#served.total('datums'),
      sentBytes: this.#served.total('bytes'),
      dropped: this.#served.total('dropped') + this.#dropped,
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
    const served = Array.from(this.#served, ({ queue }) => queue)
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
      Array.from(this.#served, (subscription) => subscription.drained(target, signal)),
    )
    await raceSignal(drained, signal)
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
    const key = consumerKey(consumer.peer, request.subscriber)
    const taken = this.#served.get(key) === undefined ? 0 : 1
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

  /**
   * Makes way for an admitted consumer: an earlier attempt of it is not served any longer.
   *
   * @returns What it is told when {@link serve} follows at once: sends that waited may be let through by that. Undefined
   *   when a later attempt of it is served already.
   */
  welcome(request: SubscribeRequest, { peer }: PeerEntry): Greeting | undefined {
    const key = consumerKey(peer, request.subscriber)
    const earlier = this.#served.get(key)
    if (earlier !== undefined) {
      if (earlier.attempt >= request.attempt) return undefined
      const reason = closeReason(CloseReasons.Cancelled, 'a later attempt takes the place of this one')
      this.#drop(earlier, reason, this.#places !== undefined)
    }
    const { id, fingerprint, codec } = this.stream
    const place = this.#places?.get(key, request.criteria)
    return {
      stream: id,
      fingerprint,
      codec: codec.id,
      epoch: this.#epoch,
      ...(this.#places && { ack: true }),
      sequence: startSequence({ request, epoch: this.#epoch, place, log: this.#log }),
    }
  }

  /**
   * Serves an admitted consumer until its link ends. Never rejects.
   *
   * @param start Where it begins, as {@link welcome} has just said.
   * @param accept Tells the consumer what that said.
   */
  async serve(
    link: Link,
    request: SubscribeRequest,
    entry: PeerEntry,
    start: number,
    accept: () => Promise<void>,
  ): Promise<void> {
    const subscription = this.#subscribe(link, request, entry, start)
    // Before the consumer hears of it, so that to a consumer that is subscribed the producer is never offline.
    this.#served.add(subscription)
    this.#refresh()
    const isOpen = await accept().then(
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
    for (const subscription of this.#served) {
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
    for (const subscription of this.#served) {
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

  #subscribe(link: Link, request: SubscribeRequest, entry: PeerEntry, start: number): OutgoingSubscription {
    const place = this.#places?.take(consumerKey(entry.peer, request.subscriber), request.criteria)
    const redeliveredBelow = place?.writtenUpTo ?? start
    if (place !== undefined) this.#rewind(place, start)
    const { resume } = request
    const isResumed = resume?.epoch === this.#epoch
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
      takenUpTo: isResumed ? Math.min(resume.taken ?? start, start) : start,
      redeliveredBelow,
      counters: this.#counters,
      clock: this.#context.clock,
      onRoom: this.#sender.pump,
      onBlocked: () => this.#dropSlow(subscription, 'blocked', 'the network took nothing for too long'),
    })
    return subscription
  }

  #rewind(place: ConsumerQueue, start: number): void {
    const droppedBefore = place.droppedCount
    place.rewind(start)
    this.#onDropped('lagging', place.droppedCount - droppedBefore)
  }

  #dropLagging(queues: readonly ConsumerQueue[]): void {
    for (const subscription of this.#served) {
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
    if (!this.#served.has(subscription)) return
    this.#counters.disconnected(cause)
    this.#drop(subscription, closeReason(CloseReasons.TooSlow, message))
  }

  /** Those for which the send that is next cannot be accepted. */
  #holdingUp(): OutgoingSubscription[] {
    const byteLength = this.#sender.waitingBytes
    return [...this.#served].filter((subscription) => subscription.isHoldingUp(byteLength))
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
    if (!this.#served.has(subscription)) return
    const { consumer, subscriber, queue, criteria } = subscription
    this.#served.delete(subscription)
    subscription.end({ isKept: isPlaceKept })
    if (isPlaceKept) this.#places?.hold(consumerKey(consumer, subscriber), queue, criteria)
    else this.#queues.delete(queue)
    this.#served.countGone(subscription.counts)
    this.#refresh()
  }

  #isPlaceKept({ isDurable }: OutgoingSubscription, reason: CloseReason): boolean {
    return this.#places !== undefined && !this.#isClosing && isPlaceKeptAfter(reason, isDurable)
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
      this.#eligibility.follow(this.#served)
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
    this.#stalls[Symbol.dispose]()
    using deadline = this.#context.clock.deadline(closeTimeoutMs)
    const { signal } = deadline
    await Promise.all(Array.from(this.#served, (subscription) => subscription.finish(this.#log.next, signal)))
    for (const subscription of this.#served) this.#forget(subscription, false)
    this.#places?.giveUpAll()
    this.#log.clear()
    this.#statuses.end()
    this.#online.end()
    this.#counters[Symbol.dispose]()
    this.#owner.onClosed()
  }
}
