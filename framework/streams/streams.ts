import {
  Introductions,
  type Catalog,
  type Discovery,
  type PeerEntry,
  type StreamOffer,
} from '#framework/discovery'
import {
  CloseReasons,
  closeReason,
  LinkClosedError,
  linkPair,
  type CloseReason,
  type Host,
  type Link,
} from '#framework/network'
import {
  ComposedWatch,
  isMosaikError,
  messageOf,
  MosaikError,
  silentLogger,
  systemClock,
  systemRandom,
  TaskScope,
  type Clock,
  type Digest,
  type Logger,
  type PeerId,
  type Random,
  type ReadonlyWatch,
  type StreamId,
} from '#framework/primitives'
import { admissionRefusal, streamNotFound, type Refusal } from './eligibility/admission.js'
import { StreamAlreadyProducedError } from './producing/already-produced-error.js'
import type { Consumer, ConsumerOptions } from './consumer.js'
import { consumerOptionsOf, isEmpty, producerOptionsOf } from './defaults.js'
import type { StreamDefinition } from './definition.js'
import { FanIn, type FanInOwner } from './consuming/fan-in.js'
import { FanOut } from './producing/fan-out.js'
import { StreamMetrics } from './metrics.js'
import { assertConsumerOptions, assertProducerOptions } from './options.js'
import type { Producer, ProducerOptions } from './producer.js'
import { measureRoundTrip } from './eligibility/round-trip.js'
import { SegmentPool } from './producing/segment-pool.js'
import { SharedProducer } from './producing/shared-producer.js'
import { Slots } from './slots.js'
import { learnEntry, peerLabel, type StreamsContext } from './streams-context.js'
import type { SubscriptionStatus } from './subscription-status.js'
import {
  openingPayload,
  parseSubscribe,
  streamsProtocol,
  type Subscribe,
  type SubscribeRequest,
} from './wire.js'

/** How many subscriptions of one node may be in the middle of opening; more wait for their turn. */
const openingMax = 16
/** How a request ends that was overtaken on its way. */
const outdated = closeReason(CloseReasons.Cancelled, 'a later attempt of this consumer is served')
/** Nobody introduces itself to itself. */
const noBytes = new Uint8Array()
/** How much memory of logs is kept for later use, so that it need not be made again. */
const pooledBytesMax = 4 * 1024 * 1024

export interface StreamsOptions {
  readonly host: Host
  readonly discovery: Discovery
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/** The streams that one node produces and consumes. */
export class Streams implements AsyncDisposable {
  /**
   * Every subscription of this node, as a producer and as a consumer. Its value is always that of now; who follows it is told
   * once for all changes of a turn of the event loop.
   */
  readonly subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>

