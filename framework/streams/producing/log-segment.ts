/**
 * A part of a producer's log: datums as frames carry them, each behind its length, so that any run of them can be copied
 * into a frame as it is. Only the log changes a segment; cursors read it.
 */
export class LogSegment {
  buffer: Buffer
  /** The sequence number of its first datum. */
  first: number
  /** Bytes of all datums of the log before this segment. */
  payloadBefore: number
  /** How many datums it holds. */
  count = 0
  /** How much of the buffer they take, lengths included. */
  length = 0
  /** Bytes of the datums alone. */
  payload = 0
  /** When the first and the last of them were written, on the monotonic clock. Only where datums are kept by age. */
  firstAtMs = 0
  lastAtMs = 0
  /** How many cursors are in it: it stays as long as there are any. */
  pins = 0
  next: LogSegment | undefined

  constructor(buffer: Buffer, first: number, payloadBefore: number) {
    this.buffer = buffer
    this.first = first
    this.payloadBefore = payloadBefore
  }

  /** The sequence number behind the last datum's. */
  get end(): number {
    return this.first + this.count
  }

  /** Forgets its datums: what comes next begins where they ended. Nobody may be reading them. */
  restart(): void {
    this.first += this.count
    this.payloadBefore += this.payload
    this.count = 0
    this.length = 0
    this.payload = 0
  }
}

/** A place between two datums of the log. It keeps the segment that it is in, and so everything behind it. */
export class LogCursor {
  segment: LogSegment
  offset = 0
  /** The sequence number of the datum behind it. */
  sequence: number
  /** Bytes of all datums before it. */
  payload: number
  /** The datum behind it, as it was read last. */
  #datumStart = 0
  #datumBytes = 0

  /** In front of the first datum of a segment. */
  constructor(segment: LogSegment) {
    this.segment = segment
    this.sequence = segment.first
    this.payload = segment.payloadBefore
    segment.pins++
  }

  /** Leaves a segment that is read to its end, unless it is the last one. Says whether it did. */
  leaveSegment(): boolean {
    const { segment } = this
    if (this.offset < segment.length || segment.next === undefined) return false
    this.#enter(segment.next)
    return true
  }

  /** Where the datum behind it begins. There must be one in this segment. */
  get startOfDatum(): number {
    this.#readLength()
    return this.#datumStart
  }

  /** Where the datum behind it ends. There must be one in this segment. */
  get endOfDatum(): number {
    this.#readLength()
    return this.#datumStart + this.#datumBytes
  }

  /** Goes behind the next datum, which must be one of this segment. */
  step(): void {
    this.#readLength()
    this.offset = this.#datumStart + this.#datumBytes
    this.payload += this.#datumBytes
    this.sequence++
  }

  /** Goes behind the last datum of the segment. */
  skipSegment(): void {
    const { segment } = this
    this.offset = segment.length
    this.sequence = segment.end
    this.payload = segment.payloadBefore + segment.payload
  }

  /** Goes on to a later datum of the log, or to its end. */
  moveTo(sequence: number): void {
    while (this.sequence < sequence) {
      if (this.leaveSegment()) continue
      if (this.segment.end <= sequence) this.skipSegment()
      else this.step()
    }
  }

  /** Goes to where another cursor is. */
  moveToCursor(other: LogCursor): void {
    other.segment.pins++
    this.segment.pins--
    this.segment = other.segment
    this.offset = other.offset
    this.sequence = other.sequence
    this.payload = other.payload
  }

  /** Another one at the same place. */
  clone(): LogCursor {
    const cursor = new LogCursor(this.segment)
    cursor.offset = this.offset
    cursor.sequence = this.sequence
    cursor.payload = this.payload
    return cursor
  }

  /** Keeps nothing any more. It must not be used again. */
  release(): void {
    this.segment.pins--
  }

  #readLength(): void {
    const { buffer } = this.segment
    let { offset } = this
    let byte = buffer[offset++]!
    let length = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = buffer[offset++]!
      length |= (byte & 0x7f) << shift
    }
    this.#datumStart = offset
    this.#datumBytes = length
  }

  #enter(segment: LogSegment): void {
    segment.pins++
    this.segment.pins--
    this.segment = segment
    this.offset = 0
  }
}
