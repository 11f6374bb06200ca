import { isUtf8 } from 'node:buffer'
import { separateMemory, type ByteMemory } from './byte-memory.js'
import { bigintWords, bigintWordsMax } from './packed-writer.js'

/** Bytes that are no value of the layout. */
export class Malformed extends Error {
  /** Where in the value, from the outside to the inside, as far as that is known. */
  readonly path: (string | number)[] = []
}

/** Texts up to this length are looked at here; beyond, the call into the runtime is quicker. */
const shortTextBytes = 20

/** For each short length an array of this length, to hand the characters of a text over in. */
const characters = Array.from({ length: shortTextBytes + 1 }, (_, length) => Array<number>(length).fill(0))

/** The runtime's quickest way from bytes to text, which its declarations leave out; it takes any Uint8Array. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice: (this: Uint8Array, start: number, end: number) => string
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
 * Reads the values of `packed/1` (layout.ts) from bytes that anyone may have written: none beyond the end is looked at,
 * and nothing is allocated that the bytes do not pay for. All methods throw {@link Malformed}.
 */
export class PackedReader {
  /** Whether a value broke a constraint of the layout since the reader was put to these bytes. */
  isRefused = false
  #bytes: Uint8Array = noBytes
  #memory = separateMemory
  #offset = 0
  #end = 0

  /** Puts the reader to the bytes from `start` to `end`. */
  open(bytes: Uint8Array, start: number, end: number, memory: ByteMemory = separateMemory): void {
    this.isRefused = false
    this.#memory = memory
    this.#bytes = bytes
    this.#offset = start
    this.#end = end
  }

  /** Lets go of the bytes. */
  close(): void {
    this.#bytes = noBytes
    this.#memory = separateMemory
  }

  /** That all bytes were read. */
  finish(): void {
    if (this.#offset !== this.#end) throw new Malformed('there is more after the datum')
  }

  byte(): number {
    if (this.#offset >= this.#end) throw endsEarly()
    return this.#bytes[this.#offset++]!
  }

  /** The place of one of `count` values, of which there are at most 256. */
  place(count: number): number {
    const place = this.byte()
    if (place >= count) throw new Malformed('there is no such alternative')
    return place
  }

  /** The place of one of `count` values, of which there are more than 256. */
  widePlace(count: number): number {
    const place = this.byte() | (this.byte() << 8)
    if (place >= count) throw new Malformed('there is no such alternative')
    return place
  }

  varint(): number {
    if (this.#offset >= this.#end) throw endsEarly()
    const first = this.#bytes[this.#offset++]!
    return first < 0x80 ? first : this.#moreOf(first & 0x7f, 0x80)
  }

  signed(): number {
    const first = this.byte()
    const lowest = first & 0x3f
    const magnitude = first < 0x80 ? lowest : this.#moreOf(lowest, 0x40)
    if ((first & 0x40) === 0) return magnitude
    if (magnitude === 0) throw new Malformed('zero has no sign')
    return -magnitude
  }

  number(): number {
    const bytes = this.#bytes
    const start = this.#skip(8)
    doubleWords[lowWord] =
      bytes[start]! | (bytes[start + 1]! << 8) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 24)
    doubleWords[highWord] =
      bytes[start + 4]! | (bytes[start + 5]! << 8) | (bytes[start + 6]! << 16) | (bytes[start + 7]! << 24)
    return double[0]!
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
    if (count * bytesMin > this.#end - this.#offset) throw endsEarly()
    return count
  }

  text(): string {
    const byteLength = this.varint()
    const start = this.#skip(byteLength)
    return byteLength <= shortTextBytes ? this.#shortText(start, byteLength) : this.#longText(start)
  }

  bytes(): Uint8Array {
    const byteLength = this.varint()
    const start = this.#skip(byteLength)
    return this.#memory.keep(this.#bytes, start, this.#offset)
  }

  bigint(): bigint {
    const words = this.byte()
    if (words === 0 || words > bigintWordsMax) throw new Malformed('an integer has no such length')
    const start = this.#skip(8 * words)
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, 8 * words)
    let value = view.getBigInt64(8 * (words - 1), true)
    for (let word = words - 2; word >= 0; word--) value = (value << 64n) | view.getBigUint64(8 * word, true)
    if (bigintWords(value) !== words) throw new Malformed('an integer is longer than it has to be')
    return value
  }

  /** The rest of a varint, whose lowest bits are there. */
  #moreOf(lowest: number, scale: number): number {
    let value = lowest
    for (let weight = scale; ; weight *= 0x80) {
      const byte = this.byte()
      if (weight > 2 ** 52) throw new Malformed('an integer is not exact as a number')
      value += (byte & 0x7f) * weight
      if (byte < 0x80) {
        if (byte === 0) throw new Malformed('an integer is longer than it has to be')
        if (value > Number.MAX_SAFE_INTEGER) throw new Malformed('an integer is not exact as a number')
        return value
      }
    }
  }

  #skip(byteLength: number): number {
    const start = this.#offset
    if (byteLength > this.#end - start) throw endsEarly()
    this.#offset = start + byteLength
    return start
  }

  #shortText(start: number, byteLength: number): string {
    const bytes = this.#bytes
    const units = characters[byteLength]!
    let seen = 0
    for (let index = 0; index < byteLength; index++) {
      const byte = bytes[start + index]!
      seen |= byte
      units[index] = byte
    }
    return seen < 0x80 ? String.fromCharCode.apply(undefined, units) : this.#longText(start)
  }

  #longText(start: number): string {
    const text = utf8Slice.call(this.#bytes, start, this.#offset)
    // Malformed bytes become replacement characters, which can also be meant.
    if (text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(start, this.#offset))) {
      throw new Malformed('a text is not UTF-8')
    }
    return text
  }
}

function endsEarly(): Malformed {
  return new Malformed('the datum ends early')
}
