import { toHex } from './bytes.js'
import { CodecError } from './codec-error.js'
import { BIGINT_BYTES_MAX, DEPTH_MAX, Extension, Format } from './msgpack.js'

/** Texts up to this length are put together in a loop when they are ASCII; beyond, the call into the runtime is quicker. */
const SHORT_TEXT_BYTES = 16
const REPLACEMENT_CHARACTER = '\ufffd'

/** A power of two. */
const KEY_CACHE_SLOTS = 1024
const CACHED_KEY_BYTES_MAX = 31

const NO_BYTES = new Uint8Array()

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const scratch = new DataView(new ArrayBuffer(8))
const scratchBytes = new Uint8Array(scratch.buffer)

/**
 * Reads MessagePack that anyone may have written. Every length is compared with the bytes that are left before anything
 * is made from it, and nothing is read that a message of ours would not contain.
 */
export class MsgpackReader {
  /** The keys seen most recently: those of a stream's datums are the same all the time. Only ASCII. */
  readonly #keys = Array.from<string | undefined>({ length: KEY_CACHE_SLOTS })
  #bytes: Uint8Array = NO_BYTES
  #position = 0
  /** The same memory with the methods for long texts, made when the first one comes. */
  #buffer: Buffer | undefined

  /** @throws CodecError `CODEC_MALFORMED` */
  read(bytes: Uint8Array): unknown {
    // Always the same class: a Buffer has a slice() that does not copy, and two classes would make every access slower.
    this.#bytes =
      bytes.constructor === Uint8Array
        ? bytes
        : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#position = 0
    try {
      const value = this.#value(0)
      if (this.#position !== this.#bytes.byteLength) throw this.#malformed('there is more after the message')
      return value
    } finally {
      this.#bytes = NO_BYTES
      this.#buffer = undefined
    }
  }

  #value(depth: number): unknown {
    const format = this.#uint8()
    if (format < Format.fixmap) return format
    if (format < Format.fixarray) return this.#map(format & 0x0f, depth)
    if (format < Format.fixstr) return this.#array(format & 0x0f, depth)
    if (format < Format.nil) return this.#text(format & 0x1f)
    if (format >= Format.negativeFixint) return format - 0x100
    switch (format) {
      case Format.nil:
        return null
      case Format.false:
        return false
      case Format.true:
        return true
      case Format.uint8:
        return this.#uint8()
      case Format.uint16:
        return this.#uint16()
      case Format.uint32:
        return this.#uint32()
      case Format.uint64:
        return this.#scratch(8).getBigUint64(0)
      case Format.int8:
        return (this.#uint8() << 24) >> 24
      case Format.int16:
        return (this.#uint16() << 16) >> 16
      case Format.int32:
        return this.#uint32() | 0
      case Format.int64:
        return this.#scratch(8).getBigInt64(0)
      case Format.float32:
        return this.#scratch(4).getFloat32(0)
      case Format.float64:
        return this.#scratch(8).getFloat64(0)
      case Format.str8:
        return this.#text(this.#uint8())
      case Format.str16:
        return this.#text(this.#uint16())
      case Format.str32:
        return this.#text(this.#uint32())
      case Format.bin8:
        return this.#binary(this.#uint8())
      case Format.bin16:
        return this.#binary(this.#uint16())
      case Format.bin32:
        return this.#binary(this.#uint32())
      case Format.array16:
        return this.#array(this.#uint16(), depth)
      case Format.array32:
        return this.#array(this.#uint32(), depth)
      case Format.map16:
        return this.#map(this.#uint16(), depth)
      case Format.map32:
        return this.#map(this.#uint32(), depth)
      case Format.fixext1:
        return this.#extension(1)
      case Format.fixext2:
        return this.#extension(2)
      case Format.fixext4:
        return this.#extension(4)
      case Format.fixext8:
        return this.#extension(8)
      case Format.fixext16:
        return this.#extension(16)
      case Format.ext8:
        return this.#extension(this.#uint8())
      case Format.ext16:
        return this.#extension(this.#uint16())
      case Format.ext32:
        return this.#extension(this.#uint32())
      default:
        throw this.#malformed(`no value begins with 0x${format.toString(16)}`)
    }
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#descend(depth)
    this.#require(2 * count)
    const map: Record<string, unknown> = {}
    for (let i = 0; i < count; i++) {
      const key = this.#key()
      map[key] = this.#value(depth + 1)
    }
    return map
  }

  #array(count: number, depth: number): unknown[] {
    this.#descend(depth)
    this.#require(count)
    // Grown as the elements come: arrays that each claim all that is left would add up to far more than was sent.
    const array: unknown[] = []
    for (let i = 0; i < count; i++) array.push(this.#value(depth + 1))
    return array
  }

  #key(): string {
    const format = this.#uint8()
    let byteLength
    if (format >= Format.fixstr && format < Format.nil) byteLength = format & 0x1f
    else if (format === Format.str8) byteLength = this.#uint8()
    else if (format === Format.str16) byteLength = this.#uint16()
    else if (format === Format.str32) byteLength = this.#uint32()
    else throw this.#malformed('a key is not text')
    if (byteLength === 0 || byteLength > CACHED_KEY_BYTES_MAX) return this.#newKey(byteLength)

    this.#require(byteLength)
    const bytes = this.#bytes
    const start = this.#position
    const last = byteLength - 1
    const hash =
      byteLength ^ (bytes[start]! << 2) ^ (bytes[start + (last >>> 1)]! << 4) ^ (bytes[start + last]! << 6)
    const slot = hash & (KEY_CACHE_SLOTS - 1)
    const known = this.#keys[slot]
    if (known !== undefined && known.length === byteLength) {
      let i = 0
      while (i < byteLength && known.charCodeAt(i) === bytes[start + i]) i++
      if (i === byteLength) {
        this.#position = start + byteLength
        return known
      }
    }
    const key = this.#newKey(byteLength)
    if (key.length === byteLength) this.#keys[slot] = key
    return key
  }

  #newKey(byteLength: number): string {
    const key = this.#text(byteLength)
    // Assigning to it would change the prototype of the object instead of giving it a member.
    if (key === '__proto__') throw this.#malformed('the key __proto__ is not allowed')
    return key
  }

