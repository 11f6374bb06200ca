import { randomFillSync } from 'node:crypto'
import { blake3 } from '@noble/hashes/blake3.js'
import { encodeUtf8 } from './bytes.js'
import { invariant } from './errors.js'

/** Where chance comes from, so that a test can replay it. */
export interface Random {
  /** Evenly distributed in [0, 1). */
  float(): number
  /**
   * An integer, evenly distributed in [0, max).
   *
   * @throws InvariantError when `max` is not an integer of at least 1.
   */
  int(max: number): number
  /** Fresh random bytes. */
  bytes(length: number): Uint8Array
}

/**
 * The chance of the machine. `bytes` is cryptographically strong, fit for keys and identifiers; `float` and `int` are
 * made for jitter and sampling and are predictable to an adversary.
 */
export const systemRandom: Random = {
  float: () => Math.random(),
  int: (max) => intBelow(max, Math.random()),
  bytes: (length) => randomFillSync(new Uint8Array(length)),
}

/**
 * The same sequence for the same seed, on every machine and for ever (a number and its decimal text are one seed).
 * Never for secrets. The generator is xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2021), its first state the BLAKE3 hash of the seed.
 */
export function seededRandom(seed: number | string): Random {
  const hash = blake3(encodeUtf8(String(seed)))
  const words = new DataView(hash.buffer, hash.byteOffset, hash.byteLength)
  let a = words.getUint32(0, true)
  let b = words.getUint32(4, true)
  let c = words.getUint32(8, true)
  let d = words.getUint32(12, true)

  const nextUint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotateLeft(d, 11)
    return result
  }
  // 27 and 26 bits of two words make the 53 that a float has.
  const float = (): number => ((nextUint32() >>> 5) * 2 ** 26 + (nextUint32() >>> 6)) / 2 ** 53

  return {
    float,
    int: (max) => intBelow(max, float()),
    bytes: (length) => {
      const bytes = new Uint8Array(length)
      let word = 0
      for (let i = 0; i < length; i++) {
        word = i % 4 === 0 ? nextUint32() : word >>> 8
        bytes[i] = word & 0xff
      }
      return bytes
    },
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function intBelow(max: number, float: number): number {
  invariant(Number.isSafeInteger(max) && max >= 1, `there is no random integer below ${max}`)
  return Math.floor(float * max)
}
