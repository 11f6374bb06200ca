import { nextTurn, type Clock, type ReadonlyWatch } from '#framework/primitives'
import type { ConsumerQueue } from './consumer-queue.js'
import type { ConsumerQueues } from './consumer-queues.js'
import { segmentBytesMax, type DatumLog } from './datum-log.js'
import type { StreamDefinition } from '../definition.js'
import { draftDatum, validateDatum } from './encode-datum.js'
import { FlushSchedule } from './flush-schedule.js'
import { ProducerError, type ProducerErrorCode } from '../producer-error.js'
import { ReplayExpiry } from './replay-expiry.js'
import type { SegmentPool } from './segment-pool.js'
import { datumBytesMin } from './send-queue.js'
import { TurnBudget } from '../turn-budget.js'
import { WaitingSends } from './waiting-sends.js'

export interface DatumSenderOptions<T> {
  readonly stream: StreamDefinition<T>
  /** How messages call the producer. */
  readonly what: string
  readonly log: DatumLog<T>
  readonly queues: ConsumerQueues<T>
  /** Memory for sends that wait. */
  readonly pool: SegmentPool
  /** Whether enough consumers are subscribed. */
  readonly online: ReadonlyWatch<boolean>
  readonly clock: Clock
  /** Writes what waits for consumers, as far as it may be written. */
  readonly onFlush: () => void
  /** Consumers have no room for a datum that was accepted, and their policy is to be closed. */
  readonly onLagging: (queues: readonly ConsumerQueue[]) => void
  /** A datum was refused because it does not satisfy the schema, or cannot be encoded. */
  readonly onInvalid: () => void
  /** A datum was accepted that is for nobody. */
  readonly onUndelivered: (datum: T) => void
  /** A send has begun to wait, or some of those that waited have gone through. */
  readonly onWaiting: () => void
}

/** What {@link DatumSender.send} returns when there is nothing to wait for. */
export const accepted: Promise<void> = Promise.resolve()

/** The way of a datum from the application into the queues: judged and encoded once, accepted when there is room, in order. */
export class DatumSender<T> {
  readonly #options: DatumSenderOptions<T>
  readonly #log: DatumLog<T>
  readonly #queues: ConsumerQueues<T>
  readonly #online: ReadonlyWatch<boolean>
  readonly #waiting: WaitingSends<T>
  readonly #budget = new TurnBudget()
  readonly #flushes = new FlushSchedule(() => this.#flush())
  readonly #expiry: ReplayExpiry
  /** How many bytes the log had when everything was written that may be. */
  #flushedBytes = 0
  #invalidCount = 0
  #isPumping = false
  #isClosed = false

  constructor(options: DatumSenderOptions<T>) {
    this.#options = options
    this.#log = options.log
    this.#queues = options.queues
    this.#online = options.online
    this.#waiting = new WaitingSends(options.pool, this.pump)
    // What a consumer missed of what has expired shows behind what it has.
    this.#expiry = new ReplayExpiry(options.log, options.clock, () => this.#flush())
  }

  /** How many sends wait, for consumers or for room. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  /** The length of the datum that waits first; 0 when none does. */
  get waitingBytes(): number {
    return this.#waiting.firstByteLength ?? 0
  }

  /** Datums that were refused because they do not satisfy the schema. */
  get invalidCount(): number {
    return this.#invalidCount
  }