  #text(byteLength: number): string {
    this.#require(byteLength)
    if (byteLength > SHORT_TEXT_BYTES) return this.#longText(byteLength)
    const bytes = this.#bytes
    const end = this.#position + byteLength
    let position = this.#position
    let text = ''
    let seen = 0
    for (; position + 4 <= end; position += 4) {
      const a = bytes[position]!
      const b = bytes[position + 1]!
      const c = bytes[position + 2]!
      const d = bytes[position + 3]!
      seen |= a | b | c | d
      text += String.fromCharCode(a, b, c, d)
    }
    for (; position < end; position++) {
      const a = bytes[position]!
      seen |= a
      text += String.fromCharCode(a)
    }
    if (seen >= 0x80) return this.#strictText(byteLength)
    this.#position = end
    return text
  }

  #longText(byteLength: number): string {
    const start = this.#position
    const { buffer, byteOffset } = this.#bytes
    this.#buffer ??= Buffer.from(buffer, byteOffset, this.#bytes.byteLength)
    const text = this.#buffer.toString('utf8', start, start + byteLength)
    // Quicker than the strict way, but this character may stand for bytes that are no UTF-8.
    if (text.includes(REPLACEMENT_CHARACTER)) return this.#strictText(byteLength)
    this.#position = start + byteLength
    return text
  }

  #strictText(byteLength: number): string {
    const start = this.#position
    try {
      const text = strictUtf8.decode(this.#bytes.subarray(start, start + byteLength))
      this.#position = start + byteLength
      return text
    } catch {
      throw this.#malformed('a text is not UTF-8')
    }
  }

  #binary(byteLength: number): Uint8Array {
    this.#require(byteLength)
    const start = this.#position
    this.#position = start + byteLength
    return this.#bytes.slice(start, this.#position)
  }

  #extension(byteLength: number): unknown {
    this.#require(byteLength + 1)
    const type = this.#uint8()
    if (type === Extension.undefined && byteLength === 1) {
      if (this.#uint8() === 0) return undefined
    } else if (type === Extension.timestamp) {
      return this.#timestamp(byteLength)
    } else if (type === Extension.bigint && byteLength >= 1 && byteLength <= BIGINT_BYTES_MAX) {
      return BigInt.asIntN(8 * byteLength, BigInt(`0x${toHex(this.#binary(byteLength))}`))
    }
    throw this.#malformed(`extension ${type} with ${byteLength} bytes is unknown`)
  }

  #timestamp(byteLength: number): Date {
    let seconds = NaN
    let nanoseconds = 0
    if (byteLength === 4) {
      seconds = this.#uint32()
    } else if (byteLength === 8) {
      const high = this.#uint32()
      nanoseconds = high >>> 2
      seconds = (high & 0b11) * 2 ** 32 + this.#uint32()
    } else if (byteLength === 12) {
      nanoseconds = this.#uint32()
      seconds = Number(this.#scratch(8).getBigInt64(0))
    }
    const date = new Date(seconds * 1_000 + Math.floor(nanoseconds / 1_000_000))
    if (nanoseconds > 999_999_999 || Number.isNaN(date.getTime())) throw this.#malformed('a time is invalid')
    return date
  }

  #uint8(): number {
    this.#require(1)
    return this.#bytes[this.#position++]!
  }

  #uint16(): number {
    this.#require(2)
    const bytes = this.#bytes
    const position = this.#position
    this.#position = position + 2
    return (bytes[position]! << 8) | bytes[position + 1]!
  }

  #uint32(): number {
    this.#require(4)
    const bytes = this.#bytes
    const position = this.#position
    this.#position = position + 4
    const high = (bytes[position]! << 8) | bytes[position + 1]!
    return ((high << 16) | (bytes[position + 2]! << 8) | bytes[position + 3]!) >>> 0
  }

  /** The next bytes where they can be read as any kind of number. */
  #scratch(byteLength: 4 | 8): DataView {
    this.#require(byteLength)
    const bytes = this.#bytes
    const position = this.#position
    for (let i = 0; i < byteLength; i++) scratchBytes[i] = bytes[position + i]!
    this.#position = position + byteLength
    return scratch
  }

  #require(byteLength: number): void {
    if (byteLength > this.#bytes.byteLength - this.#position) throw this.#malformed('the message ends early')
  }

  #descend(depth: number): void {
    if (depth === DEPTH_MAX) throw this.#malformed(`it is nested deeper than ${DEPTH_MAX}`)
  }

  #malformed(what: string): CodecError {
    const offset = this.#position
    return new CodecError('CODEC_MALFORMED', `malformed message: ${what} (byte ${offset})`, {
      details: { offset },
    })
  }
}
