import type { Catalog, PeerEntry } from '#framework/discovery'
import { CloseReasons, closeReason, type CloseReason } from '#framework/network'
import {
  messageOf,
  MosaikError,
  nextTurn,
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
import type { Consumer, ConsumerOptions, ConsumerStats, Envelope } from './consumer.js'
import type { StreamDefinition } from './definition.js'
import { Inbox } from './inbox.js'
import type { ConsumerCounters } from './metrics.js'
import { GuardedPredicate } from './predicate.js'
import type { StreamsContext } from './streams-context.js'
import type { SubscriptionStatus } from './subscription-status.js'
import { TurnBudget } from './turn-budget.js'
import { Upstream, type OpenSubscription, type UpstreamOwner } from './upstream.js'
import { shapeCharsMax, type Subscribe } from './wire.js'

/** Calls of `recv` that may wait at a time. */
const waitingMax = 1024
/** The most datums that are handed out as one batch. */
const batchMax = 1024
const subscriberBytes = 8

/** A call that waits for a datum. */
interface WaitingReader<T> {
  readonly give: (envelope: Envelope<T> | undefined) => void
  readonly fail: (cause: unknown) => void
}

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
  readonly #require: GuardedPredicate
  readonly #counters: ConsumerCounters
  readonly #what: string
  readonly #upstreamOwner: UpstreamOwner
  readonly #upstreams = new Map<PeerId, Upstream>()
  readonly #tasks: TaskScope
  readonly #inbox: Inbox<T>
  readonly #statuses = new Watch<readonly SubscriptionStatus[]>([])
  readonly #online: Watch<boolean>
  readonly #readers = new Set<WaitingReader<T>>()
  readonly #budget = new TurnBudget()
  /** So much was taken that the event loop must turn before more is. */
  #isTurnDue = false
  #me: PeerEntry
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
    this.#require = new GuardedPredicate(options.require, this.#what, context.logger)
    this.#counters = context.metrics.forConsumer(stream.id)
    this.#inbox = new Inbox(stream)
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
    return (await this.#next(options.signal))?.datum
  }

  tryRecv(): T | undefined {
    return this.#inbox.take()?.datum
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#iterate((envelope) => envelope.datum)
  }

  envelopes(): AsyncIterable<Envelope<T>> {
    return { [Symbol.asyncIterator]: () => this.#iterate((envelope) => envelope) }
  }

  batches(): AsyncIterable<readonly T[]> {
    return {
      [Symbol.asyncIterator]: () =>
        this.#iterate((envelope) => {
          const batch = [envelope.datum]
          while (batch.length < batchMax) {
            const next = this.#inbox.take()
            if (next === undefined) break
            batch.push(next.datum)
          }
          return batch
        }),
    }
  }

  stats(): ConsumerStats {
    return {
      received: this.#received,
      bytes: this.#bytes,
      bufferedBytes: this.#inbox.byteLength,
      gaps: this.#gaps,
      lost: this.#lost,
      invalid: this.#invalid,
      predicateErrors: this.#require.errorCount,
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Follows the catalog: subscribes to producers that qualify, and leaves those that no longer do. */
  onCatalog(catalog: Catalog): void {
    if (this.#isClosing) return
    this.#noteOwnEntry(catalog.me)
    let isChanged = false
    for (const upstream of this.#upstreams.values()) {
      const entry = catalog.get(upstream.producer)
      const reason = this.#reasonToLeave(entry)
      if (entry !== undefined && reason === undefined) {
        isChanged = upstream.onEntry(entry) || isChanged
        this.#leaveIfRetired(upstream)
      } else {
        this.#leaveProducer(upstream, reason ?? CloseReasons.Cancelled)
        isChanged = true
      }
    }
    for (const entry of this.#candidates(catalog)) {
      if (this.#upstreams.has(entry.peer) || !this.#require.accepts(entry)) continue
      this.#follow(entry)
      isChanged = true
    }
    if (isChanged) this.#refresh()
  }

  /** The entries that offer the stream; this node's own too, when it produces the stream at this moment. */
  *#candidates(catalog: Catalog): Generator<PeerEntry> {
    if (this.#owner.producesHere()) yield catalog.me
    for (const entry of catalog.peers.values()) if (this.#isOfferedBy(entry)) yield entry
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

  #reasonToLeave(entry: PeerEntry | undefined): CloseReason | undefined {
    if (entry === undefined) return closeReason(CloseReasons.UnknownPeer, 'the peer has left the catalog')
    if (this.#require.accepts(entry)) return undefined
    return closeReason(CloseReasons.NotAllowed, 'the consumer does not accept this peer any more')
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
      backoff: options.backoff ?? {},
      open: this.#owner.open,
      request: (attempt): Subscribe => ({
        stream: id,
        name,
        fingerprint,
        ...(shape.length <= shapeCharsMax && { shape }),
        windowBytes,
        entry: this.#context.discovery.signedEntry(),
        subscriber,
        attempt,
      }),
      onFrame: (source, reader, { lostBefore, receivedAtMs }) => {
        this.#counters.receivedItems.add(reader.count)
        this.#counters.receivedBytes.add(reader.payloadBytes)
        this.#inbox.put({ source, reader, lostBefore, receivedAtMs })
        this.#serveReaders()
      },
      onLost: (count) => {
        this.#gaps++
        this.#lost += count
        this.#counters.lostItems.add(count)
      },
      onTaken: (byteLength) => {
        this.#received++
        this.#bytes += byteLength
        if (this.#budget.spend(byteLength)) this.#isTurnDue = true
      },
      onInvalid: () => {
        this.#invalid++
        this.#counters.invalidItems.add()
      },
      onStatus: (upstream) => {
        this.#refresh()
        if (this.#leaveIfRetired(upstream)) this.#refresh()
      },
    }
  }

  /** The next datum; undefined at the end. */
  #next(signal: AbortSignal | undefined): Promise<Envelope<T> | undefined> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const envelope = this.#readers.size === 0 ? this.#inbox.take() : undefined
    if (envelope !== undefined) {
      if (!this.#isTurnDue) return Promise.resolve(envelope)
      this.#isTurnDue = false
      return nextTurn().then(() => envelope)
    }
    if (this.#isClosing)
      return this.#failure === undefined ? Promise.resolve(undefined) : Promise.reject(this.#failure.cause)
    if (this.#readers.size >= waitingMax) {
      return Promise.reject(
        new MosaikError('CONSUMER_BUSY', `${this.#what}: ${waitingMax} calls wait for a datum`),
      )
    }
    return this.#wait(signal)
  }

  #wait(signal: AbortSignal | undefined): Promise<Envelope<T> | undefined> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#readers.delete(reader)
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => reader.fail(signal?.reason)
      const reader: WaitingReader<T> = {
        give: (envelope) => {
          leave()
          resolve(envelope)
        },
        fail: (cause) => {
          leave()
          reject(cause as Error)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#readers.add(reader)
    })
  }

  #serveReaders(): void {
    for (const reader of this.#readers) {
      const envelope = this.#inbox.take()
      if (envelope === undefined) return
      reader.give(envelope)
    }
  }

  #iterate<R>(present: (envelope: Envelope<T>) => R): AsyncIterator<R> {
    const shown = (envelope: Envelope<T> | undefined): IteratorResult<R> =>
      envelope === undefined ? { done: true, value: undefined } : { done: false, value: present(envelope) }
    return {
      next: () => this.#next(undefined).then(shown),
      return: () => Promise.resolve({ done: true, value: undefined }),
    }
  }

  /** Shows what has changed: who is subscribed to, and whether that is enough. */
  #refresh(): void {
    const statuses = [...this.#upstreams.values()].map((upstream) => upstream.status())
    this.#statuses.set(statuses)
    if (!this.#isClosing) this.#online.set(isSatisfied(this.#onlineWhen, statuses))
    this.#owner.onSubscriptions()
  }

  async #leave(): Promise<void> {
    this.#isClosing = true
    this.#online.set(false)
    for (const upstream of this.#upstreams.values()) upstream.stop(CloseReasons.Cancelled)
    const cause = this.#failure?.cause
    for (const reader of this.#readers) {
      if (this.#failure === undefined) reader.give(undefined)
      else reader.fail(cause)
    }
    await this.#tasks.close()
    this.#upstreams.clear()
    this.#refresh()
    this.#statuses.end(cause)
    this.#online.end(cause)
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
