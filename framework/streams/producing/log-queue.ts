import type { ConsumerQueue } from './consumer-queue.js'
import { datumFrameHeadBytes, type DatumFrameWriter } from '../codec/datum-frame.js'
import type { DatumLog, LogReader } from './datum-log.js'
import type { LogCursor } from './log-segment.js'
import type { FrameBudget, Gap, SendQueueLimits } from './send-queue.js'
import { SequenceRanges } from './sequence-ranges.js'

export interface LogQueueOptions {
  readonly log: DatumLog<unknown>
  readonly limits: SendQueueLimits
  /** In front of the first datum that the consumer gets. The queue owns it from here on. */
  readonly cursor: LogCursor
  /** Whether datums are kept until they are acknowledged. */
  readonly isAcknowledged: boolean
}

/**
 * What waits for one consumer, as a place in the producer's log: nothing is copied before it is written, and a datum that
 * is appended to the log waits here without anything being done. Pure.
 *
 * A consumer that begins with datums of the replay is *catching up*: what it has before it does not count towards the
 * limits, because the replay keeps it anyway, until it is within the limits for the first time. When the replay lets go
 * of datums that it has not got yet, they count from then on under `block`, and are lost for it otherwise.
 */
export class LogQueue implements ConsumerQueue, LogReader {
  readonly #log: DatumLog<unknown>
  readonly #limits: SendQueueLimits
  /** In front of the next datum to be written. */
  readonly #cursor: LogCursor
  /** In front of the oldest datum that counts; the cursor itself, unless datums have to be acknowledged. */
  readonly #place: LogCursor
  #isCatchingUp: boolean
  #isOver = false
  #droppedCount = 0
  /** The consumer knows about everything below. */
  #told: number
  /** The consumer says that it has acknowledged everything below. */
  #acknowledged: number
  /** Everything below was written since the consumer is subscribed, unless it was given up. */
  #sentUpTo: number
  /** Written and given up before it was acknowledged: dropped for a consumer that comes back without it. */
  readonly #givenUp = new SequenceRanges()

  constructor({ log, limits, cursor, isAcknowledged }: LogQueueOptions) {
    this.#log = log
    this.#limits = limits
    this.#cursor = cursor
    this.#place = isAcknowledged ? cursor.clone() : cursor
    this.#told = cursor.sequence
    this.#acknowledged = cursor.sequence
    this.#sentUpTo = cursor.sequence
    this.#isCatchingUp = !this.#isWithinLimits
    log.attach(this)
  }

  get length(): number {
    return this.#isOver ? 0 : this.#log.next - this.#place.sequence
  }

  get byteLength(): number {
    return this.#isOver ? 0 : this.#log.payload - this.#place.payload
  }

  get unwrittenCount(): number {
    return this.#isOver ? 0 : this.#log.next - this.#cursor.sequence
  }

  get unwrittenBytes(): number {
    return this.#isOver ? 0 : this.#log.payload - this.#cursor.payload
  }

  get droppedCount(): number {
    return this.#droppedCount
  }

  get unwantedCount(): number {
    return 0
  }

  get writtenUpTo(): number {
    return this.#cursor.sequence
  }

  get acknowledgedUpTo(): number {
    return this.#acknowledged
  }

  /** There is room for more datums while the log's next sequence number is below; 0 when that cannot be foretold. */
  get sequenceLimit(): number {
    return this.#isCatchingUp ? 0 : this.#place.sequence + this.#limits.datumsMax
  }

  /** The same in bytes of all datums of the log. */
  get payloadLimit(): number {
    return this.#isCatchingUp ? 0 : this.#place.payload + this.#limits.bytesMax
  }

