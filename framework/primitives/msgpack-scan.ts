import { isUtf8 } from 'node:buffer'
import { CodecError } from './codec-error.js'

/** How many arrays and maps may be around a value, when writing as when reading. */
export const DEPTH_MAX = 64

/** Texts up to this length are looked at here; beyond, the call into the runtime is quicker. */
const SHORT_TEXT_BYTES = 24

const noBytes = new Uint8Array()

/**
 * Walks over MessagePack messages without making anything of them, so that a decoder need not doubt them afterwards: a
 * message is complete and nothing follows it, nesting is bounded, keys are text, text is UTF-8, and integers are exact
 * as numbers. As every element is there that an array claims to have, making room for them all is safe.
 */
export class MessageScanner {
  readonly #isExtension: (type: number, byteLength: number) => boolean
  #bytes: Uint8Array = noBytes
  #offset = 0
  #hasBinary = false

  /** @param isExtension Whether an extension of this type (-128 to 127) and length is understood. */
  constructor(isExtension: (type: number, byteLength: number) => boolean) {
    this.#isExtension = isExtension
  }

  /**
   * @returns Whether the message has byte strings, which a decoder that does not copy leaves in it.
   * @throws CodecError `CODEC_MALFORMED`
   */
  scan(bytes: Uint8Array): boolean {
    this.#bytes = bytes
    this.#offset = 0
    this.#hasBinary = false
    try {
      this.#value(0)
      if (this.#offset !== bytes.byteLength) throw this.#malformed('there is more after the message')
      return this.#hasBinary
    } finally {
      this.#bytes = noBytes
    }
  }

  #value(depth: number): void {
    if (depth > DEPTH_MAX) throw this.#malformed(`it is nested deeper than ${DEPTH_MAX}`)
    const format = this.#integer(1)
    if (format < 0x80 || format >= 0xe0) return
    if (format < 0x90) return this.#map(format & 0x0f, depth)
    if (format < 0xa0) return this.#array(format & 0x0f, depth)
    if (format < 0xc0) return this.#text(format & 0x1f)
    switch (format) {
      case 0xc0: // nil, false, true
      case 0xc2:
      case 0xc3:
        return
      case 0xc4: // bin 8 to 32
        return this.#binary(this.#integer(1))
      case 0xc5:
        return this.#binary(this.#integer(2))
      case 0xc6:
        return this.#binary(this.#integer(4))
      case 0xc7: // ext 8 to 32
        return this.#extension(this.#integer(1))
      case 0xc8:
        return this.#extension(this.#integer(2))
      case 0xc9:
        return this.#extension(this.#integer(4))
      case 0xca: // float 32 and 64
        return this.#skip(4)
      case 0xcb:
        return this.#skip(8)
      case 0xcc: // uint 8 to 64
        return this.#skip(1)
      case 0xcd:
        return this.#skip(2)
      case 0xce:
        return this.#skip(4)
      case 0xcf:
        return this.#wideInteger(this.#integer(4))
      case 0xd0: // int 8 to 64
        return this.#skip(1)
      case 0xd1:
        return this.#skip(2)
      case 0xd2:
        return this.#skip(4)
      case 0xd3:
        return this.#wideInteger(this.#integer(4) | 0)
      case 0xd4: // fixext 1 to 16
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (format - 0xd4))
      case 0xd9: // str 8 to 32
        return this.#text(this.#integer(1))
      case 0xda:
        return this.#text(this.#integer(2))
      case 0xdb:
        return this.#text(this.#integer(4))
      case 0xdc: // array 16 and 32
        return this.#array(this.#integer(2), depth)
      case 0xdd:
        return this.#array(this.#integer(4), depth)
      case 0xde: // map 16 and 32
        return this.#map(this.#integer(2), depth)
      case 0xdf:
        return this.#map(this.#integer(4), depth)
      default:
        throw this.#malformed(`no value begins with 0x${format.toString(16)}`)
    }
  }

  #map(count: number, depth: number): void {
    for (let i = 0; i < count; i++) {
      const format = this.#bytes[this.#offset] ?? 0xa0
      if (!((format >= 0xa0 && format <= 0xbf) || (format >= 0xd9 && format <= 0xdb))) {
        throw this.#malformed('a key is not text')
      }
      this.#value(depth + 1)
      this.#value(depth + 1)
    }
  }

  #array(count: number, depth: number): void {
    for (let i = 0; i < count; i++) this.#value(depth + 1)
  }

  #text(byteLength: number): void {
    const bytes = this.#bytes
    let position = this.#offset
    this.#skip(byteLength)
    const end = this.#offset
    if (byteLength <= SHORT_TEXT_BYTES) while (position < end && bytes[position]! < 0x80) position++
    if (position < end && !isUtf8(bytes.subarray(position, end))) throw this.#malformed('a text is not UTF-8')
  }

  #binary(byteLength: number): void {
    this.#hasBinary = true
    this.#skip(byteLength)
  }

  #extension(byteLength: number): void {
    const type = (this.#integer(1) << 24) >> 24
    if (!this.#isExtension(type, byteLength)) {
      throw this.#malformed(`extension ${type} with ${byteLength} bytes is unknown`)
    }
    this.#skip(byteLength)
  }

  /** The rest of a 64-bit integer, of which the more significant half was read. */
  #wideInteger(high: number): void {
    if (high < -0x20_0000 || high >= 0x20_0000) throw this.#malformed('an integer is not exact as a number')
    this.#skip(4)
  }

  #integer(byteLength: number): number {
    const bytes = this.#bytes
    const start = this.#offset
    this.#skip(byteLength)
    let integer = 0
    for (let i = 0; i < byteLength; i++) integer = integer * 0x100 + bytes[start + i]!
    return integer
  }

  #skip(byteLength: number): void {
    if (byteLength > this.#bytes.byteLength - this.#offset) throw this.#malformed('the message ends early')
    this.#offset += byteLength
  }

  #malformed(what: string): CodecError {
    const offset = this.#offset
    return new CodecError('CODEC_MALFORMED', `malformed message: ${what} (byte ${offset})`, {
      details: { offset },
    })
  }
}
