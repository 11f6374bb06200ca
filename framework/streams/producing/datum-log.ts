import { MosaikError } from '#framework/primitives'
import type { DatumCodec } from '../codec/datum-codec.js'
import { datumFrameHeadBytes } from '../codec/datum-frame.js'
import { varintBytes, writeVarint } from '../codec/varint.js'
import { LogCursor, LogSegment } from './log-segment.js'
import type { ReplayRetention } from './replay-retention.js'
import type { SegmentPool } from './segment-pool.js'
import { bodyBytesTarget } from '../wire.js'

/** How long segments become, unless one datum is longer: a full one is the body of a frame. */
export const segmentBytesMax = bodyBytesTarget - datumFrameHeadBytes
/** How long they begin: a stream that is little used costs little. */
const segmentBytesMin = 4 * 1024
const growth = 4
/** Segments for longer datums come in multiples of this, so that they can be used again for about as long ones. */
const longSegmentStep = 16 * 1024
/**
 * Where a datum as long as the one before would not fit, a new segment is begun if it is longer than this. A shorter one
 * is tried, since at worst it is encoded twice.
 */
const triedBytesMax = 1024

const noBytes = Buffer.alloc(0)

/** Whoever reads the log from a place of its own. */
export interface LogReader {
  /** A segment was completed, or something has expired: goes on to where it wants to be now. */
  settle(): void
}

/** A datum is longer than the log was told to take. Code `DATUM_TOO_LARGE`. */
export class DatumTooLargeError extends MosaikError {
  constructor(bytesMax: number) {
    super('DATUM_TOO_LARGE', `it is encoded to more than ${bytesMax} bytes`)
  }
}

export interface DatumLogOptions<T> {
  readonly codec: DatumCodec<T>
  readonly pool: SegmentPool
  /** How long one datum may be. */
  readonly datumBytesMax: number
  /** What is kept besides what readers need. */
  readonly retention?: ReplayRetention | undefined
  /** The monotonic time in milliseconds, for what is kept by age. */
  readonly now: () => number
}

/**
 * The datums of one producer, each encoded once, for any number of readers. It holds what its slowest reader has before
 * it and what the retention keeps, in whole segments; how far a reader may fall behind is for whoever appends to mind.
 */
export class DatumLog<T> {
  readonly #codec: DatumCodec<T>
  readonly #pool: SegmentPool
  readonly #datumBytesMax: number
  readonly #retention: ReplayRetention | undefined
  readonly #now: () => number
  readonly #readers = new Set<LogReader>()
  #head = new LogSegment(noBytes, 0, 0)
  #tail = this.#head
  #next = 0
  #payload = 0
  #framedBytes = 0
  /** The draft, which lies behind the last datum. */
  #draftStart = 0
  #draftEnd = 0
  #draftAtMs = 0
  /** How long the last draft was: about as long is the next one. */
  #expectedBytes = 0
  #isDrafting = false

  constructor(options: DatumLogOptions<T>) {
    this.#codec = options.codec
    this.#pool = options.pool
    this.#datumBytesMax = options.datumBytesMax
    this.#retention = options.retention
    this.#now = options.now
  }

  /** The sequence number of the next datum. */
  get next(): number {
    return this.#next
  }

  /** Bytes of all datums so far. */
  get payload(): number {
    return this.#payload
  }

  /** The same with the length in front of each, as frames have them. */
  get framedBytes(): number {
    return this.#framedBytes
  }

