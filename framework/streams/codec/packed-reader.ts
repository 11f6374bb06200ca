import { separateMemory, type DatumMemory } from './datum-memory.js'
import { bigintWords, bigintWordsMax } from './packed-writer.js'
import { isLatin1, utf8TextOf } from './texts.js'

/** Bytes that are no value of the layout. */
export class Malformed extends Error {
  /** Where in the value, from the outside to the inside, as far as that is known. */
  readonly path: (string | number)[] = []
}

/** The greatest distance of a Date from 1970, in milliseconds (ECMA-262, time values). */
const dateMsMax = 8.64e15

const noBytes = new Uint8Array()

/** A number's bytes in the order of this machine. */
const double = new Float64Array(1)
const doubleWords = new Uint32Array(double.buffer)
const lowWord = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1
const highWord = 1 - lowWord

/**
 * Reads the values of `packed/2` (layout.ts) from bytes that anyone may have written: none beyond the end is looked at,
 * and nothing is allocated that the bytes do not pay for. All methods throw {@link Malformed}.
 */
export class PackedReader {
  /** Whether a value broke a constraint of the layout since the reader was put to these bytes. */
  isRefused = false
  bytes: Uint8Array = noBytes
  /** Where the next value begins. Generated code keeps it to itself, and sets it when it calls a method here. */
  offset = 0
  end = 0
  memory = separateMemory

  /** Puts the reader to the bytes from `start` to `end`. */
  open(bytes: Uint8Array, start: number, end: number, memory: DatumMemory = separateMemory): void {
    this.isRefused = false
    this.memory = memory
    this.bytes = bytes
    this.offset = start
    this.end = end
  }

  /** Lets go of the bytes. */
  close(): void {
    this.bytes = noBytes
    this.memory = separateMemory
  }

  /** That all bytes were read. */
  finish(): void {
    if (this.offset !== this.end) throw new Malformed('there is more after the datum')
  }

  byte(): number {
    if (this.offset >= this.end) throw endsEarly()
    return this.bytes[this.offset++]!
  }

  /** The place of one of `count` values, of which there are at most 256. */
  place(count: number): number {
    const place = this.byte()
    if (place >= count) throw noSuchPlace()
    return place
  }

  /** The place of one of `count` values, of which there are more than 256. */
  widePlace(count: number): number {
    const place = this.byte() | (this.byte() << 8)
    if (place >= count) throw noSuchPlace()
    return place
  }

  varint(): number {
    if (this.offset >= this.end) throw endsEarly()
    const first = this.bytes[this.offset++]!
    return first < 0x80 ? first : this.moreOf(first & 0x7f, 7)
  }

  signed(): number {
    const first = this.byte()
    const lowest = first & 0x3f
    const magnitude = first < 0x80 ? lowest : this.moreOf(lowest, 6)
    return (first & 0x40) === 0 ? magnitude : negated(magnitude)
  }

  number(): number {
    return numberAt(this.bytes, this.#skip(8))
  }

  date(): Date {
    const ms = this.number()
    // Also whatever is no number. The negative zero is another way to write zero.
    if (!(Math.abs(ms) <= dateMsMax) || ms !== Math.trunc(ms) || Object.is(ms, -0)) {
      throw new Malformed('a time is invalid')
    }
    return new Date(ms)
  }

  /** How many elements, each of which takes at least `bytesMin` bytes. */
  count(bytesMin: number): number {
    const count = this.varint()
    if (count * bytesMin > this.end - this.offset) throw endsEarly()
    return count
  }

  text(): string {
    const head = this.varint()
    const start = this.#skip(Math.floor(head / 2))
    if (head % 2 === 0) return this.memory.latin1Of(this.bytes, start, this.offset)
    return utf8Of(this.bytes, start, this.offset)
  }

  byteString(): Uint8Array {
    const start = this.#skip(this.varint())
    return this.memory.bytesOf(this.bytes, start, this.offset)
  }

  bigint(): bigint {
    const words = this.byte()
    if (words === 0 || words > bigintWordsMax) throw new Malformed('an integer has no such length')
    const start = this.#skip(8 * words)
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + start, 8 * words)
    let value = view.getBigInt64(8 * (words - 1), true)
    for (let word = words - 2; word >= 0; word--) value = (value << 64n) | view.getBigUint64(8 * word, true)
    if (bigintWords(value) !== words) throw new Malformed('an integer is longer than it has to be')
    return value
  }

  /** The rest of a varint of which the lowest bits are there, so many as `bitCount` says: 6 or 7. */
  moreOf(lowest: number, bitCount: number): number {
    const { bytes, end } = this
    let { offset } = this
    let value = lowest
    // Three bytes fit into an integer of 32 bits, and four into another.
    for (let shift = bitCount; shift <= 21; shift += 7) {
      if (offset >= end) throw endsEarly()
      const byte = bytes[offset++]!
      value |= (byte & 0x7f) << shift
      if (byte >= 0x80) continue
      if (byte === 0) return tooLong()
      this.offset = offset
      return value
    }
    // A power with an exponent that is not known beforehand would take longer than all the rest.
    const weight = bitCount === 6 ? 2 ** 27 : 2 ** 28
    let high = 0
    for (let highShift = 0; highShift < 28; highShift += 7) {
      if (offset >= end) throw endsEarly()
      const byte = bytes[offset++]!
      high |= (byte & 0x7f) << highShift
      if (byte >= 0x80) continue
      if (byte === 0) return tooLong()
      this.offset = offset
      value += high * weight
      if (value > Number.MAX_SAFE_INTEGER) break
      return value
    }
    throw new Malformed('an integer is not exact as a number')
  }

  #skip(byteLength: number): number {
    const start = this.offset
    if (byteLength > this.end - start) throw endsEarly()
    this.offset = start + byteLength
    return start
  }
}

/** The number in the next eight bytes. */
export function numberAt(bytes: Uint8Array, start: number): number {
  doubleWords[lowWord] =
    bytes[start]! | (bytes[start + 1]! << 8) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 24)
  doubleWords[highWord] =
    bytes[start + 4]! | (bytes[start + 5]! << 8) | (bytes[start + 6]! << 16) | (bytes[start + 7]! << 24)
  return double[0]!
}

/** The integer below zero of this magnitude. */
export function negated(magnitude: number): number {
  if (magnitude === 0) throw new Malformed('zero has no sign')
  return -magnitude
}

export function endsEarly(): Malformed {
  return new Malformed('the datum ends early')
}

export function noSuchPlace(): Malformed {
  return new Malformed('there is no such alternative')
}

/** The text of these bytes, which could not be Latin-1. */
export function utf8Of(bytes: Uint8Array, start: number, end: number): string {
  const text = utf8TextOf(bytes, start, end)
  if (text === undefined) throw new Malformed('a text is not UTF-8')
  if (isLatin1(text)) throw new Malformed('a text is longer than it has to be')
  return text
}

function tooLong(): never {
  throw new Malformed('an integer is longer than it has to be')
}
