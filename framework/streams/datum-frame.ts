// A frame of datums: u64 first sequence | u32 count | count × (varint length | datum). The numbers are big-endian; a varint has
// seven bits a byte, the lowest first. The datums of a frame follow each other without a gap in their sequence numbers.
import type { FrameBuilder } from '#framework/network'
import { MosaikError } from '#framework/primitives'

/** What a frame of datums has before its first datum. */
const headBytes = 12
/** Lengths stay below 2^28, far above every frame limit. */
const varintBytesMax = 4
const twoTo32 = 0x1_0000_0000

/** What a frame needs besides a datum that it holds alone: so much shorter than a frame must a datum be. */
export const datumOverheadBytes = headBytes + varintBytesMax

/** Bytes that are no frame of datums. Code `DATUM_FRAME_MALFORMED`. */
export class DatumFrameError extends MosaikError {
  constructor(message: string) {
    super('DATUM_FRAME_MALFORMED', message)
  }
}

/** Writes datums into a frame, one after the other. */
export class DatumFrameWriter {
  readonly #builder: FrameBuilder
  /** Where the body begins in the builder's buffer. */
  #start = 0
  #first = 0
  #count = 0

  constructor(builder: FrameBuilder) {
    this.#builder = builder
  }

  /** How many datums the frame holds. */
  get count(): number {
    return this.#count
  }

  /** The sequence number that the next datum must have to be in this frame; of no meaning while it is empty. */
  get next(): number {
    return this.#first + this.#count
  }

  /** Bytes of the frame's body so far: what credit is counted in. */
  get bodyBytes(): number {
    return this.#count === 0 ? 0 : this.#builder.byteLength - this.#start
  }

  /** The buffer of which {@link reserve} gives away a part; another one after each call of it. */
  get buffer(): Uint8Array {
    return this.#builder.buffer
  }

  /**
   * Adds a datum of which the bytes are still to be copied.
   *
   * @returns Where in the {@link buffer} they belong.
   */
  reserve(sequence: number, byteLength: number): number {
    if (this.#count === 0) {
      this.#first = sequence
      this.#start = this.#builder.reserve(headBytes)
    }
    let offset = this.#builder.reserve(datumBytesInFrame(byteLength))
    const { buffer } = this.#builder
    let rest = byteLength
    while (rest > 0x7f) {
      buffer[offset++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[offset++] = rest
    this.#count++
    return offset
  }

  /** The finished frame, ready for `link.sendFrame`. The writer begins an empty one. */
  take(): Uint8Array {
    const { buffer } = this.#builder
    writeU32(buffer, this.#start, Math.floor(this.#first / twoTo32))
    writeU32(buffer, this.#start + 4, this.#first % twoTo32)
    writeU32(buffer, this.#start + 8, this.#count)
    this.#count = 0
    return this.#builder.take()
  }
}

/** How many bytes a datum of this length takes in a frame. */
export function datumBytesInFrame(byteLength: number): number {
  return varintBytes(byteLength) + byteLength
}

/** Reads the datums of one received frame, one at a time. Checks the whole frame first, so that reading cannot fail. */
export class DatumFrameReader {
  readonly #bytes: Uint8Array
  /** The sequence number of the first datum. */
  readonly first: number
  readonly count: number
  /** Bytes of the datums, without framing. */
  readonly payloadBytes: number
  #offset = headBytes
  #read = 0

  /** @throws DatumFrameError */
  constructor(bytes: Uint8Array) {
    if (bytes.byteLength < headBytes) throw new DatumFrameError('a frame of datums without a head')
    this.#bytes = bytes
    this.first = readU32(bytes, 0) * twoTo32 + readU32(bytes, 4)
    this.count = readU32(bytes, 8)
    if (!Number.isSafeInteger(this.first + this.count))
      throw new DatumFrameError('sequence numbers end at 2^53')
    if (this.count === 0) throw new DatumFrameError('a frame without datums')
    this.payloadBytes = this.#checkedPayload()
  }

  /** The whole frame, in bytes: what credit is counted in. */
  get byteLength(): number {
    return this.#bytes.byteLength
  }

  /** How many datums were not read yet. */
  get remaining(): number {
    return this.count - this.#read
  }

  /** The sequence number of the datum that {@link next} gives. */
  get sequence(): number {
    return this.first + this.#read
  }

  /** The next datum's bytes, a view into the frame. There must be one {@link remaining}. */
  next(): Uint8Array {
    const length = this.#readLength()
    this.#read++
    const offset = this.#offset
    this.#offset = offset + length
    return this.#bytes.subarray(offset, this.#offset)
  }

  /** Walks over all datums, which ends at the frame's end whatever the head claims. */
  #checkedPayload(): number {
    let payloadBytes = 0
    for (let index = 0; index < this.count; index++) {
      const length = this.#readLength()
      if (length > this.#bytes.byteLength - this.#offset)
        throw new DatumFrameError('a datum is longer than its frame')
      this.#offset += length
      payloadBytes += length
    }
    if (this.#offset !== this.#bytes.byteLength) throw new DatumFrameError('bytes behind the last datum')
    this.#offset = headBytes
    return payloadBytes
  }

  #readLength(): number {
    let length = 0
    for (let shift = 0; shift < 7 * varintBytesMax; shift += 7) {
      const byte = this.#bytes[this.#offset++]
      if (byte === undefined) break
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) return length
    }
    throw new DatumFrameError('a datum without a length')
  }
}

function varintBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4
}

function writeU32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24
  target[offset + 1] = value >>> 16
  target[offset + 2] = value >>> 8
  target[offset + 3] = value
}

function readU32(source: Uint8Array, offset: number): number {
  // The multiplication keeps numbers from 2^31 on positive, which a shift would not.
  return (
    source[offset]! * 0x100_0000 +
    ((source[offset + 1]! << 16) | (source[offset + 2]! << 8) | source[offset + 3]!)
  )
}
