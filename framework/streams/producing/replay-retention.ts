import type { LogSegment } from './log-segment.js'
import type { ReplayOptions } from '../producer.js'

const bytesDefault = 16 * 1024 * 1024
/** Into how many parts the time is divided for which datums are kept: they expire a part at a time. */
const partsOfAge = 16

/** Where a log ends. */
export interface LogEnd {
  /** The sequence number of the next datum. */
  readonly next: number
  /** Bytes of all datums so far. */
  readonly payload: number
}

/**
 * What a producer keeps for consumers that come late or come back: the newest datums, by number, age and bytes, whichever
 * limit is reached first. By number it is exact; by age, datums are kept up to a sixteenth longer. Pure.
 */
export class ReplayRetention {
  readonly #last: number
  readonly #forMs: number
  readonly #bytes: number

  constructor(options: ReplayOptions) {
    this.#forMs = options.for ?? Infinity
    this.#bytes = options.bytes ?? bytesDefault
    // Datums of no bytes at all would never be too many bytes.
    this.#last = Math.min(options.last ?? Infinity, this.#bytes)
  }

  /** Whether it asks what time it is. */
  get isByAge(): boolean {
    return this.#forMs !== Infinity
  }

  /** Whether a segment has been filled for so long that later datums belong in another one, which expires later. */
  isComplete(segment: LogSegment, nowMs: number): boolean {
    return segment.count > 0 && nowMs - segment.firstAtMs >= this.#forMs / partsOfAge
  }

  /** Whether no datum of the segment is kept any more. */
  isExpired(segment: LogSegment, end: LogEnd, nowMs: number): boolean {
    return (
      segment.end <= end.next - this.#last ||
      end.payload - segment.payloadBefore - segment.payload >= this.#bytes ||
      (this.isByAge && segment.count > 0 && nowMs - segment.lastAtMs >= this.#forMs)
    )
  }

  /** Whether a datum of a segment that is not expired is kept. */
  keeps(datum: { readonly sequence: number; readonly payload: number }, end: LogEnd): boolean {
    return datum.sequence >= end.next - this.#last && end.payload - datum.payload <= this.#bytes
  }

  /** When the segment expires by age, on the monotonic clock. */
  expiryOf(segment: LogSegment): number {
    return segment.lastAtMs + this.#forMs
  }
}
