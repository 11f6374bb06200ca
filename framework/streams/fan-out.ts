import type { Catalog, PeerEntry } from '#framework/discovery'
import {
  CloseReasons,
  closeReason,
  describeCloseReason,
  type CloseReason,
  type Link,
} from '#framework/network'
import { MosaikError, nextTurn, toHex, Watch, type PeerId, type ReadonlyWatch } from '#framework/primitives'
import { notAllowed, type AdmissionRules } from './admission.js'
import { isSatisfied, onlineWhen, type OnlineWhen } from './conditions.js'
import type { StreamDefinition } from './definition.js'
import { encodeDatum, validateDatum } from './encode-datum.js'
import { LiveEligibility } from './live-eligibility.js'
import type { ProducerCounters } from './metrics.js'
import { OutgoingSubscription } from './outgoing-subscription.js'
import type { Producer, ProducerOptions, ProducerStats } from './producer.js'
import { ProducerError, type ProducerErrorCode } from './producer-error.js'
import { datumBytesMin, type QueuedDatum, type SendQueueLimits } from './send-queue.js'
import { peerLabel, type StreamsContext } from './streams-context.js'
import type { SubscriptionStatus } from './subscription-status.js'
import { TurnBudget } from './turn-budget.js'
import { WaitingSends } from './waiting-sends.js'
import type { Subscribe, Subscribed } from './wire.js'
import { withAbort } from './with-abort.js'

/** How long closing lets consumers take what is queued. */
const closeTimeoutMs = 2_000
const epochBytes = 8

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
export class FanOut<T> implements Omit<Producer<T>, 'when' | typeof Symbol.asyncDispose> {
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
  /** By the consumer they serve, in the order in which they came. */
  readonly #served = new Map<string, OutgoingSubscription>()
  readonly #statuses = new Watch<readonly SubscriptionStatus[]>([])
  readonly #online: Watch<boolean>
  readonly #waiting = new WaitingSends<T>()
  readonly #budget = new TurnBudget()
  #nextSequence = 0
  #isPumping = false
  #flushDue = false
  #isClosing = false
  #closed: Promise<void> | undefined
  #sent = 0
  #sentBytes = 0
  #dropped = 0
  #undelivered = 0
  #invalid = 0
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
    this.#maxConsumers = options.maxConsumers ?? Infinity
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
    this.#epoch = toHex(context.random.bytes(epochBytes))
    this.#online = new Watch(isSatisfied(this.#onlineWhen, []))
    this.subscriptions = this.#statuses.asReadonly()
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