  /** Bytes of memory that it takes. */
  get allocatedBytes(): number {
    let bytes = 0
    for (let segment: LogSegment | undefined = this.#head; segment; segment = segment.next)
      bytes += segment.buffer.byteLength
    return bytes
  }

  /** Whether datums are kept: for readers, or for the retention. */
  get isKeeping(): boolean {
    return this.#readers.size > 0 || this.#retention !== undefined
  }

  /** Whether datums are kept by age, so that they expire without anything being done. */
  get isExpiring(): boolean {
    return this.#retention?.isByAge === true
  }

  /** The sequence number of the oldest datum that the retention keeps, or of the next one. */
  get oldest(): number {
    const cursor = this.cursorAtOldest()
    cursor.release()
    return cursor.sequence
  }

  /**
   * Judges and encodes a datum behind the last one. It is part of the log only when it is committed, and forgotten when
   * there is another draft instead.
   *
   * @returns The length of the datum.
   * @throws What the codec throws; {@link DatumTooLargeError}; MosaikError `DATUM_NESTED` when another one is
   *   being encoded, of which a getter or a refinement does this.
   */
  draft(datum: T): number {
    if (this.#isDrafting) {
      throw new MosaikError('DATUM_NESTED', 'it is sent from within another datum of the stream')
    }
    this.#isDrafting = true
    try {
      return this.#encode(datum)
    } finally {
      this.#isDrafting = false
    }
  }

  /** Whether a datum is being encoded: what is written now would be in its place. */
  get isDrafting(): boolean {
    return this.#isDrafting
  }

  /** {@link draft} of a datum that is encoded already. */
  draftEncoded(bytes: Uint8Array): void {
    const { byteLength } = bytes
    this.#prepare(byteLength)
    for (;;) {
      const { buffer, length } = this.#tail
      const start = length + varintBytes(byteLength)
      if (start + byteLength <= buffer.byteLength) {
        buffer.set(bytes, start)
        this.#closeDraft(start, start + byteLength)
        return
      }
      this.#makeRoom(byteLength)
    }
  }

  /** The length of the draft. */
  get draftBytes(): number {
    return this.#draftEnd - this.#draftStart
  }

  /** The draft as encoded: a view, valid until the next draft, or as long as whoever reads the log keeps it. */
  get draftView(): Uint8Array {
    return this.#tail.buffer.subarray(this.#draftStart, this.#draftEnd)
  }

  /** Makes the draft the next datum. */
  commit(): void {
    const tail = this.#tail
    const bytes = this.#draftEnd - this.#draftStart
    this.#framedBytes += this.#draftEnd - tail.length
    if (tail.count === 0) tail.firstAtMs = this.#draftAtMs
    tail.lastAtMs = this.#draftAtMs
    tail.count++
    tail.payload += bytes
    tail.length = this.#draftEnd
    this.#payload += bytes
    this.#next++
  }

  /** Uses up a sequence number without a datum. Only while the log need not keep any. */
  pass(): void {
    this.#tail.restart()
    this.#tail.first++
    this.#next++
  }

  /** From now on a reader is told when it may have to move. */
  attach(reader: LogReader): void {
    this.#readers.add(reader)
  }

  /** The reader has released its cursors. */
  detach(reader: LogReader): void {
    this.#readers.delete(reader)
    this.trim()
  }

  /** Whether the retention keeps the datum behind the cursor. */
  retains(cursor: LogCursor): boolean {
    return this.#isRetained(cursor.segment) && this.#retention!.keeps(cursor, this)
  }

  /** Behind the last datum. */
  cursorAtEnd(): LogCursor {
    const cursor = new LogCursor(this.#tail)
    cursor.skipSegment()
    return cursor
  }

  /** In front of the oldest datum that the retention keeps; at the end when it keeps none. */
  cursorAtOldest(): LogCursor {
    const retention = this.#retention
    if (retention === undefined) return this.cursorAtEnd()
    const nowMs = this.#draftTime()
    let segment: LogSegment = this.#head
    while (segment.next !== undefined && retention.isExpired(segment, this, nowMs)) segment = segment.next
    if (retention.isExpired(segment, this, nowMs)) return this.cursorAtEnd()
    const cursor = new LogCursor(segment)
    while (cursor.sequence < this.#next && !retention.keeps(cursor, this)) cursor.moveTo(cursor.sequence + 1)
    return cursor
  }

  /** In front of a datum that the retention keeps, or of the next one. */
  cursorAt(sequence: number): LogCursor {
    if (sequence >= this.#next) return this.cursorAtEnd()
    const cursor = this.cursorAtOldest()
    cursor.moveTo(sequence)
    return cursor
  }

  /** When something is to be expired, on the monotonic clock; undefined while nothing is kept that would. */
  get expiresAtMs(): number | undefined {
    const retention = this.#retention
    if (retention?.isByAge !== true) return undefined
    // What has expired already is here only until its readers have gone on, which needs no timer.
    for (let segment: LogSegment | undefined = this.#head; segment; segment = segment.next) {
      const isKept = segment.count > 0 && this.#isRetained(segment)
      if (isKept) return retention.expiryOf(segment)
    }
    return undefined
  }

  /** Lets go of what has expired. */
  expire(): void {
    const tail = this.#tail
    const nowMs = this.#draftTime()
    // What has expired in the last segment goes as well, although nothing follows that would complete it.
    if (tail.count > 0 && this.#retention?.isExpired(tail, this, nowMs) === true) {
      this.#append()
    } else {
      this.#settle()
    }
  }

  /** Lets go of segments that neither a reader nor the retention needs. */
  trim(): void {
    while (this.#head !== this.#tail && this.#head.pins === 0 && !this.#isRetained(this.#head)) {
      this.#pool.give(this.#head.buffer)
      this.#head = this.#head.next!
    }
  }

  /** Lets go of everything. The log must not be used again. */
  clear(): void {
    for (let segment: LogSegment | undefined = this.#head; segment; segment = segment.next) {
      this.#pool.give(segment.buffer)
      segment.buffer = noBytes
    }
    this.#head = this.#tail
    this.#readers.clear()
  }

  #encode(datum: T): number {
    const expected = this.#expectedBytes
    this.#prepare(expected)
    for (;;) {
      const { buffer, length } = this.#tail
      const start = length + varintBytes(expected)
      const end = start < buffer.byteLength ? this.#codec.encode(datum, buffer, start) : -1
      if (end >= 0 && this.#closeDraft(start, end)) return this.draftBytes
      this.#makeRoom(expected)
    }
  }

  #isRetained(segment: LogSegment): boolean {
    const retention = this.#retention
    return retention !== undefined && !retention.isExpired(segment, this, this.#draftAtMs)
  }

  #prepare(expectedBytes: number): void {
    const tail = this.#tail
    const retention = this.#retention
    if (retention?.isByAge === true) {
      this.#draftAtMs = this.#now()
      if (retention.isComplete(tail, this.#draftAtMs)) this.#begin(expectedBytes)
    }
    if (expectedBytes <= triedBytesMax) return
    const neededBytes = expectedBytes + varintBytes(expectedBytes)
    if (neededBytes > this.#tail.buffer.byteLength - this.#tail.length) this.#makeRoom(expectedBytes)
  }

  /** Notes where the draft is, with its length in front. False when there is no room for that. */
  #closeDraft(start: number, end: number): boolean {
    const { buffer, length } = this.#tail
    const bytes = end - start
    if (bytes > this.#datumBytesMax) throw new DatumTooLargeError(this.#datumBytesMax)
    const draftStart = length + varintBytes(bytes)
    if (draftStart !== start) {
      if (draftStart + bytes > buffer.byteLength) return false
      buffer.copyWithin(draftStart, start, end)
    }
    writeVarint(buffer, length, bytes)
    this.#draftStart = draftStart
    this.#draftEnd = draftStart + bytes
    this.#expectedBytes = bytes
    return true
  }

  /** The tail has no room for a datum: completes it, or makes it longer when it is still empty. */
  #makeRoom(expectedBytes: number): void {
    const tail = this.#tail
    if (tail.count > 0) {
      this.#begin(expectedBytes)
      return
    }
    const bytes = tail.buffer.byteLength
    const longest = segmentBytesFor(this.#datumBytesMax)
    if (bytes >= longest) throw new DatumTooLargeError(this.#datumBytesMax)
    const next = bytes < segmentBytesMax ? Math.min(growth * bytes, segmentBytesMax) : 2 * bytes
    this.#pool.give(tail.buffer)
    tail.buffer = this.#pool.take(
      Math.min(Math.max(next, segmentBytesMin, segmentBytesFor(expectedBytes)), longest),
    )
  }

  /** Begins a new segment: longer than the last one while much is kept, shorter when nothing is. */
  #begin(expectedBytes: number): void {
    const bytes = Math.min(this.#tail.buffer.byteLength, segmentBytesMax)
    this.#append()
    const keptBytes = this.#payload - this.#head.payloadBefore
    const wanted = keptBytes >= 2 * bytes ? bytes * growth : keptBytes === 0 ? bytes / growth : bytes
    const usual = Math.min(Math.max(wanted, segmentBytesMin), segmentBytesMax)
    this.#tail.buffer = this.#pool.take(Math.max(usual, segmentBytesFor(expectedBytes)))
  }

  /** Completes the last segment. The new one has no memory yet. */
  #append(): void {
    const segment = new LogSegment(noBytes, this.#next, this.#payload)
    this.#tail.next = segment
    this.#tail = segment
    this.#settle()
  }

  #settle(): void {
    for (const reader of this.#readers) reader.settle()
    this.trim()
  }

  #draftTime(): number {
    if (this.#retention?.isByAge === true) this.#draftAtMs = this.#now()
    return this.#draftAtMs
  }
}

/** How long a segment is for a datum that hardly fits into the usual ones; 0 when it does. */
function segmentBytesFor(byteLength: number): number {
  const neededBytes = byteLength + varintBytes(byteLength)
  if (neededBytes <= segmentBytesMin) return 0
  if (neededBytes > segmentBytesMax) return Math.ceil(neededBytes / longSegmentStep) * longSegmentStep
  let bytes = segmentBytesMin
  while (bytes < neededBytes) bytes *= growth
  return Math.min(bytes, segmentBytesMax)
}
