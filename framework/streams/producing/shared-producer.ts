import { MosaikError, Watch, type ReadonlyWatch } from '#framework/primitives'
import { streamConditions, type StreamConditions } from '../conditions.js'
import { accepted } from './datum-sender.js'
import type { StreamDefinition } from '../definition.js'
import type { FanOut } from './fan-out.js'
import type { Producer, ProducerStats } from '../producer.js'
import { ProducerError } from '../producer-error.js'
import type { SubscriptionStatus } from '../subscription-status.js'

/** The one producer of a stream on a node, and how many handles to it are open. It closes with the last of them. */
export class SharedProducer<T> {
  readonly fanOut: FanOut<T>
  #handles = 0

  constructor(fanOut: FanOut<T>) {
    this.fanOut = fanOut
  }

  /** One more handle. Of a producer that is closing already it is a closed one. */
  handle(): Producer<T> {
    this.#handles++
    return new ProducerHandle(this.fanOut, () => this.#release())
  }

  async #release(): Promise<void> {
    this.#handles--
    if (this.#handles === 0) await this.fanOut.close()
  }
}

/**
 * One of the handles of a producer. Whatever one of them sends goes through the same queues to the same consumers; only
 * its end is its own. What it has sent before that, sends that still wait included, is the producer's business.
 */
class ProducerHandle<T> implements Producer<T> {
  readonly stream: StreamDefinition<T>
  readonly subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>

  readonly #producer: FanOut<T>
  readonly #release: () => Promise<void>
  readonly #what: string
  readonly #statuses: Mirror<readonly SubscriptionStatus[]>
  readonly #online: Mirror<boolean>
  #closed: Promise<void> | undefined

  constructor(producer: FanOut<T>, release: () => Promise<void>) {
    this.stream = producer.stream
    this.#producer = producer
    this.#release = release
    this.#what = `producer of stream "${producer.stream.name}"`
    this.#statuses = new Mirror(producer.subscriptions)
    this.#online = new Mirror(producer.isOnline)
    this.subscriptions = this.#statuses.watch
  }

  get online(): boolean {
    return this.#closed === undefined && this.#producer.online
  }

  // Not an async function: see FanOut.
  send(datum: T, options?: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closedError(datum))
    return this.#producer.send(datum, options)
  }

  async sendMany(
    datums: Iterable<T>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    if (Array.isArray(datums)) return this.#sendArray(datums as readonly T[], options)
    for (const datum of datums) {
      const sent = this.send(datum, options)
      // Waiting for what is done already would cost more than the rest.
      if (sent !== accepted) await sent
    }
  }

  /** The same without an iterator, which would be called for each datum. */
  async #sendArray(
    datums: readonly T[],
    options: { readonly signal?: AbortSignal | undefined } | undefined,
  ): Promise<void> {
    for (let index = 0; index < datums.length; index++) {
      const sent = this.send(datums[index]!, options)
      if (sent !== accepted) await sent
    }
  }

  trySend(datum: T): void {
    if (this.#closed !== undefined) throw this.#closedError(datum)
    this.#producer.trySend(datum)
  }

  when(): StreamConditions {
    return streamConditions(this.#what, this.#online.watch, this.#statuses.watch)
  }

  stats(): ProducerStats {
    return this.#producer.stats()
  }

  async drain(options?: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    if (this.#closed !== undefined) {
      throw new MosaikError('PRODUCER_CLOSED', `${this.#what}: this handle was closed`)
    }
    await this.#producer.drain(options)
  }

  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    await this.#release()
    // Of a producer that has closed, both have ended with it.
    this.#statuses.end([])
    this.#online.end(false)
  }

  #closedError(datum: T): ProducerError<T> {
    return new ProducerError('PRODUCER_CLOSED', `${this.#what}: this handle was closed`, datum)
  }
}

/** A watch that follows another one until one of the two is ended. */
class Mirror<T> {
  readonly watch: ReadonlyWatch<T>
  readonly #own: Watch<T>
  readonly #stop: () => void

  constructor(source: ReadonlyWatch<T>) {
    this.#own = new Watch(source.value)
    this.#stop = source.subscribe(
      (value) => this.#own.set(value),
      (cause) => this.#own.end(cause),
    )
    this.watch = this.#own.asReadonly()
  }

  /** @param last The value from now on. */
  end(last: T): void {
    this.#stop()
    this.#own.set(last)
    this.#own.end()
  }
}
