import { entryKindCodes } from './entry-kinds.js'
import type { ChainHash, Entry } from './types.js'

/** What the hash of an entry is made of, besides the hash of the entry before. */
export type HashedFields = Omit<Entry, 'hash'>

/** Chains entries: equal hashes mean equal entries and equal histories. */
export interface ChainHasher {
  /** The hash of an entry that follows one with the hash `previous` (0: the first of the log). A safe integer. */
  next(previous: ChainHash, entry: HashedFields): ChainHash
}

const WORD = 2 ** 32
/** How many bits of the second word go into a hash: with the 32 of the first they make the 53 of a safe integer. */
const HIGH_BITS = 21

/**
 * MurmurHash3 of the hash before, the fields and the payload; 53 of its 128 bits.
 *
 * The members of a group trust each other: what the chain has to catch is two logs that went apart, a disk that changed a
 * bit, a mistake of ours; never a forger. So it need not be cryptographic, and it cannot afford to be: leader and
 * followers compute it for every entry (SHA-256 of 128 bytes takes a microsecond, this a tenth of it). By chance, a
 * difference escapes once in 2^53 times.
 */
export const murmurChain: ChainHasher = {
  next: (previous, entry) => {
    const header = headerWords
    setInteger(header, 0, previous)
    setInteger(header, 2, entry.index)
    setInteger(header, 4, entry.term)
    setInteger(header, 6, entry.applicationIndex)
    setInteger(header, 8, entry.timestampMs)
    header[10] = entryKindCodes[entry.kind]
    header[11] = entry.commandCount
    const [low, high] = murmur3(entry.payload, 0, header)
    return (high >>> (32 - HIGH_BITS)) * WORD + low
  },
}

/** One for all calls: nothing is kept in it. Three blocks of four words. */
const headerWords = new Uint32Array(12)

function setInteger(words: Uint32Array, at: number, value: number): void {
  words[at] = value % WORD
  words[at + 1] = Math.floor(value / WORD)
}

const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93

const NO_WORDS = new Uint32Array(0)
const result: [number, number, number, number] = [0, 0, 0, 0]

/**
 * MurmurHash3_x86_128 (Austin Appleby, 2011, public domain) of the words, little-endian, followed by the bytes.
 *
 * @param leading A multiple of four words.
 * @returns Four unsigned 32-bit words, in an array that the next call overwrites.
 */
export function murmur3(
  bytes: Uint8Array,
  seed: number,
  leading: Uint32Array = NO_WORDS,
): readonly [number, number, number, number] {
  let h1 = seed | 0
  let h2 = h1
  let h3 = h1
  let h4 = h1
  const leadingBytes = 4 * leading.length
  const blocksEnd = leadingBytes + (bytes.length & ~15)
  let k1: number
  let k2: number
  let k3: number
  let k4: number
  for (let at = 0; at < blocksEnd; at += 16) {
    if (at < leadingBytes) {
      const word = at >>> 2
      k1 = leading[word]!
      k2 = leading[word + 1]!
      k3 = leading[word + 2]!
      k4 = leading[word + 3]!
    } else {
      const byte = at - leadingBytes
      k1 = wordAt(bytes, byte)
      k2 = wordAt(bytes, byte + 4)
      k3 = wordAt(bytes, byte + 8)
      k4 = wordAt(bytes, byte + 12)
    }
    h1 ^= Math.imul(rotate(Math.imul(k1, C1), 15), C2)
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0
    h2 ^= Math.imul(rotate(Math.imul(k2, C2), 16), C3)
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0
    h3 ^= Math.imul(rotate(Math.imul(k3, C3), 17), C4)
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0
    h4 ^= Math.imul(rotate(Math.imul(k4, C4), 18), C1)
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0
  }
  // The last block, filled up with zeros: a word of zeros changes nothing.
  const rest = bytes.length & 15
  if (rest > 0) {
    const start = bytes.length - rest
    h4 ^= Math.imul(rotate(Math.imul(partialWordAt(bytes, start + 12), C4), 18), C1)
    h3 ^= Math.imul(rotate(Math.imul(partialWordAt(bytes, start + 8), C3), 17), C4)
    h2 ^= Math.imul(rotate(Math.imul(partialWordAt(bytes, start + 4), C2), 16), C3)
    h1 ^= Math.imul(rotate(Math.imul(partialWordAt(bytes, start), C1), 15), C2)
  }
  const length = leadingBytes + bytes.length
  h1 ^= length
  h2 ^= length
  h3 ^= length
  h4 ^= length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0
  h3 = (h3 + h1) | 0
  h4 = (h4 + h1) | 0
  h1 = finalMix(h1)
  h2 = finalMix(h2)
  h3 = finalMix(h3)
  h4 = finalMix(h4)
  h1 = (h1 + h2 + h3 + h4) | 0
  result[0] = h1 >>> 0
  result[1] = (h2 + h1) >>> 0
  result[2] = (h3 + h1) >>> 0
  result[3] = (h4 + h1) >>> 0
  return result
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function finalMix(word: number): number {
  let mixed = word
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** What is beyond the end counts as zero. */
function partialWordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  )
}