  // Not an async function: a send that need not wait costs no promise of its own.
  send(datum: T, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    let bytes
    try {
      this.#assertOpen(datum)
      if (this.#waiting.isFull) throw this.#waitingError(datum)
      if (this.#isLostOnAll) {
        this.#lose(datum)
        return this.#budget.spend(0) ? nextTurn() : done
      }
      bytes = this.#encoded(datum)
      if (this.#waiting.size > 0 || !this.#isReadyFor(bytes)) {
        if (!this.#waiting.hasRoomFor(bytes)) throw this.#waitingError(datum)
        return this.#waiting.add(datum, bytes.slice(), signal)
      }
    } catch (error) {
      return Promise.reject(error)
    }
    this.#dispatch(bytes)
    return this.#budget.spend(bytes.byteLength) ? nextTurn() : done
  }

  trySend(datum: T): void {
    this.#assertOpen(datum)
    if (!this.online) throw this.#error('PRODUCER_OFFLINE', 'too few consumers are subscribed', datum)
    if (this.#waiting.size > 0) throw this.#error('PRODUCER_FULL', 'earlier sends are waiting', datum)
    // What is known before the datum is encoded: a producer that is refused tries again and again.
    if (!this.#hasRoomFor(datumBytesMin)) throw this.#error('PRODUCER_FULL', 'a consumer has no room', datum)
    if (this.#isLostOnAll) return this.#lose(datum)
    const bytes = this.#encoded(datum)
    if (!this.#hasRoomFor(bytes.byteLength))
      throw this.#error('PRODUCER_FULL', 'a consumer has no room', datum)
    this.#dispatch(bytes)
  }

  stats(): ProducerStats {
    return {
      accepted: this.#nextSequence,
      sent: this.#total(this.#sent, 'datums'),
      sentBytes: this.#total(this.#sentBytes, 'bytes'),
      dropped: this.#total(this.#dropped, 'dropped'),
      undelivered: this.#undelivered,
      invalid: this.#invalid,
      refused: this.#refused,
      predicateErrors: this.#eligibility.errorCount,
      waiting: this.#waiting.size,
      queued: this.fullestQueue(),
    }
  }

  /** What waits for the consumer with the fullest queue. */
  fullestQueue(): { readonly datums: number; readonly bytes: number } {
    let fullest = { datums: 0, bytes: 0 }
    for (const { queued } of this.#served.values()) if (queued.datums > fullest.datums) fullest = queued
    return fullest
  }

  async drain(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options
    signal?.throwIfAborted()
    const target = this.#nextSequence
    const drained = Promise.all(
      [...this.#served.values()].map((subscription) => subscription.drained(target)),
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
  admissionRules(request: Pick<Subscribe, 'subscriber'>, consumer: PeerEntry): AdmissionRules {
    const { name, fingerprint, shape } = this.stream
    const taken = this.#served.has(keyOf(consumer, request.subscriber)) ? 1 : 0
    return {
      name,
      fingerprint,
      shape,
      label: peerLabel(this.#context.discovery.me),
      consumerCount: this.#served.size - taken,
      maxConsumers: this.#maxConsumers,
      // Who asks is judged anew: a predicate may know better by now, for reasons of its own.
      judge: this.#eligibility.reconsider,
    }
  }

  onRefused(): void {
    this.#refused++
  }

  /** What a consumer that is served from this moment on is told. */
  greeting(): Subscribed {
    const { id, fingerprint } = this.stream
    const entry = this.#context.discovery.signedEntry()
    const { codec } = this.stream
    return {
      stream: id,
      fingerprint,
      codec: codec.id,
      epoch: this.#epoch,
      sequence: this.#nextSequence,
      entry,
    }
  }

  /**
   * Serves an admitted consumer until its link ends. Never rejects.
   *
   * @param accept Says what the consumer is told.
   */
  async serve(
    link: Link,
    request: Subscribe,
    entry: PeerEntry,
    accept: (greeting: Subscribed) => Promise<void>,
  ): Promise<void> {
    const key = keyOf(entry, request.subscriber)
    const earlier = this.#served.get(key)
    if (earlier !== undefined) {
      if (earlier.attempt >= request.attempt) {
        await link.close(closeReason(CloseReasons.Cancelled, 'a later attempt of this consumer is served'))
        return
      }
      this.#drop(earlier, closeReason(CloseReasons.Cancelled, 'a later attempt takes the place of this one'))
    }
    // Taken before anything else happens: showing the subscription may at once let sends through that waited for it.
    const greeting = this.greeting()
    const subscription = new OutgoingSubscription({
      link,
      request,
      entry,
      name: this.stream.name,
      producer: this.#context.discovery.me.peer,
      firstSequence: greeting.sequence,
      limits: this.#limits,
      counters: this.#counters,
      clock: this.#context.clock,
      onRoom: this.#pump,
    })
    // Before the consumer hears of it, so that to a consumer that is subscribed the producer is never offline.
    this.#served.set(key, subscription)
    this.#refresh()
    const isOpen = await accept(greeting).then(
      () => true,
      () => false, // The consumer has gone already, and the link says why.
    )
    const reason = isOpen ? await subscription.run() : await link.closed
    this.#forget(subscription)
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

  #isReadyFor(bytes: Uint8Array): boolean {
    return this.online && this.#hasRoomFor(bytes.byteLength)
  }

  /** Whether no queue would refuse a datum of this size. */
  #hasRoomFor(byteLength: number): boolean {
    if (this.#limits.overflow !== 'block') return true
    for (const subscription of this.#served.values()) if (!subscription.hasRoomFor(byteLength)) return false
    return true
  }

  /** Whether every queue would drop a datum, however short: then it need not be encoded. */
  get #isLostOnAll(): boolean {
    if (this.#limits.overflow !== 'drop-newest' || !this.online || this.#waiting.size > 0) return false
    for (const subscription of this.#served.values()) if (subscription.hasRoomFor(datumBytesMin)) return false
    return this.#served.size > 0
  }

  /** What `#dispatch` does with a datum that every queue drops; it must be a valid one all the same. */
  #lose(datum: T): void {
    this.#judged(validateDatum, datum)
    const sequence = this.#nextSequence++
    for (const subscription of this.#served.values()) subscription.skip(sequence)
  }

  #dispatch(bytes: Uint8Array): void {
    const datum: QueuedDatum = { sequence: this.#nextSequence++, bytes }
    if (this.#served.size === 0) {
      this.#undelivered++
      this.#counters.dropped('undelivered', 1)
      return
    }
    let isUrgent = false
    let lagging: OutgoingSubscription[] | undefined
    for (const subscription of this.#served.values()) {
      if (subscription.offer(datum) === 'lagging') (lagging ??= []).push(subscription)
      else if (subscription.isUrgent) isUrgent = true
    }
    // Only now that every queue has the datum: dropping tells others, who may send the next one in answer.
    for (const subscription of lagging ?? []) this.#drop(subscription, this.#tooSlow())
    // Gathers what is sent in this turn, unless that fills a frame already.
    if (isUrgent) this.#flush()
    else this.#flushSoon()
  }

  #tooSlow(): CloseReason {
    const { datumsMax, bytesMax } = this.#limits
    return closeReason(
      CloseReasons.TooSlow,
      `more than ${datumsMax} datums or ${bytesMax} bytes were waiting`,
    )
  }

  #flushSoon(): void {
    if (this.#flushDue) return
    this.#flushDue = true
    void nextTurn().then(() => {
      this.#flushDue = false
      this.#flush()
    })
  }

  #flush(): void {
    for (const subscription of this.#served.values()) subscription.flush()
  }

  /** Lets waiting sends through, in order, as long as there is room. */
  readonly #pump = (): void => {
    // Sending makes room, which calls this again: the loop that is going on sees to it.
    if (this.#isPumping) return
    this.#isPumping = true
    this.#waiting.release(
      ({ bytes }) => this.#isReadyFor(bytes),
      ({ bytes }) => this.#dispatch(bytes),
    )
    this.#isPumping = false
  }

  /** @throws ProducerError */
  #encoded(datum: T): Uint8Array {
    return this.#judged(encodeDatum, datum)
  }

  #judged<R>(judge: (stream: StreamDefinition<T>, datum: T) => R, datum: T): R {
    try {
      return judge(this.stream, datum)
    } catch (error) {
      this.#invalid++
      throw error
    }
  }

  #assertOpen(datum: T): void {
    if (this.#isClosing) throw this.#error('PRODUCER_CLOSED', 'it was closed', datum)
  }

  #waitingError(datum: T): ProducerError<T> {
    return this.#error('PRODUCER_FULL', `${this.#waiting.size} sends are waiting`, datum)
  }

  #error(code: ProducerErrorCode, message: string, datum: T): ProducerError<T> {
    return new ProducerError(code, `${this.#what}: ${message}`, datum)
  }

  /** Ends a subscription for a reason of ours. From now on it counts for nothing. */
  #drop(subscription: OutgoingSubscription, reason: CloseReason): void {
    this.#forget(subscription)
    // Whoever serves the link waits for its end.
    void subscription.close(reason)
  }

  #forget(subscription: OutgoingSubscription): void {
    const key = `${subscription.consumer} ${subscription.subscriber}`
    if (this.#served.get(key) !== subscription) return
    this.#served.delete(key)
    subscription.end()
    const { datums, bytes, dropped } = subscription.counts
    this.#sent += datums
    this.#sentBytes += bytes
    this.#dropped += dropped
    this.#refresh()
  }

  /** Shows what has changed, in this order: who is subscribed, whether that is enough, and who need not wait any more. */
  #refresh(): void {
    const statuses = [...this.#served.values()].map((subscription) => subscription.status())
    this.#statuses.set(statuses)
    if (!this.#isClosing) {
      this.#eligibility.follow([...this.#served.values()].map(({ entry }) => entry))
      this.#online.set(isSatisfied(this.#onlineWhen, statuses))
    }
    this.#owner.onSubscriptions()
    this.#pump()
  }

  async #retire(): Promise<void> {
    this.#isClosing = true
    this.#eligibility[Symbol.dispose]()
    this.#online.set(false)
    this.#owner.onRetiring()
    this.#waiting.rejectAll(({ datum }) =>
      this.#error('PRODUCER_CLOSED', 'it was closed while the send waited', datum),
    )
    using deadline = this.#context.clock.deadline(closeTimeoutMs)
    const { signal } = deadline
    await Promise.all(
      [...this.#served.values()].map((subscription) => subscription.finish(this.#nextSequence, signal)),
    )
    for (const subscription of this.#served.values()) this.#forget(subscription)
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

const done: Promise<void> = Promise.resolve()

function keyOf(consumer: PeerEntry, subscriber: string): string {
  return `${consumer.peer} ${subscriber}`
}
