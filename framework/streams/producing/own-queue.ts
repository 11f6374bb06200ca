import type { ConsumerQueue } from './consumer-queue.js'
import type { DatumFrameWriter } from '../codec/datum-frame.js'
import type { DatumLog, LogReader } from './datum-log.js'
import type { LogCursor } from './log-segment.js'
import {
  SendQueue,
  type FrameBudget,
  type Gap,
  type OfferOutcome,
  type QueuedDatum,
  type SendQueueLimits,
} from './send-queue.js'

export interface OwnQueueOptions<T> {
  readonly log: DatumLog<T>
  readonly limits: SendQueueLimits
  /** In front of the first datum that the consumer gets. The queue owns it from here on. */
  readonly cursor: LogCursor
  /** Whether datums are kept until they are acknowledged. */
  readonly isAcknowledged: boolean
  /** Whether the consumer wants a datum. Default: it wants all. */
  readonly isWanted?: ((datum: QueuedDatum) => boolean) | undefined
}

/** How many datums are taken from the log at a time: judging them takes a while, and few of them may be wanted. */
const fedAtOnceMax = 1024

/**
 * What waits for a consumer that does not get every datum, because it drops the newest ones or has criteria: copies in a
 * queue of its own, since a few datums here and there would keep whole segments of the log. While it has datums of the
 * replay before it, it takes them from the log as it has room, and live ones after them in the same way.
 */
export class OwnQueue<T> implements ConsumerQueue, LogReader {
  readonly #log: DatumLog<T>
  readonly #limits: SendQueueLimits
  readonly #queue: SendQueue
  readonly #isWanted: ((datum: QueuedDatum) => boolean) | undefined
  /** In front of the next datum to be taken from the log; undefined when all were, and live ones are offered. */
  #cursor: LogCursor | undefined
  /** The replay has let go of datums that wait in the log for this queue alone. */
  #isHoldingUp = false

  constructor({ log, limits, cursor, isAcknowledged, isWanted }: OwnQueueOptions<T>) {
    this.#log = log
    this.#limits = limits
    this.#queue = new SendQueue(limits, cursor.sequence, isAcknowledged)
    this.#cursor = cursor
    this.#isWanted = isWanted
    log.attach(this)
    this.#feed()
  }

  get length(): number {
    return this.#queue.length
  }

  get byteLength(): number {
    return this.#queue.byteLength
  }

  get unwrittenCount(): number {
    return (
      this.#queue.unwrittenCount + (this.#cursor === undefined ? 0 : this.#log.next - this.#cursor.sequence)
    )
  }

  get unwrittenBytes(): number {
    return (
      this.#queue.unwrittenBytes + (this.#cursor === undefined ? 0 : this.#log.payload - this.#cursor.payload)
    )
  }

  get droppedCount(): number {
    return this.#queue.droppedCount
  }

  get unwantedCount(): number {
    return this.#queue.unwantedCount
  }

  get writtenUpTo(): number {
    return this.#queue.writtenUpTo
  }

  get acknowledgedUpTo(): number {
    return this.#queue.acknowledgedUpTo
  }

  hasRoomFor(byteLength: number): boolean {
    return this.#cursor === undefined ? this.#queue.hasRoomFor(byteLength) : !this.#isHoldingUp
  }

  /** Whether the consumer does not want every datum. */
  get isSelective(): boolean {
    return this.#isWanted !== undefined
  }

  /** Puts the datum that was committed last at the end, or does what the overflow policy says. */
  offer(datum: QueuedDatum): OfferOutcome {
    if (this.#cursor !== undefined) return 'queued'
    if (this.wants(datum)) return this.#queue.offer(datum)
    this.#queue.pass(datum.sequence)
    return 'unwanted'
  }

  /** Whether the datum that is to be committed next, or was committed last, is one for this consumer. */
  wants(datum: QueuedDatum): boolean {
    return this.#isWanted === undefined || this.#isWanted(datum)
  }

  /** Goes without the datum that was committed last, which counts as dropped. */
  skip(sequence: number): void {
    this.#queue.skip(sequence)
  }

  fill(frame: DatumFrameWriter, budget: FrameBudget): number {
    this.#feed()
    const moved = this.#queue.fill(frame, budget)
    this.#feed()
    return moved
  }

  takeGap(unwantedMin?: number): Gap | undefined {
    return this.#queue.takeGap(unwantedMin)
  }

  acknowledge(sequence: number): void {
    this.#queue.acknowledge(sequence)
  }

  rewind(sequence: number): void {
    this.#queue.rewind(sequence)
  }

  settle(): void {
    const cursor = this.#cursor
    if (cursor === undefined) return
    while (cursor.leaveSegment());
    if (cursor.sequence === this.#log.next || this.#log.retains(cursor)) return
    if (this.#limits.overflow === 'block') {
      this.#isHoldingUp = true
      return
    }
    const oldest = this.#log.cursorAtOldest()
    cursor.moveToCursor(oldest)
    oldest.release()
    this.#queue.skipTo(cursor.sequence)
  }

  clear(): void {
    this.#giveUpRest()
    this.#queue.clear()
  }

  abandon(): void {
    this.#giveUpRest()
    this.#queue.abandon()
  }

  /** Takes from the log what there is room for. */
  #feed(): void {
    const cursor = this.#cursor
    if (cursor === undefined) return
    for (let fed = 0; cursor.sequence < this.#log.next; fed++) {
      if (fed === fedAtOnceMax) return
      const datum = datumAt(cursor)
      if (!this.wants(datum)) {
        this.#queue.pass(datum.sequence)
      } else {
        if (!this.#queue.hasRoomFor(datum.bytes.byteLength)) return
        this.#queue.offer(datum)
      }
      cursor.step()
    }
    this.#release()
  }

  /** What is still in the log is lost, if it was wanted. */
  #giveUpRest(): void {
    const cursor = this.#cursor
    if (cursor === undefined) return
    for (; this.isSelective && cursor.sequence < this.#log.next; cursor.step()) {
      const datum = datumAt(cursor)
      if (this.wants(datum)) this.#queue.skip(datum.sequence)
      else this.#queue.pass(datum.sequence)
    }
    this.#queue.skipTo(this.#log.next)
    this.#release()
  }

  #release(): void {
    this.#cursor?.release()
    this.#cursor = undefined
    this.#log.detach(this)
  }
}

function datumAt(cursor: LogCursor): QueuedDatum {
  while (cursor.leaveSegment());
  const { sequence, segment } = cursor
  return { sequence, bytes: segment.buffer.subarray(cursor.startOfDatum, cursor.endOfDatum) }
}
