import { blake3 } from '@noble/hashes/blake3.js'
import { encodeUtf8, fromHex, toHex } from './bytes.js'
import { MosaikError, invariant } from './errors.js'
import type { Random } from './random.js'

declare const brand: unique symbol

/**
 * A 32-byte identifier as 64 lower-case hexadecimal characters. Text rather than bytes, so that `===`, map keys and
 * JSON just work; and because hexadecimal digits sort like the bytes they stand for, `<` is byte order.
 *
 * The hash is BLAKE3 everywhere (O'Connor, Aumasson, Neves, Wilcox-O'Hearn: "BLAKE3, one function, fast everywhere",
 * 2020): 32 bytes of output, no key, no context string.
 */
export type Digest = string & { readonly [brand]: 'Digest' }
/** The digest of a network's name. */
export type NetworkId = Digest
/** The digest of a stream's name. */
export type StreamId = Digest
/** What a group of peers is known by. */
export type GroupId = Digest

/** The 32-byte Ed25519 public key (RFC 8032) of a peer as 64 lower-case hexadecimal characters. */
export type PeerId = string & { readonly [brand]: 'PeerId' }

const ID_BYTES = 32
const ID_HEX = /^[0-9a-f]{64}$/i
const SHORT_ID_CHARS = 10

/** 32 zero bytes. */
export const ZERO_DIGEST = '0'.repeat(2 * ID_BYTES) as Digest

/**
 * The identifier that a name stands for: exactly 64 hexadecimal characters, in any letter case, are taken as the bytes
 * they spell; any other text is hashed. Use {@link hashBytes} for names from untrusted sources, which could otherwise
 * spell the identifier of something else, and {@link digestFromHex} for text that must be an identifier.
 */
export function digestOf(name: string): Digest {
  if (ID_HEX.test(name)) return name.toLowerCase() as Digest
  return hashBytes(encodeUtf8(name))
}

/**
 * {@link digestOf} for text that is at hand as bytes: 64 ASCII hexadecimal characters are decoded, anything else is
 * hashed. A raw 32-byte identifier is therefore hashed too; {@link digestFromRaw} adopts one.
 */
export function digestOfBytes(text: Uint8Array): Digest {
  if (text.byteLength === 2 * ID_BYTES) {
    const characters = String.fromCharCode(...text)
    if (ID_HEX.test(characters)) return characters.toLowerCase() as Digest
  }
  return hashBytes(text)
}

/**
 * Adopts 32 bytes as they are.
 *
 * @throws MosaikError `DIGEST_LENGTH` for any other number of bytes.
 */
export function digestFromRaw(bytes32: Uint8Array): Digest {
  return idFromRaw(bytes32, 'a digest') as Digest
}

/**
 * Adopts 64 hexadecimal characters, in any letter case. Never hashes.
 *
 * @throws MosaikError `DIGEST_MALFORMED` for anything else.
 */
export function digestFromHex(hex: string): Digest {
  return idFromHex(hex, 'a digest') as Digest
}

/**
 * A digest that spells an integer: zero bytes, then the integer in little-endian order, in two's complement when it is
 * negative, as the last `widthBytes` bytes. Nothing is hashed and the width leaves no trace, so that 1 in one byte and
 * 256 in two bytes are the same digest.
 *
 * @throws InvariantError for a number that is no safe integer or does not fit, signed or unsigned, into the width.
 */
export function digestFromInteger(value: number | bigint, widthBytes: 1 | 2 | 4 | 8 | 16): Digest {
  invariant(typeof value === 'bigint' || Number.isSafeInteger(value), `${value} is not a safe integer`)
  const integer = BigInt(value)
  const bits = 8 * widthBytes
  const unsigned = BigInt.asUintN(bits, integer)
  const fits = unsigned === integer || BigInt.asIntN(bits, integer) === integer
  invariant(fits, `${value} does not fit into ${widthBytes} bytes`)
  const bytes = new Uint8Array(ID_BYTES)
  let rest = unsigned
  for (let i = ID_BYTES - widthBytes; i < ID_BYTES; i++) {
    bytes[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return toHex(bytes) as Digest
}

/** The BLAKE3 hash of the bytes, whatever they are. */
export function hashBytes(data: Uint8Array): Digest {
  return toHex(blake3(data)) as Digest
}

/**
 * The hash of the parts one after the other. No lengths and no separators go in, so that "ab" + "c" equals "a" + "bc":
 * callers whose parts vary in length put the lengths in themselves.
 */
export function digestOfParts(...parts: readonly Uint8Array[]): Digest {
  const hash = blake3.create()
  for (const part of parts) hash.update(part)
  return toHex(hash.digest()) as Digest
}

/** A further identifier made from one: the hash of its 32 bytes followed by `info` (text as UTF-8). */
export function derive(id: Digest, info: string | Uint8Array): Digest {
  return digestOfParts(bytesOf(id), typeof info === 'string' ? encodeUtf8(info) : info)
}

/** The hash of an identifier's 32 bytes. */
export function rehash(id: Digest): Digest {
  return hashBytes(bytesOf(id))
}

/** 32 random bytes. */
export function randomDigest(random: Random): Digest {
  return digestFromRaw(random.bytes(ID_BYTES))
}

/** The 32 bytes of an identifier, a fresh copy. */
export function bytesOf(id: Digest | PeerId): Uint8Array {
  return fromHex(id)
}

/**
 * Adopts the 32 bytes of an Ed25519 public key. Whether they are a point of the curve shows when a signature is
 * verified.
 *
 * @throws MosaikError `DIGEST_LENGTH` for any other number of bytes.
 */
export function peerIdFromRaw(bytes32: Uint8Array): PeerId {
  return idFromRaw(bytes32, 'a peer id') as PeerId
}

/**
 * Adopts 64 hexadecimal characters, in any letter case, as an Ed25519 public key.
 *
 * @throws MosaikError `DIGEST_MALFORMED` for anything else.
 */
export function peerIdFromHex(hex: string): PeerId {
  return idFromHex(hex, 'a peer id') as PeerId
}

/** The first 5 bytes as 10 characters: for logs and the labels of metrics, where it is unique enough. */
export function shortId(id: Digest | PeerId): string {
  return id.slice(0, SHORT_ID_CHARS)
}

/**
 * The beginning and the end of an identifier, `ab..yz`.
 *
 * @param length How many bytes to show, half of them (rounded down) on either side; 32 and more show the whole.
 */
export function abbreviate(id: Digest | PeerId, length: number): string {
  invariant(Number.isInteger(length) && length >= 2, 'an abbreviation shows at least one byte on either side')
  if (length >= ID_BYTES) return id
  const chars = 2 * Math.floor(length / 2)
  return `${id.slice(0, chars)}..${id.slice(-chars)}`
}

function idFromRaw(bytes: Uint8Array, what: string): string {
  if (bytes.byteLength !== ID_BYTES) {
    throw new MosaikError('DIGEST_LENGTH', `${what} has ${ID_BYTES} bytes, not ${bytes.byteLength}`, {
      details: { byteLength: bytes.byteLength },
    })
  }
  return toHex(bytes)
}

function idFromHex(hex: string, what: string): string {
  if (!ID_HEX.test(hex)) {
    throw new MosaikError('DIGEST_MALFORMED', `${what} is ${2 * ID_BYTES} hexadecimal characters`)
  }
  return hex.toLowerCase()
}