  readonly #context: StreamsContext
  readonly #introductions: Introductions
  readonly #producers = new Map<StreamId, SharedProducer<unknown>>()
  /** By the stream that they consume. */
  readonly #consumers = new Map<StreamId, Set<FanIn<unknown>>>()
  readonly #statuses = new ComposedWatch<readonly SubscriptionStatus[]>(() =>
    this.#users().flatMap((user) => user.subscriptions.value),
  )
  readonly #openings = new Slots(openingMax)
  /** Subscriptions between a producer and a consumer of this very node. */
  readonly #local = new TaskScope()
  readonly #stops: (() => void)[]
  /** What producers and consumers were told of. */
  #catalog: Catalog
  #peers: { readonly of: Catalog['peers']; readonly ids: readonly PeerId[] } | undefined
  readonly #ownerOfConsumers: FanInOwner = {
    open: (entry, request, signal, isNearOnly) => this.#open(entry, request, signal, isNearOnly),
    producesHere: (stream) => this.#producers.get(stream)?.fanOut.isRetired === false,
    nextAttempt: () => ++this.#attempts,
    onClosed: (consumer) => this.#onConsumerClosed(consumer),
    onSubscriptions: () => this.#statuses.invalidate(),
  }
  /** How many subscriptions this node has asked for. */
  #attempts = 0
  /** This node has said something of itself that nobody here was told yet. */
  #isOwnChangeDue = false
  #isClosing = false
  #closed: Promise<void> | undefined

  /** From now on consumers of other nodes are answered. */
  static start(options: StreamsOptions): Streams {
    return new Streams(options)
  }

  private constructor(options: StreamsOptions) {
    const { host, discovery } = options
    const { clock = systemClock, random = systemRandom, logger = silentLogger } = options
    const segments = new SegmentPool(pooledBytesMax)
    const metrics = new StreamMetrics(host.metrics)
    this.#context = { host, discovery, clock, random, logger, metrics, segments, said: new WeakMap() }
    this.#introductions = new Introductions(host, discovery)
    this.#catalog = discovery.catalog.value
    this.subscriptions = this.#statuses
    this.#stops = [
      () => this.#introductions[Symbol.dispose](),
      host.handle(streamsProtocol, (link, accept) => this.#handleLink(link, accept)),
      discovery.catalog.subscribe((catalog) => this.#onCatalog(catalog)),
      this.#mirrorMetrics(),
    ]
  }

  /**
   * Begins to produce a stream: announces it and serves consumers from now on. Who gives no options shares the producer
   * that this node may have already. Each call returns a handle of its own; the stream retires when the last is closed.
   *
   * @throws StreamAlreadyProducedError `STREAM_ALREADY_PRODUCED`: with options when there is a producer, whose options
   *   cannot change; and while one is being closed.
   * @throws MosaikError `STREAM_REDEFINED` when this node uses the stream with another schema; `STREAM_OPTION_INVALID`;
   *   `STREAMS_CLOSED`; `DISCOVERY_ENTRY_TOO_LARGE` when there is no room for the announcement.
   */
  produce<T>(stream: StreamDefinition<T>, options: ProducerOptions<NoInfer<T>> = {}): Producer<T> {
    this.#assertUsable(stream)
    assertProducerOptions(stream.name, options as ProducerOptions)
    const existing = this.#existingProducer(stream, options)
    if (existing !== undefined) return existing
    this.#offer('produces', stream)
    // Whoever has seen the announcement may have produced the stream as well.
    const concurrent = this.#existingProducer(stream, options)
    if (concurrent !== undefined) return concurrent
    const fanOut = new FanOut(stream, producerOptionsOf(stream, options), this.#context, {
      onRetiring: () => this.#withdraw('produces', stream.id),
      onClosed: () => {
        this.#producers.delete(stream.id)
        this.#onLocalProducer()
      },
      onSubscriptions: () => this.#statuses.invalidate(),
    })
    const producer = new SharedProducer(fanOut)
    this.#producers.set(stream.id, producer as SharedProducer<unknown>)
    // Before anybody is told, who might otherwise take the only handle and close it.
    const handle = producer.handle()
    this.#onLocalProducer()
    return handle
  }

  /**
   * Begins to consume a stream from every producer that qualifies, this node's own included. Each consumer gets
   * everything.
   *
   * @throws MosaikError `STREAM_REDEFINED` when this node uses the stream with another schema; `STREAM_OPTION_INVALID`;
   *   `STREAM_CRITERIA_INVALID`; `CONSUMER_NAME_TAKEN`; `STREAMS_CLOSED`; `DISCOVERY_ENTRY_TOO_LARGE` when there is no room for the announcement;
   *   `RANKINGS_TOO_MANY` when 256 consumers of the node have a preference already.
   */
  consume<T>(stream: StreamDefinition<T>, options: ConsumerOptions<NoInfer<T>> = {}): Consumer<T> {
    this.#assertUsable(stream)
    assertConsumerOptions(stream.name, options as ConsumerOptions)
    this.#assertNameFree(stream, options.name)
    this.#offer('consumes', stream)
    const effective = consumerOptionsOf(stream, options)
    const consumers = this.#consumers.get(stream.id) ?? new Set()
    const consumer = new FanIn(stream, effective, this.#context, this.#ownerOfConsumers)
    consumers.add(consumer as FanIn<unknown>)
    this.#consumers.set(stream.id, consumers)
    try {
      const catalog = this.#context.discovery.catalog.value
      consumer.start(catalog, this.#peersOf(catalog))
    } catch (error) {
      void consumer.close()
      throw error
    }
    return consumer
  }

  /** Closes what is still open, consumers before producers so that no node waits for itself. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertUsable({ id, name, fingerprint }: StreamDefinition<unknown>): void {
    if (this.#isClosing) throw new MosaikError('STREAMS_CLOSED', 'the streams of this node were closed')
    const known = this.#fingerprintOf(id)
    if (known !== undefined && known !== fingerprint) {
      throw new MosaikError(
        'STREAM_REDEFINED',
        `this node already uses stream "${name}" with another schema: define it once and import it everywhere`,
      )
    }
  }

  /** @throws StreamAlreadyProducedError */
  #existingProducer<T>(stream: StreamDefinition<T>, options: ProducerOptions<T>): Producer<T> | undefined {
    // Definitions of one stream that differ in the datum are refused before.
    const existing = this.#producers.get(stream.id) as SharedProducer<T> | undefined
    if (existing === undefined) return undefined
    const { isRetired } = existing.fanOut
    if (isEmpty(options) && !isRetired) return existing.handle()
    throw new StreamAlreadyProducedError(stream.name, isRetired, () => existing.handle() as Producer<unknown>)
  }

  /** Producers take two consumers of one name for one, of which only the later is served. */
  #assertNameFree({ id, name }: StreamDefinition<unknown>, consumerName: string | undefined): void {
    if (consumerName === undefined) return
    for (const consumer of this.#consumers.get(id) ?? []) {
      if (!consumer.isNamed(consumerName)) continue
      throw new MosaikError(
        'CONSUMER_NAME_TAKEN',
        `this node has a consumer "${consumerName}" of stream "${name}" already: close it first, or use another name`,
      )
    }
  }

  #fingerprintOf(stream: StreamId): Digest | undefined {
    const [consumer] = this.#consumers.get(stream) ?? []
    return (consumer ?? this.#producers.get(stream)?.fanOut)?.stream.fingerprint
  }

  #fanOuts(): FanOut<unknown>[] {
    return Array.from(this.#producers.values(), ({ fanOut }) => fanOut)
  }

  #fanIns(): FanIn<unknown>[] {
    const all: FanIn<unknown>[] = []
    for (const consumers of this.#consumers.values()) for (const consumer of consumers) all.push(consumer)
    return all
  }

  /** All peers of the catalog: looked up once for all consumers that begin while no peer comes, goes or says anything. */
  #peersOf({ me, peers }: Catalog): readonly PeerId[] {
    if (this.#peers?.of !== peers) this.#peers = { of: peers, ids: [me.peer, ...peers.keys()] }
    return this.#peers.ids
  }

  #offer(side: 'produces' | 'consumes', { id, name, fingerprint }: StreamDefinition<unknown>): void {
    const offer: StreamOffer = { id, name, fingerprint }
    const isSame = (other: StreamOffer): boolean => other.id === id && other.fingerprint === fingerprint
    this.#context.discovery.update((entry) =>
      entry[side].some(isSame) ? {} : { [side]: [...entry[side].filter((other) => other.id !== id), offer] },
    )
  }

  #withdraw(side: 'produces' | 'consumes', stream: StreamId): void {
    try {
      this.#context.discovery.update((entry) => ({ [side]: entry[side].filter(({ id }) => id !== stream) }))
    } catch (error) {
      // Discovery was closed first: then this node has said goodbye, and offers nothing any more.
      if (!isMosaikError(error, 'DISCOVERY_CLOSED')) throw error
    }
  }

  #onConsumerClosed(consumer: FanIn<unknown>): void {
    const { id } = consumer.stream
    const consumers = this.#consumers.get(id)
    if (consumers?.delete(consumer) !== true || consumers.size > 0) return
    this.#consumers.delete(id)
    this.#withdraw('consumes', id)
  }

  /**
   * Everybody is told only of what has changed: most of a large network has nothing to do with a stream. What this node
   * says of itself is told once for all that it says in one go: who begins to consume a thousand streams says as much.
   */
  #onCatalog(catalog: Catalog): void {
    const changed = catalog.changedSince(this.#catalog)
    if (changed.some((peer) => peer !== catalog.me.peer)) this.#takeIn(catalog, changed)
    else if (!this.#isOwnChangeDue) {
      this.#isOwnChangeDue = true
      queueMicrotask(() => {
        this.#isOwnChangeDue = false
        const latest = this.#context.discovery.catalog.value
        this.#takeIn(latest, latest.changedSince(this.#catalog))
      })
    }
  }

  #takeIn(catalog: Catalog, changed: readonly PeerId[]): void {
    this.#catalog = catalog
    this.#tell(catalog, changed)
  }

  /** This node has begun to produce a stream, or has ended: a consumer of its own follows that, not the announcement. */
  #onLocalProducer(): void {
    this.#tell(this.#catalog, [this.#catalog.me.peer])
  }

  #tell(catalog: Catalog, changed: readonly PeerId[]): void {
    const fanOuts = this.#fanOuts()
    if (fanOuts.length > 0) {
      const changedSet = new Set(changed)
      for (const producer of fanOuts) producer.onCatalog(catalog, changedSet)
    }
    for (const consumer of this.#fanIns()) consumer.onCatalog(catalog, changed)
  }

  /** A consumer of another node asks to subscribe. */
  async #handleLink(link: Link, accept: (payload?: unknown) => Promise<void>): Promise<void> {
    const judged = this.#judge(link)
    if ('refusal' in judged) {
      await link.close(judged.refusal.reason)
      return
    }
    const { producer, entry, request } = judged
    link.forgetPayloads()
    const greeting = producer.welcome(request, entry)
    if (greeting === undefined) {
      await link.close(outdated)
      return
    }
    // Not awaited: for as long as the consumer is served, this need not stay.
    return producer.serve(link, request, entry, greeting.sequence, async () => {
      const me = this.#introductions.for(link.peer)
      await accept(openingPayload({ ...greeting, entry: me.entry }))
      me.onTold()
      link.forgetPayloads()
    })
  }

  /** @returns What lives as long as the subscription: without the signed entry and the shape, which have done their work. */
  #judge(
    link: Link,
  ):
    | { readonly refusal: Pick<Refusal, 'reason'> }
    | { readonly producer: FanOut<unknown>; readonly entry: PeerEntry; readonly request: SubscribeRequest } {
    const { discovery, metrics } = this.#context
    let subscribe: Subscribe
    try {
      subscribe = parseSubscribe(link.openPayload)
    } catch (error) {
      metrics.asked(undefined, 'malformed')
      return { refusal: { reason: closeReason(CloseReasons.ProtocolViolation, messageOf(error)) } }
    }
    const { entry, ...request } = subscribe
    learnEntry(this.#context, link.peer, entry)
    const admitted = this.#admit(request, discovery.catalog.value.get(link.peer))
    return 'refusal' in admitted ? admitted : { ...admitted, request: { ...request, shape: undefined } }
  }

  #admit(
    request: SubscribeRequest,
    entry: PeerEntry | undefined,
  ): { readonly refusal: Refusal } | { readonly producer: FanOut<unknown>; readonly entry: PeerEntry } {
    const { metrics, logger } = this.#context
    const { stream, fingerprint, shape } = request
    const found = this.#producers.get(stream)
    const producer = found?.fanOut.isRetired === false ? found.fanOut : undefined
    const label = entry === undefined ? 'of an unknown peer' : peerLabel(entry)
    const rules = entry === undefined ? undefined : producer?.admissionRules(request, entry)
    const refusal = admissionRefusal({ entry, fingerprint, shape, label }, rules)
    metrics.asked(producer === undefined ? undefined : stream, refusal?.result ?? 'accepted')
    if (refusal === undefined && producer !== undefined && entry !== undefined) return { producer, entry }
    const { reason, result } = refusal ?? streamNotFound
    producer?.onRefused()
    const level = result === 'schema' ? 'warn' : 'debug'
    logger[level](`refused consumer ${label}`, {
      stream: request.name,
      reason: reason.message ?? reason.name,
    })
    return { refusal: { reason, result } }
  }

  async #open(
    entry: PeerEntry,
    request: SubscribeRequest,
    signal: AbortSignal,
    isNearOnly: boolean,
  ): Promise<Link> {
    const { host } = this.#context
    if (entry.peer === host.peerId) return this.#openLocal(entry, request)
    using _slot = await this.#openings.take(signal)
    if (isNearOnly) await measureRoundTrip(this.#context, entry, signal)
    const { peer, addresses } = entry
    // Not before: whoever begins to consume a hundred streams at once says the hundred of them once.
    const me = this.#introductions.for(peer)
    try {
      const payload = openingPayload({ ...request, entry: me.entry })
      const link = await host.open({ peer, addresses }, streamsProtocol, { signal, payload })
      me.onTold()
      return link
    } catch (error) {
      this.#introductions.forget(peer)
      throw error
    }
  }

  /** The same subscription, admission included, over a link that does not leave the process. */
  #openLocal(me: PeerEntry, request: SubscribeRequest): Link {
    const refused = (reason: CloseReason): LinkClosedError =>
      new LinkClosedError(reason, 'remote', { peer: me.peer, protocol: streamsProtocol.id })
    const admitted = this.#admit(request, me)
    if ('refusal' in admitted) throw refused(admitted.refusal.reason)
    const { producer } = admitted
    const greeting = producer.welcome(request, me)
    if (greeting === undefined) throw refused(outdated)
    const [ours, theirs] = linkPair({
      protocol: streamsProtocol,
      peerA: me.peer,
      peerB: me.peer,
      openPayload: openingPayload({ ...request, entry: noBytes }),
      acceptPayload: openingPayload({ ...greeting, entry: noBytes }),
      clock: this.#context.clock,
    })
    this.#local.spawn(`local subscription to "${request.name}"`, () =>
      producer.serve(theirs, request, me, greeting.sequence, () => Promise.resolve()),
    )
    return ours
  }

  #users(): (FanOut<unknown> | FanIn<unknown>)[] {
    return [...this.#fanOuts(), ...this.#fanIns()]
  }

  #mirrorMetrics(): () => void {
    return this.#context.metrics.mirror({
      names: () => new Map(this.#users().map(({ stream }) => [stream.id, stream.name])),
      producers: () => this.#producers.size,
      consumers: () =>
        [...this.#producers].map(([id, { fanOut }]) => [id, fanOut.subscriptions.value.length]),
      queueItems: () => [...this.#producers].map(([id, { fanOut }]) => [id, fanOut.fullestQueue().datums]),
      producersOfConsumer: () => {
        const counts = new Map<StreamId, number>()
        for (const { stream, subscriptions } of this.#fanIns()) {
          const connected = subscriptions.value.filter(({ state }) => state === 'connected').length
          counts.set(stream.id, (counts.get(stream.id) ?? 0) + connected)
        }
        return counts
      },
    })
  }

  async #shutDown(): Promise<void> {
    this.#isClosing = true
    await Promise.all(this.#fanIns().map((consumer) => consumer.close()))
    await Promise.all([...this.#producers.values()].map(({ fanOut }) => fanOut.close()))
    for (const stop of this.#stops) stop()
    await this.#local.close()
    this.#statuses.end()
  }
}