  hasRoomFor(byteLength: number): boolean {
    if (this.#isCatchingUp) return true
    const { length } = this
    const { datumsMax, bytesMax } = this.#limits
    return length === 0 || (length < datumsMax && this.byteLength + byteLength <= bytesMax)
  }

  /** Gives up the oldest datums until there is room for one of this size. */
  makeRoomFor(byteLength: number): void {
    const place = this.#place
    const { sequence } = place
    while (!this.hasRoomFor(byteLength)) place.moveTo(place.sequence + 1)
    this.#onGivenUp(sequence)
  }

  fill(frame: DatumFrameWriter, budget: FrameBudget): number {
    const cursor = this.#cursor
    const payloadBefore = cursor.payload
    while (!this.#isOver && cursor.sequence < this.#log.next && frame.bodyBytes < budget.creditBytes) {
      if (cursor.leaveSegment()) continue
      if (!this.#moveRun(frame, budget)) break
    }
    if (frame.count === 0) return 0
    this.#told = frame.next
    this.#sentUpTo = cursor.sequence
    this.#maybeCatchUp()
    this.#log.trim()
    return cursor.payload - payloadBefore
  }

  takeGap(): Gap | undefined {
    if (this.unwrittenCount > 0 || this.#told === this.#cursor.sequence) return undefined
    const lost = this.#cursor.sequence - this.#told
    this.#told = this.#cursor.sequence
    return { sequence: this.#told, lost }
  }

  /** Everything below is acknowledged: it need not be kept, and does not count any more. */
  acknowledge(sequence: number): void {
    if (this.#isOver) return
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(sequence, this.#cursor.sequence))
    this.#givenUp.removeBelow(this.#acknowledged)
    if (sequence <= this.#place.sequence) return
    this.#place.moveTo(Math.min(sequence, this.#cursor.sequence))
    this.#maybeCatchUp()
    this.#log.trim()
  }

  rewind(sequence: number): void {
    const cursor = this.#cursor
    const target = Math.max(Math.min(sequence, cursor.sequence), this.#acknowledged)
    cursor.moveToCursor(this.#place)
    if (target > cursor.sequence) cursor.moveTo(target)
    this.#givenUp.removeBelow(target)
    this.#droppedCount += this.#givenUp.clear()
    this.#sentUpTo = cursor.sequence
    this.#told = target
  }

  settle(): void {
    while (this.#cursor.leaveSegment());
    while (this.#place.leaveSegment());
    if (!this.#isCatchingUp || this.#log.retains(this.#place)) return
    if (this.#limits.overflow === 'block') {
      this.#isCatchingUp = false
      return
    }
    const oldest = this.#log.cursorAtOldest()
    const { sequence } = this.#place
    this.#place.moveToCursor(oldest)
    oldest.release()
    this.#onGivenUp(sequence)
  }

  clear(): void {
    this.#end(this.unwrittenCount)
  }

  /** Gives up what waits and what was not acknowledged, and counts it. */
  abandon(): void {
    this.#end(this.length)
  }

  #end(dropped: number): void {
    if (this.#isOver) return
    this.#droppedCount += dropped
    this.#isOver = true
    this.#cursor.release()
    if (this.#place !== this.#cursor) this.#place.release()
    this.#log.detach(this)
  }

  get #isWithinLimits(): boolean {
    return this.length <= this.#limits.datumsMax && this.byteLength <= this.#limits.bytesMax
  }

  /** The place was moved on: what was not written of the datums in front of it is lost for this consumer, and it may have the rest. */
  #onGivenUp(placeBefore: number): void {
    const { sequence } = this.#place
    const unsentFrom = Math.min(Math.max(this.#sentUpTo, placeBefore), sequence)
    this.#givenUp.add(placeBefore, unsentFrom)
    this.#droppedCount += sequence - unsentFrom
    if (this.#cursor.sequence < this.#place.sequence) this.#cursor.moveToCursor(this.#place)
    this.#maybeCatchUp()
    this.#log.trim()
  }

  #maybeCatchUp(): void {
    if (this.#isCatchingUp && this.#isWithinLimits) this.#isCatchingUp = false
  }

  /**
   * Moves datums of one segment, in one piece: the rest of it, or as many as the frame takes; at least one into an empty
   * frame. Says whether it moved any.
   */
  #moveRun(frame: DatumFrameWriter, budget: FrameBudget): boolean {
    const { creditBytes, bodyBytesTarget, datumsMax = Infinity } = budget
    const cursor = this.#cursor
    const { segment, offset, sequence } = cursor
    const bodyBytes = frame.count === 0 ? datumFrameHeadBytes : frame.bodyBytes
    const restBytes = segment.length - offset
    const countMax = datumsMax - frame.count
    if (
      bodyBytes + restBytes <= Math.min(creditBytes, bodyBytesTarget) &&
      segment.end - sequence <= countMax
    ) {
      cursor.skipSegment()
    } else {
      // A frame that holds enough ends with its segment: so the next one begins with one, and is copied whole again.
      if (offset === 0 && bodyBytes >= bodyBytesTarget / 2) return false
      const endMax = offset + bodyBytesTarget - bodyBytes
      // The datum that uses up the credit is the last one; before it there must be some left.
      const startMax = offset + creditBytes - bodyBytes
      while (cursor.offset < segment.length && cursor.sequence - sequence < countMax) {
        const isFirst = frame.count === 0 && cursor.sequence === sequence
        if (!isFirst && (cursor.offset >= startMax || cursor.endOfDatum > endMax)) break
        cursor.step()
      }
    }
    const count = cursor.sequence - sequence
    if (count > 0) frame.appendRun(sequence, count, segment.buffer, offset, cursor.offset)
    return count > 0
  }
}
