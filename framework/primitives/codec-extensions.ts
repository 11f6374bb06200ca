import { types } from 'node:util'
import {
  decodeTimestampToTimeSpec,
  encodeDateToTimeSpec,
  encodeTimeSpecToTimestamp,
  EXT_TIMESTAMP,
  ExtData,
  type ExtensionCodecType,
} from '@msgpack/msgpack'
import { fromHex, toHex } from './bytes.js'
import { CodecError } from './codec-error.js'

/** An integer of any size: two's complement, most significant byte first. */
const EXT_BIGINT = 0x42

/** How long an integer may be: arithmetic on very long ones would be a way to stop a process. */
const BIGINT_BYTES_MAX = 512

/** A value that cannot travel, before it is known where it is. */
export class Unsupported extends Error {
  /** The value, or the object that has it as a member. */
  readonly culprit: unknown
  /** Which member of the culprit it is. */
  readonly key: string | number | undefined

  constructor(what: string, culprit: unknown, key?: string | number) {
    super(what)
    this.culprit = culprit
    this.key = key
  }
}

/** False for text with half a surrogate pair, for which there is no UTF-8; true for all that is no text. */
export function isWellFormedText(value: unknown): boolean {
  return typeof value !== 'string' || value.isWellFormed()
}

/** Whether {@link extensions} understands an extension of this type and length. */
export function isExtension(type: number, byteLength: number): boolean {
  if (type === EXT_BIGINT) return byteLength >= 1 && byteLength <= BIGINT_BYTES_MAX
  return type === EXT_TIMESTAMP && (byteLength === 4 || byteLength === 8 || byteLength === 12)
}

/**
 * What is written and read besides the types of MessagePack itself. The encoder asks here first about everything that
 * is not null, undefined, a boolean, a number or text: this is where what it would turn into something else is refused.
 */
export const extensions: ExtensionCodecType<undefined> = {
  tryToEncode(value: unknown): ExtData | null {
    if (typeof value === 'bigint') return new ExtData(EXT_BIGINT, encodeBigint(value))
    if (typeof value !== 'object' || value === null) throw new Unsupported(`a ${typeof value}`, value)
    if (Array.isArray(value)) {
      // By index, which finds holes too.
      for (let i = 0; i < value.length; i++) {
        if (value[i] === undefined) throw new Unsupported('undefined in an array', value, i)
        if (!isWellFormedText(value[i])) throw new Unsupported('malformed text', value, i)
      }
      return null
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    // A plain object of another realm has a prototype that is the end of the chain as well.
    if (prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null) {
      for (const key in value) {
        if (key === '__proto__') throw new Unsupported('the key __proto__', value, key)
        const isWellFormed =
          isWellFormedText(key) && isWellFormedText((value as Record<string, unknown>)[key])
        if (!isWellFormed) throw new Unsupported('malformed text', value, key)
      }
      return null
    }
    if (types.isUint8Array(value)) return null
    if (types.isDate(value)) return new ExtData(EXT_TIMESTAMP, encodeDate(value))
    throw new Unsupported(`an instance of ${value.constructor?.name || 'a class'}`, value)
  },

  decode(data: Uint8Array, type: number): unknown {
    return type === EXT_BIGINT ? decodeBigint(data) : decodeDate(data)
  },
}

function encodeDate(date: Date): Uint8Array {
  if (Number.isNaN(date.getTime())) throw new Unsupported('an invalid Date', date)
  return encodeTimeSpecToTimestamp(encodeDateToTimeSpec(date))
}

function decodeDate(data: Uint8Array): Date {
  const { sec, nsec } = decodeTimestampToTimeSpec(data)
  const date = new Date(sec * 1_000 + Math.floor(nsec / 1_000_000))
  if (nsec > 999_999_999 || Number.isNaN(date.getTime())) {
    throw new CodecError('CODEC_MALFORMED', 'malformed message: a time is invalid')
  }
  return date
}

/** The fewest bytes that hold the integer with its sign. */
function encodeBigint(value: bigint): Uint8Array {
  const isNegative = value < 0n
  const hex = (isNegative ? ~value : value).toString(16)
  const magnitude = fromHex(hex.length % 2 === 0 ? hex : `0${hex}`)
  const bytes = magnitude[0]! < 0x80 ? magnitude : Uint8Array.of(0, ...magnitude)
  if (bytes.byteLength > BIGINT_BYTES_MAX) {
    throw new Unsupported(`an integer of more than ${BIGINT_BYTES_MAX} bytes`, value)
  }
  return isNegative ? bytes.map((byte) => ~byte) : bytes
}

function decodeBigint(bytes: Uint8Array): bigint {
  return BigInt.asIntN(8 * bytes.byteLength, BigInt(`0x${toHex(bytes)}`))
}
