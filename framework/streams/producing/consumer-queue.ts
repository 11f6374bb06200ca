import type { DatumFrameWriter } from '../codec/datum-frame.js'
import type { FrameBudget, Gap } from './send-queue.js'

/**
 * What waits for one consumer: in order, bounded, and with every loss accounted for, so that the consumer is told about
 * each sequence number exactly once: by a datum, or as missing.
 */
export interface ConsumerQueue {
  /** How many datums count towards the limits: those that were not written and, with acknowledgement, not acknowledged. */
  readonly length: number
  /** The same in bytes of the datums. */
  readonly byteLength: number
  /** How many datums were not written yet. */
  readonly unwrittenCount: number
  /** The same in bytes of the datums. */
  readonly unwrittenBytes: number
  /** Datums that the consumer does not get: they were given up before they were written, or it has come back without them. */
  readonly droppedCount: number
  /** Datums that do not meet the consumer's criteria. */
  readonly unwantedCount: number
  /** Everything below this sequence number has left the queue, one way or the other. */
  readonly writtenUpTo: number

  /** Whether a datum of this size would be queued as things are. An empty queue has room for any datum. */
  hasRoomFor(byteLength: number): boolean

  /**
   * Moves datums into an empty frame: as many as it can tell of, at least one if any waits and there is credit.
   *
   * @returns The bytes of the moved datums, without framing; 0 when nothing was moved.
   */
  fill(frame: DatumFrameWriter, budget: FrameBudget): number

  /**
   * What is missing behind everything the consumer knows about, when nothing waits that would show it. Once.
   *
   * @param unwantedMin If nothing of it is lost, it is worth telling from so many datums on.
   */
  takeGap(unwantedMin?: number): Gap | undefined

  /** Everything below is acknowledged. What is not may have been given up. */
  readonly acknowledgedUpTo: number
  /** Everything below is acknowledged: it need not be kept, and does not count any more. */
  acknowledge(sequence: number): void
  /**
   * Begins anew for a consumer that has come back and knows about everything below that number, but for what it has not
   * acknowledged: with that datum, or with the oldest one behind it that is kept; it is told of what is not.
   */
  rewind(sequence: number): void

  /** Gives up what waits, and counts it. */
  clear(): void
  /** Gives up what waits and what was not acknowledged, and counts it. */
  abandon(): void
}
