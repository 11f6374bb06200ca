// One circular buffer: for each datum, u32 length | f64 sequence number | f64 lost before it | the datum. Anything may go over the end of the
// buffer and on at its beginning.
const headBytes = 20
const bytesMin = 4096
/** An empty ring that is longer than this is let go: a burst is no reason to keep its memory. */
const idleBytesMax = 256 * 1024

const scratch = Buffer.alloc(headBytes)
const noBytes = Buffer.alloc(0)

/**
 * Encoded datums with their sequence numbers, first in, first out, copied into memory that is used again and again: what
 * passes through leaves no garbage. It begins small, doubles when it must, and ends where it was told to.
 */
export class DatumRing {
  readonly #ringBytesMax: number
  #ring = noBytes
  #head = 0
  #usedBytes = 0
  #length = 0
  #byteLength = 0
  #frontSequence = 0
  #frontLostBefore = 0
  #frontByteLength = 0

  /**
   * @param datumsMax How many datums it is to hold.
   * @param bytesMax How long they may be together. Only for a single datum that is longer does the ring grow beyond.
   */
  constructor(datumsMax: number, bytesMax: number) {
    this.#ringBytesMax = datumsMax * headBytes + bytesMax
  }

  /** How many datums it holds. */
  get length(): number {
    return this.#length
  }

  /** Bytes of the datums. */
  get byteLength(): number {
    return this.#byteLength
  }

  /** Bytes of memory that it takes. */
  get allocatedBytes(): number {
    return this.#ring.byteLength
  }

  /** The sequence number of the oldest datum; of no meaning when there is none. */
  get frontSequence(): number {
    return this.#frontSequence
  }

  /** How many datums were lost between the one before and the oldest datum; of no meaning when there is none. */
  get frontLostBefore(): number {
    return this.#frontLostBefore
  }

  /** The length of the oldest datum; of no meaning when there is none. */
  get frontByteLength(): number {
    return this.#frontByteLength
  }

  /** Adds a copy of a datum at the end, and how many were lost just before it. */
  push(sequence: number, datum: Uint8Array, lostBefore = 0): void {
    const { byteLength } = datum
    const neededBytes = this.#usedBytes + headBytes + byteLength
    if (neededBytes > this.#ring.byteLength) this.#grow(neededBytes)
    scratch.writeUInt32LE(byteLength, 0)
    scratch.writeDoubleLE(sequence, 4)
    scratch.writeDoubleLE(lostBefore, 12)
    this.#write(scratch)
    this.#write(datum)
    this.#byteLength += byteLength
    this.#length++
    if (this.#length > 1) return
    this.#frontSequence = sequence
    this.#frontLostBefore = lostBefore
    this.#frontByteLength = byteLength
  }

  /** Copies the oldest datum to where it is wanted. There must be one, and room for {@link frontByteLength}. */
  copyFront(target: Uint8Array, offset: number): void {
    this.#read(this.#head + headBytes, this.#frontByteLength, target, offset)
  }

  /** Takes the oldest datum away. There must be one. */
  pop(): void {
    const recordBytes = headBytes + this.#frontByteLength
    this.#byteLength -= this.#frontByteLength
    this.#usedBytes -= recordBytes
    this.#length--
    this.#head += recordBytes
    if (this.#head >= this.#ring.byteLength) this.#head -= this.#ring.byteLength
    if (this.#length === 0) {
      this.#head = 0
      if (this.#ring.byteLength > idleBytesMax) this.#ring = noBytes
      return
    }
    this.#read(this.#head, headBytes, scratch, 0)
    this.#frontByteLength = scratch.readUInt32LE(0)
    this.#frontSequence = scratch.readDoubleLE(4)
    this.#frontLostBefore = scratch.readDoubleLE(12)
  }

  /** Lets go of every datum and of the memory. */
  clear(): void {
    this.#ring = noBytes
    this.#head = 0
    this.#usedBytes = 0
    this.#length = 0
    this.#byteLength = 0
  }

  #write(bytes: Uint8Array): void {
    const ring = this.#ring
    let start = this.#head + this.#usedBytes
    if (start >= ring.byteLength) start -= ring.byteLength
    const room = ring.byteLength - start
    if (bytes.byteLength <= room) {
      ring.set(bytes, start)
    } else {
      ring.set(bytes.subarray(0, room), start)
      ring.set(bytes.subarray(room), 0)
    }
    this.#usedBytes += bytes.byteLength
  }

  #read(position: number, byteLength: number, target: Uint8Array, offset: number): void {
    const ring = this.#ring
    const start = position < ring.byteLength ? position : position - ring.byteLength
    const end = Math.min(start + byteLength, ring.byteLength)
    // Of all ways to copy a part, this one makes no view of it first.
    ring.copy(target, offset, start, end)
    const rest = byteLength - (end - start)
    if (rest > 0) ring.copy(target, offset + end - start, 0, rest)
  }

  #grow(neededBytes: number): void {
    let bytes = Math.max(this.#ring.byteLength, bytesMin)
    while (bytes < neededBytes) bytes *= 2
    const larger = Buffer.allocUnsafeSlow(Math.max(Math.min(bytes, this.#ringBytesMax), neededBytes))
    this.#read(this.#head, this.#usedBytes, larger, 0)
    this.#ring = larger
    this.#head = 0
  }
}