  // Not an async function: a send that need not wait costs no promise of its own.
  send(datum: T, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    let byteLength = 0
    try {
      this.#assertOpen(datum)
      if (this.#waiting.size > 0 || !this.#online.value) return this.#sendLater(datum, signal)
      if (this.#queues.areDropping) {
        this.#lose(datum)
      } else {
        byteLength = this.#draft(datum)
        if (!this.#queues.hasRoomFor(byteLength)) return this.#addToWaiting(datum, signal)
        this.#dispatch(datum)
      }
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#budget.spend(byteLength) ? nextTurn() : accepted
  }

  /** @throws ProducerError */
  trySend(datum: T): void {
    this.#assertOpen(datum)
    if (!this.#online.value) {
      throw this.#error('PRODUCER_OFFLINE', 'too few consumers are subscribed', datum)
    }
    if (this.#waiting.size > 0) throw this.#error('PRODUCER_FULL', 'earlier sends are waiting', datum)
    // What is known before the datum is encoded: a producer that is refused tries again and again.
    if (!this.#queues.hasRoomFor(datumBytesMin)) throw this.#noRoomError(datum)
    if (this.#queues.areDropping) return this.#lose(datum)
    if (!this.#queues.hasRoomFor(this.#draft(datum))) throw this.#noRoomError(datum)
    this.#dispatch(datum)
  }

  /** Lets waiting sends through, in order, as long as there is room. */
  readonly pump = (): void => {
    // Sending makes room, which calls this again: the loop that is going on sees to it. And a datum of which a getter
    // withdraws a send is still being encoded, where the next one would be put: they go when there is room again.
    if (this.#isPumping || this.#log.isDrafting) return
    this.#isPumping = true
    try {
      this.#waiting.release(
        ({ bytes }) => this.#online.value && this.#queues.hasRoomFor(bytes.byteLength),
        ({ datum, bytes }) => {
          this.#log.draftEncoded(bytes)
          this.#dispatch(datum)
        },
      )
    } finally {
      this.#isPumping = false
    }
    this.#options.onWaiting()
  }

  /** Accepts nothing any more, and rejects the sends that wait. */
  close(): void {
    this.#isClosed = true
    this.#expiry[Symbol.dispose]()
    this.#waiting.rejectAll(({ datum }) =>
      this.#error('PRODUCER_CLOSED', 'it was closed while the send waited', datum),
    )
    this.#options.onWaiting()
  }

  /** Puts the draft, which is what became of the datum, into all queues. */
  #dispatch(datum: T): void {
    const log = this.#log
    const lagging = this.#queues.makeRoom()
    // What waits fills a frame: written now, it is one, and nothing of this datum has to go with it.
    if (log.framedBytes - this.#flushedBytes + log.draftBytes >= segmentBytesMax) this.#flush()
    log.commit()
    const isOffered = this.#queues.offer()
    this.#flushes.notify()
    this.#expiry.onDatum()
    // Only now that every queue has the datum: closing tells others, who may send the next one in answer.
    if (lagging.length > 0) this.#options.onLagging(lagging)
    if (!isOffered) this.#options.onUndelivered(datum)
  }

  /** What `#dispatch` does with a datum that every queue drops; it must be a valid one all the same. */
  #lose(datum: T): void {
    try {
      validateDatum(this.#options.stream, datum)
    } catch (error) {
      this.#countInvalid()
      throw error
    }
    this.#queues.skip()
  }

  #sendLater(datum: T, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.isFull) throw this.#waitingError(datum)
    this.#draft(datum)
    return this.#addToWaiting(datum, signal)
  }

  /** Has the draft wait for its turn. */
  #addToWaiting(datum: T, signal: AbortSignal | undefined): Promise<void> {
    const view = this.#log.draftView
    if (!this.#waiting.hasRoomFor(view)) throw this.#waitingError(datum)
    // Whoever held up sends that were withdrawn since has its time again.
    if (this.#waiting.size === 0) this.#options.onWaiting()
    const sent = this.#waiting.add(datum, view, signal)
    this.#options.onWaiting()
    return sent
  }

  /**
   * Makes a datum the log's draft.
   *
   * @returns How long it is.
   * @throws ProducerError
   */
  #draft(datum: T): number {
    try {
      return draftDatum(this.#options.stream, this.#log, datum)
    } catch (error) {
      this.#countInvalid()
      throw error
    }
  }

  #countInvalid(): void {
    this.#invalidCount++
    this.#options.onInvalid()
  }

  #flush(): void {
    this.#flushedBytes = this.#log.framedBytes
    this.#options.onFlush()
  }

  #assertOpen(datum: T): void {
    if (this.#isClosed) throw this.#error('PRODUCER_CLOSED', 'it was closed', datum)
  }

  #noRoomError(datum: T): ProducerError<T> {
    return this.#error('PRODUCER_FULL', 'a consumer has no room', datum)
  }

  #waitingError(datum: T): ProducerError<T> {
    return this.#error('PRODUCER_FULL', `${this.#waiting.size} sends are waiting`, datum)
  }

  #error(code: ProducerErrorCode, message: string, datum: T): ProducerError<T> {
    return new ProducerError(code, `${this.#options.what}: ${message}`, datum)
  }
}
