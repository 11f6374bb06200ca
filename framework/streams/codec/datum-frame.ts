// A frame of datums has one of two forms. The numbers are big-endian; a varint has seven bits a byte, the lowest first.
//
//   all:       u64 first sequence | u32 count | count × (varint length | datum)
//   selection: u64 first sequence | u32 count | u64 lost | count × (varint skipped | varint length | datum)
//
// The datums of the first form follow each other without a gap in their sequence numbers. The second form is for a
// consumer with criteria: `skipped` datums just before each one did not meet them, except before the first, where
// `lost` says how many of those that are missing are lost.
import type { FrameBuilder } from '#framework/network'
import { MosaikError } from '#framework/primitives'
import { varintBytes, writeVarint } from './varint.js'

/** Whether a subscription's frames hold every datum, or those that meet the consumer's criteria. */
export type DatumFrameForm = 'all' | 'selection'

/** What a frame has before its first datum. */
const headBytes = { all: 12, selection: 20 } as const satisfies Record<DatumFrameForm, number>
/** The head of a frame that holds every datum. */
export const datumFrameHeadBytes = headBytes.all
const varintBytesMax = 4
/** What a varint can say: lengths stay far below, as every frame limit is. */
const varintMax = 2 ** (7 * varintBytesMax) - 1
const twoTo32 = 0x1_0000_0000

/** What a frame needs besides a datum that it holds alone, in either form: so much shorter must a datum be. */
export const datumOverheadBytes = headBytes.selection + 1 + varintBytesMax

/** Bytes that are no frame of datums. Code `DATUM_FRAME_MALFORMED`. */
export class DatumFrameError extends MosaikError {
  constructor(message: string) {
    super('DATUM_FRAME_MALFORMED', message)
  }
}

/** Writes datums into a frame, one after the other. */
export class DatumFrameWriter {
  readonly #builder: FrameBuilder
  readonly #form: DatumFrameForm
  /** Where the body begins in the builder's buffer. */
  #start = 0
  #first = 0
  #lost = 0
  #next = 0
  #count = 0
  readonly #marks: readonly number[]
  /** Of the datums that the frame holds, how many are below each of the marks. */
  readonly #belowMarks: number[]

  /** @param marks Sequence numbers, for {@link belowMarks}. */
  constructor(builder: FrameBuilder, form: DatumFrameForm = 'all', marks: readonly number[] = []) {
    this.#builder = builder
    this.#form = form
    this.#marks = marks
    this.#belowMarks = marks.map(() => 0)
  }

  /** How many datums the frame holds. */
  get count(): number {
    return this.#count
  }

  /** How many of the frame's datums are below each of the marks. */
  get belowMarks(): readonly number[] {
    return this.#belowMarks
  }

