// Writing the values of `packed/2` (layout.ts), with nothing allocated. Every function returns the offset after what it
// wrote, `FULL` when the target has not enough room, or `REFUSED` for a value that has no bytes; it may have written
// something in the room there is before it finds out.
import { isLatin1 } from './texts.js'
import { varintBytes } from './varint.js'

/** There is not enough room. */
export const FULL = -1

/** There are no bytes for this value. */
export const REFUSED = -2

/** Texts up to this length are looked at here; beyond, the call into the runtime is quicker. */
const shortTextUnits = 20

/** The runtime's own way from text to bytes, which its declarations leave out: without what `write` asks of its arguments. */
type TextTarget = Buffer &
  Readonly<Record<'latin1Write' | 'utf8Write', (text: string, offset: number) => number>>

/** How many 64-bit words an integer may take: as many as in a message (codec-extensions.ts). */
export const bigintWordsMax = 64

/** A number's bytes in the order of this machine. */
const double = new Float64Array(1)
const doubleWords = new Uint32Array(double.buffer)
const lowWord = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1
const highWord = 1 - lowWord

export function putByte(target: Buffer, offset: number, byte: number): number {
  if (offset >= target.length) return FULL
  target[offset] = byte
  return offset + 1
}

/** @param value 0 to 65,535 */
export function putTwoBytes(target: Buffer, offset: number, value: number): number {
  if (target.length - offset < 2) return FULL
  target[offset] = value & 0xff
  target[offset + 1] = value >> 8
  return offset + 2
}

/** @param value An integer from 0 to 2^53 - 1. */
export function putVarint(target: Buffer, offset: number, value: number): number {
  const end = target.length
  let rest = value
  let position = offset
  // Bitwise operators see the lowest 32 bits only.
  while (rest > 0x7fff_ffff) {
    if (position >= end) return FULL
    target[position++] = (rest & 0x7f) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  while (rest > 0x7f) {
    if (position >= end) return FULL
    target[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  if (position >= end) return FULL
  target[position++] = rest
  return position
}

/** @param value An integer from 1 - 2^53 to 2^53 - 1. */
export function putSigned(target: Buffer, offset: number, value: number): number {
  if (offset >= target.length) return FULL
  const sign = value < 0 ? 0x40 : 0
  const magnitude = value < 0 ? -value : value
  const lowest = (magnitude & 0x3f) | sign
  if (magnitude <= 0x3f) {
    target[offset] = lowest
    return offset + 1
  }
  target[offset] = lowest | 0x80
  return putVarint(
    target,
    offset + 1,
    magnitude <= 0x7fff_ffff ? magnitude >>> 6 : Math.floor(magnitude / 0x40),
  )
}

export function putNumber(target: Buffer, offset: number, value: number): number {
  if (target.length - offset < 8) return FULL
  double[0] = value
  const low = doubleWords[lowWord]!
  const high = doubleWords[highWord]!
  target[offset] = low
  target[offset + 1] = low >>> 8
  target[offset + 2] = low >>> 16
  target[offset + 3] = low >>> 24
  target[offset + 4] = high
  target[offset + 5] = high >>> 8
  target[offset + 6] = high >>> 16
  target[offset + 7] = high >>> 24
  return offset + 8
}

/** Refuses text with half a surrogate pair, for which there is no UTF-8. */
export function putText(target: Buffer, offset: number, text: string): number {
  const units = text.length
  if (units > shortTextUnits || target.length - offset <= units) return putLongText(target, offset, text)
  let position = offset
  target[position++] = 2 * units
  for (let index = 0; index < units; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0xff) return putLongText(target, offset, text)
    target[position++] = unit
  }
  return position
}

function putLongText(target: Buffer, offset: number, text: string): number {
  const units = text.length
  const contentOffset = offset + varintBytes(2 * units)
  // A unit takes three bytes at most, and its length one more than was thought: where there is room for that, one call
  // writes all of it, and says whether it is ASCII.
  if (target.length - contentOffset > 3 * units) {
    const byteLength = (target as TextTarget).utf8Write(text, contentOffset)
    if (byteLength === units) return putVarint(target, offset, 2 * units) + units
    if (!isLatin1(text)) {
      if (!text.isWellFormed()) return REFUSED
      const start = offset + varintBytes(2 * byteLength + 1)
      if (start > contentOffset) target.copyWithin(start, contentOffset, contentOffset + byteLength)
      return putVarint(target, offset, 2 * byteLength + 1) + byteLength
    }
  } else if (!isLatin1(text)) {
    if (!text.isWellFormed()) return REFUSED
    const byteLength = Buffer.byteLength(text)
    const start = putVarint(target, offset, 2 * byteLength + 1)
    if (start < 0 || target.length - start < byteLength) return FULL
    return start + (target as TextTarget).utf8Write(text, start)
  }
  if (target.length - contentOffset < units) return FULL
  return putVarint(target, offset, 2 * units) + (target as TextTarget).latin1Write(text, contentOffset)
}

export function putBytes(target: Buffer, offset: number, bytes: Uint8Array): number {
  const { byteLength } = bytes
  const start = putVarint(target, offset, byteLength)
  if (start < 0 || target.length - start < byteLength) return FULL
  target.set(bytes, start)
  return start + byteLength
}

/** Refuses integers beyond 64 words. */
export function putBigint(target: Buffer, offset: number, value: bigint): number {
  const words = bigintWords(value)
  if (words > bigintWordsMax) return REFUSED
  if (target.length - offset < 1 + 8 * words) return FULL
  target[offset] = words
  let rest = value
  for (let word = 0; word < words; word++) {
    target.writeBigUInt64LE(BigInt.asUintN(64, rest), offset + 1 + 8 * word)
    rest >>= 64n
  }
  return offset + 1 + 8 * words
}

/** How many 64-bit words hold it with its sign: more than 64 for whatever takes more than 64. */
export function bigintWords(value: bigint): number {
  let words = 1
  while (words <= bigintWordsMax && BigInt.asIntN(64 * words, value) !== value) words++
  return words
}
