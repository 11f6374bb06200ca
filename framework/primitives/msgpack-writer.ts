import { types } from 'node:util'
import { fromHex } from './bytes.js'
import { CodecError } from './codec-error.js'
import { BIGINT_BYTES_MAX, DEPTH_MAX, Extension, Format } from './msgpack.js'

const SLAB_BYTES = 16 * 1024
/** Free room that is enough for any header, number or time, so that only what is long must ask for more. */
const HEADROOM_BYTES = 32
/** Texts up to this length are written in a loop; beyond, the call into the runtime is quicker. */
const SHORT_TEXT_CHARS = 48

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n
const UINT64_MAX = 2n ** 64n - 1n

const utf8 = new TextEncoder()
const scratch = new DataView(new ArrayBuffer(8))
const scratchBytes = new Uint8Array(scratch.buffer)

/**
 * Writes values as MessagePack, each in its shortest form. Messages are laid one after the other into slabs of memory,
 * so that a small one costs little more than its bytes.
 */
export class MsgpackWriter {
  #bytes = new Uint8Array(SLAB_BYTES)
  #start = 0
  #position = 0
  /** The keys on the way to the value that is being written, for the error: as many as it is deep. */
  readonly #path: (string | number)[] = []

  /** @throws CodecError `CODEC_UNSUPPORTED` */
  write(value: unknown): Uint8Array {
    this.#start = this.#position
    try {
      this.#value(value, 0)
    } catch (error) {
      this.#position = this.#start
      throw error
    }
    const message = this.#bytes.subarray(this.#start, this.#position)
    // The rest of a slab that was made for one large message would keep it alive for the sake of small ones.
    if (this.#bytes.byteLength > SLAB_BYTES) this.#useSlab(SLAB_BYTES)
    return message
  }

  #value(value: unknown, depth: number): void {
    this.#reserve(HEADROOM_BYTES)
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        return this.#number(value)
      case 'object':
        return value === null ? this.#put8(Format.nil) : this.#object(value, depth)
      case 'boolean':
        return this.#put8(value ? Format.true : Format.false)
      case 'undefined':
        this.#put8(Format.fixext1)
        this.#put8(Extension.undefined)
        return this.#put8(0)
      case 'bigint':
        return this.#bigint(value, depth)
      default:
        throw this.#unsupported(`a ${typeof value}`, depth)
    }
  }

  #object(value: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) return this.#map(value, depth)
    if (Array.isArray(value)) return this.#array(value, depth)
    if (types.isUint8Array(value)) return this.#binary(value)
    if (types.isDate(value)) return this.#date(value, depth)
    // A plain object of another realm: its prototype is the end of the chain as well.
    if (Object.getPrototypeOf(prototype) === null) return this.#map(value, depth)
    throw this.#unsupported(`an instance of ${value.constructor?.name ?? 'a class'}`, depth)
  }

  #map(value: object, depth: number): void {
    this.#descend(depth)
    const keys = Object.keys(value)
    const count = keys.length
    if (count < 16) this.#put8(Format.fixmap | count)
    else this.#length(count, undefined, Format.map16, Format.map32)
    for (let i = 0; i < count; i++) {
      const key = keys[i]!
      this.#path[depth] = key
      if (key === '__proto__') throw this.#unsupported('the key __proto__', depth + 1)
      this.#reserve(HEADROOM_BYTES)
      this.#text(key)
      this.#value((value as Record<string, unknown>)[key], depth + 1)
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    this.#descend(depth)
    const count = value.length
    if (count < 16) this.#put8(Format.fixarray | count)
    else this.#length(count, undefined, Format.array16, Format.array32)
    for (let i = 0; i < count; i++) {
      this.#path[depth] = i
      this.#value(value[i], depth + 1)
    }
  }

  #number(value: number): void {
    // Of the two zeros, the negative one is no integer.
    if (value >>> 0 === value && !Object.is(value, -0)) {
      if (value < 0x80) return this.#put8(value)
      if (value < 0x1_00) return this.#put16((Format.uint8 << 8) | value)
      this.#put8(value < 0x1_0000 ? Format.uint16 : Format.uint32)
      if (value < 0x1_0000) this.#put16(value)
      else this.#put32(value)
    } else if (value >> 0 === value && value !== 0) {
      if (value >= -0x20) return this.#put8(value)
      if (value >= -0x80) return this.#put16((Format.int8 << 8) | (value & 0xff))
      this.#put8(value >= -0x8000 ? Format.int16 : Format.int32)
      if (value >= -0x8000) this.#put16(value)
      else this.#put32(value)
    } else {
      this.#put8(Format.float64)
      scratch.setFloat64(0, value)
      this.#putScratch()
    }
  }

  #bigint(value: bigint, depth: number): void {
    if (value >= INT64_MIN && value <= UINT64_MAX) {
      this.#put8(value <= INT64_MAX ? Format.int64 : Format.uint64)
      scratch.setBigInt64(0, value)
      return this.#putScratch()
    }
    const bytes = twosComplement(value)
    if (bytes.byteLength > BIGINT_BYTES_MAX) {
      throw this.#unsupported(`an integer of more than ${BIGINT_BYTES_MAX} bytes`, depth)
    }
    this.#reserve(bytes.byteLength + HEADROOM_BYTES)
    this.#length(bytes.byteLength, Format.ext8, Format.ext16, Format.ext32)
    this.#put8(Extension.bigint)
    this.#bytes.set(bytes, this.#position)
    this.#position += bytes.byteLength
  }

  #date(value: Date, depth: number): void {
    const ms = value.getTime()
    if (Number.isNaN(ms)) throw this.#unsupported('an invalid Date', depth)
    const seconds = Math.floor(ms / 1_000)
    const nanoseconds = (ms - seconds * 1_000) * 1_000_000
    if (seconds >= 0 && seconds < 2 ** 32 && nanoseconds === 0) {
      this.#put16((Format.fixext4 << 8) | Extension.timestamp)
      this.#put32(seconds)
    } else if (seconds >= 0 && seconds < 2 ** 34) {
      this.#put16((Format.fixext8 << 8) | Extension.timestamp)
      this.#put32(nanoseconds * 4 + Math.floor(seconds / 2 ** 32))
      this.#put32(seconds)
    } else {
      this.#put8(Format.ext8)
      this.#put16((12 << 8) | Extension.timestamp)
      this.#put32(nanoseconds)
      scratch.setBigInt64(0, BigInt(seconds))
      this.#putScratch()
    }
  }

  #binary(value: Uint8Array): void {
    this.#reserve(value.byteLength + HEADROOM_BYTES)
    this.#length(value.byteLength, Format.bin8, Format.bin16, Format.bin32)
    this.#bytes.set(value, this.#position)
    this.#position += value.byteLength
  }

  #text(value: string): void {
    const length = value.length
    if (length > SHORT_TEXT_CHARS) return this.#longText(value)
    this.#reserve(length + HEADROOM_BYTES)
    const bytes = this.#bytes
    const headerBytes = length < 32 ? 1 : 2
    let position = this.#position + headerBytes
    for (let i = 0; i < length; i++) {
      const charCode = value.charCodeAt(i)
      if (charCode >= 0x80) return this.#longText(value)
      bytes[position++] = charCode
    }
    if (headerBytes === 1) this.#put8(Format.fixstr | length)
    else this.#put16((Format.str8 << 8) | length)
    this.#position = position
  }

  #longText(value: string): void {
    // UTF-8 takes at most three bytes for each UTF-16 unit. The text is written where the longest header would end, and
    // moved when a shorter one does.
    this.#reserve(3 * value.length + HEADROOM_BYTES)
    const headerStart = this.#position
    const room = this.#bytes.subarray(headerStart + 5)
    const byteLength = utf8.encodeInto(value, room).written
    if (byteLength < 32) this.#put8(Format.fixstr | byteLength)
    else this.#length(byteLength, Format.str8, Format.str16, Format.str32)
    const textStart = this.#position
    this.#bytes.copyWithin(textStart, headerStart + 5, headerStart + 5 + byteLength)
    this.#position = textStart + byteLength
  }

  /** A length after the first of these formats that has room for it; arrays and maps have none of 8 bits. */
  #length(length: number, format8: number | undefined, format16: number, format32: number): void {
    if (format8 !== undefined && length < 0x1_00) return this.#put16((format8 << 8) | length)
    this.#put8(length < 0x1_0000 ? format16 : format32)
    if (length < 0x1_0000) this.#put16(length)
    else this.#put32(length)
  }

  #put8(value: number): void {
    this.#bytes[this.#position++] = value
  }

  #put16(value: number): void {
    this.#bytes[this.#position++] = value >>> 8
    this.#bytes[this.#position++] = value
  }

  #put32(value: number): void {
    this.#bytes[this.#position++] = value >>> 24
    this.#bytes[this.#position++] = value >>> 16
    this.#bytes[this.#position++] = value >>> 8
    this.#bytes[this.#position++] = value
  }

  #putScratch(): void {
    const bytes = this.#bytes
    const position = this.#position
    for (let i = 0; i < 8; i++) bytes[position + i] = scratchBytes[i]!
    this.#position = position + 8
  }

  #reserve(byteLength: number): void {
    if (this.#position + byteLength > this.#bytes.byteLength) this.#moveToFreshSlab(byteLength)
  }

  /** Leaves the slab to the messages that are in it, and takes along what there is of the current one. */
  #moveToFreshSlab(byteLength: number): void {
    const written = this.#bytes.subarray(this.#start, this.#position)
    this.#useSlab(Math.max(SLAB_BYTES, 2 * (written.byteLength + byteLength)))
    this.#bytes.set(written)
    this.#position = written.byteLength
  }

  #useSlab(byteLength: number): void {
    this.#bytes = new Uint8Array(byteLength)
    this.#start = 0
    this.#position = 0
  }

  #descend(depth: number): void {
    if (depth === DEPTH_MAX) throw this.#unsupported(`nesting deeper than ${DEPTH_MAX}`, depth)
  }

  #unsupported(what: string, depth: number): CodecError {
    const path = this.#path.slice(0, depth)
    const place = path.length === 0 ? '' : ` at ${path.join('.')}`
    return new CodecError('CODEC_UNSUPPORTED', `${what} cannot be encoded${place}`, { details: { path } })
  }
}

/** The fewest bytes that hold the integer with its sign, most significant first. */
function twosComplement(value: bigint): Uint8Array {
  const isNegative = value < 0n
  const hex = (isNegative ? ~value : value).toString(16)
  const bytes = fromHex(hex.padStart(hex.length + (hex.length % 2), '0'))
  const signed = bytes[0]! < 0x80 ? bytes : Uint8Array.of(0, ...bytes)
  return isNegative ? signed.map((byte) => ~byte) : signed
}