  /** The sequence number behind the last datum's; of no meaning while the frame is empty. */
  get next(): number {
    return this.#next
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
   * Whether a datum can be in this frame besides those that are: when nothing is lost before it, and nothing skipped
   * that the form cannot say.
   */
  continuesWith(sequence: number, lostBefore = 0): boolean {
    if (this.#count === 0) return true
    if (this.#form === 'all') return sequence === this.#next
    return lostBefore === 0 && sequence - this.#next <= varintMax
  }

  /** How much longer the frame becomes with a datum that it {@link continuesWith}. */
  bytesFor(sequence: number, byteLength: number): number {
    const datumBytes = datumBytesInFrame(byteLength)
    if (this.#form === 'all') return datumBytes
    return datumBytes + varintBytes(this.#count === 0 ? 0 : sequence - this.#next)
  }

  /**
   * Adds a datum of which the bytes are still to be copied.
   *
   * @param lostBefore How many of those missing just before it are lost; told in a selection's frame by its first datum.
   * @returns Where in the {@link buffer} they belong.
   */
  reserve(sequence: number, byteLength: number, lostBefore = 0): number {
    if (this.#count === 0) {
      this.#first = sequence
      this.#next = sequence
      this.#lost = lostBefore
      this.#start = this.#builder.reserve(headBytes[this.#form])
    }
    let offset = this.#builder.reserve(this.bytesFor(sequence, byteLength))
    const { buffer } = this.#builder
    if (this.#form === 'selection') offset = writeVarint(buffer, offset, sequence - this.#next)
    this.#next = sequence + 1
    this.#count++
    this.#countBelowMarks(sequence, 1)
    return writeVarint(buffer, offset, byteLength)
  }

  /**
   * Adds a run of datums that follow each other without a gap, copied as they are: each behind its length. Only for
   * frames that hold every datum.
   */
  appendRun(sequence: number, count: number, source: Buffer, start: number, end: number): void {
    if (this.#count === 0) {
      this.#first = sequence
      this.#start = this.#builder.reserve(headBytes.all)
    }
    const offset = this.#builder.reserve(end - start)
    source.copy(this.#builder.buffer, offset, start, end)
    this.#next = sequence + count
    this.#count += count
    this.#countBelowMarks(sequence, count)
  }

  /** The finished frame, ready for `link.sendFrame`. The writer begins an empty one. */
  take(): Uint8Array {
    const { buffer } = this.#builder
    writeU64(buffer, this.#start, this.#first)
    writeU32(buffer, this.#start + 8, this.#count)
    if (this.#form === 'selection') writeU64(buffer, this.#start + 12, this.#lost)
    this.#count = 0
    this.#belowMarks.fill(0)
    return this.#builder.take()
  }

  #countBelowMarks(first: number, count: number): void {
    for (let index = 0; index < this.#marks.length; index++) {
      const below = Math.min(this.#marks[index]! - first, count)
      if (below > 0) this.#belowMarks[index]! += below
    }
  }
}

/** How many bytes a datum of this length takes in a frame. */
export function datumBytesInFrame(byteLength: number): number {
  return varintBytes(byteLength) + byteLength
}

/** Reads the datums of one received frame, one at a time. Checks the whole frame first, so that reading cannot fail. */
export class DatumFrameReader {
  readonly bytes: Uint8Array
  /** The whole frame, in bytes: what credit is counted in. Stays when the memory of {@link bytes} was given back. */
  readonly byteLength: number
  readonly #form: DatumFrameForm
  /** The sequence number of the first datum. */
  readonly first: number
  readonly count: number
  /** In a selection's frame, how many of those missing before the first datum are lost. */
  readonly lost: number | undefined
  /** The sequence number behind the last datum's. */
  readonly endSequence: number
  /** Bytes of the datums, without framing. */
  readonly payloadBytes: number
  #offset: number
  #sequence: number
  #start = 0
  #end = 0
  #read = 0

  /** @throws DatumFrameError */
  constructor(bytes: Uint8Array, form: DatumFrameForm = 'all') {
    if (bytes.byteLength < headBytes[form]) throw new DatumFrameError('a frame of datums without a head')
    this.bytes = bytes
    this.byteLength = bytes.byteLength
    this.#form = form
    this.first = readU64(bytes, 0)
    this.count = readU32(bytes, 8)
    this.lost = form === 'selection' ? readU64(bytes, 12) : undefined
    if (this.count === 0) throw new DatumFrameError('a frame without datums')
    if (this.lost !== undefined && this.lost > this.first)
      throw new DatumFrameError('more is lost than there was')
    this.#offset = headBytes[form]
    this.#sequence = this.first
    const { payloadBytes, endSequence } = this.#checked()
    this.payloadBytes = payloadBytes
    this.endSequence = endSequence
    this.#offset = headBytes[form]
    this.#sequence = this.first + this.#readSkipped()
  }

  /** How many datums were not read yet. */
  get remaining(): number {
    return this.count - this.#read
  }

  /** The sequence number of the datum that {@link advance} comes to, and that {@link next} gives. */
  get sequence(): number {
    return this.#sequence
  }

  /** Where in {@link bytes} the datum begins that was read last. */
  get start(): number {
    return this.#start
  }

  /** Where in {@link bytes} that datum ends. */
  get end(): number {
    return this.#end
  }

  /** Reads the next datum without making anything of it. There must be one {@link remaining}. */
  advance(): void {
    const length = this.#readVarint()
    const start = this.#offset
    const end = start + length
    this.#start = start
    this.#end = end
    this.#offset = end
    this.#sequence++
    this.#read++
    if (this.#form !== 'all' && this.#read < this.count) this.#sequence += this.#readSkipped()
  }

  /** The next datum's bytes, a view into the frame. There must be one {@link remaining}. */
  next(): Uint8Array {
    this.advance()
    return this.bytes.subarray(this.#start, this.#end)
  }

  /** Walks over all datums, which ends at the frame's end whatever the head claims. */
  #checked(): { readonly payloadBytes: number; readonly endSequence: number } {
    if (this.#form === 'all') return this.#checkedRun()
    let payloadBytes = 0
    let sequence = this.first
    for (let index = 0; index < this.count; index++) {
      const skipped = this.#readSkipped()
      if (skipped > 0 && index === 0) throw new DatumFrameError('nothing is skipped before the first datum')
      sequence += skipped + 1
      const length = this.#readVarint()
      if (length > this.bytes.byteLength - this.#offset)
        throw new DatumFrameError('a datum is longer than its frame')
      this.#offset += length
      payloadBytes += length
    }
    this.#assertEnd(this.#offset, sequence)
    return { payloadBytes, endSequence: sequence }
  }

  /** The same where nothing is skipped, with the offset in a local: hundreds of datums are looked at at once. */
  #checkedRun(): { readonly payloadBytes: number; readonly endSequence: number } {
    const { bytes, count } = this
    const { byteLength } = bytes
    let payloadBytes = 0
    let offset = this.#offset
    for (let index = 0; index < count; index++) {
      let length = offset < byteLength ? bytes[offset++]! : endless()
      if (length > 0x7f) {
        this.#offset = offset - 1
        length = this.#readVarint()
        offset = this.#offset
      }
      if (length > byteLength - offset) throw new DatumFrameError('a datum is longer than its frame')
      offset += length
      payloadBytes += length
    }
    const endSequence = this.first + count
    this.#assertEnd(offset, endSequence)
    return { payloadBytes, endSequence }
  }

  #assertEnd(offset: number, endSequence: number): void {
    if (offset !== this.bytes.byteLength) throw new DatumFrameError('bytes behind the last datum')
    if (!Number.isSafeInteger(endSequence)) throw new DatumFrameError('sequence numbers end at 2^53')
  }

  #readSkipped(): number {
    return this.#form === 'all' ? 0 : this.#readVarint()
  }

  #readVarint(): number {
    const { bytes } = this
    const offset = this.#offset
    const low = bytes[offset]!
    const high = bytes[offset + 1]!
    // Most datums are shorter than 128 bytes, or at least than 16 KiB.
    if (low < 0x80) {
      this.#offset = offset + 1
      return low
    }
    if (high < 0x80) {
      this.#offset = offset + 2
      return (low & 0x7f) | (high << 7)
    }
    return this.#readLongVarint()
  }

  #readLongVarint(): number {
    let value = 0
    for (let shift = 0; shift < 7 * varintBytesMax; shift += 7) {
      const byte = this.bytes[this.#offset++]
      if (byte === undefined) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    return endless()
  }
}

function endless(): never {
  throw new DatumFrameError('a number that does not end')
}

function writeU64(target: Uint8Array, offset: number, value: number): void {
  writeU32(target, offset, Math.floor(value / twoTo32))
  writeU32(target, offset + 4, value % twoTo32)
}

function writeU32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24
  target[offset + 1] = value >>> 16
  target[offset + 2] = value >>> 8
  target[offset + 3] = value
}

/** Exact below 2^53; beyond that it is at least not less. */
function readU64(source: Uint8Array, offset: number): number {
  return readU32(source, offset) * twoTo32 + readU32(source, offset + 4)
}

function readU32(source: Uint8Array, offset: number): number {
  // The multiplication keeps numbers from 2^31 on positive, which a shift would not.
  return (
    source[offset]! * 0x100_0000 +
    ((source[offset + 1]! << 16) | (source[offset + 2]! << 8) | source[offset + 3]!)
  )
}
