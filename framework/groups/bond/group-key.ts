import { hkdfSync, scrypt } from 'node:crypto'
import { inspect } from 'node:util'
import type { TicketValidator } from '#framework/discovery'
import {
  MosaikError,
  bytesOf,
  encodeUtf8,
  fromHex,
  systemRandom,
  toHex,
  type Random,
} from '#framework/primitives'

const KEY_BYTES = 32
/** A key with fewer different bytes was typed, not drawn. */
const DISTINCT_BYTES_MIN = 8

const PASSPHRASE_CHARS_MIN = 12
/**
 * What trying one passphrase costs: 128 MiB and a good part of a second (RFC 7914; the parameters that OWASP's "Password
 * Storage Cheat Sheet" gives for scrypt).
 */
const SCRYPT = Object.freeze({ N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 })

/** How a passphrase becomes a key. */
export interface PassphraseOptions {
  /**
   * What the same passphrase gives another key for elsewhere: the name of the group, say. All members give the same; it
   * is no secret.
   */
  readonly salt: string
}

/**
 * The secret of a group: who has it may prove to be a member. Everything that is derived from it comes from one
 * extract-and-expand (HKDF with SHA-256, RFC 5869) with a label of its own for each use, so that what others see, the id
 * of the group above all, leads neither back to the key nor to the proofs.
 *
 * The id of a group is public, and whoever has it can try keys against it: hence 32 random bytes, or a passphrase that
 * each try of is dear. Printing a key shows a fingerprint, never the key.
 */
export class GroupKey {
  readonly #key: Uint8Array

  private constructor(key: Uint8Array) {
    this.#key = key
  }

  /** A new key: 32 bytes of chance. */
  static random(random: Random = systemRandom): GroupKey {
    return new GroupKey(random.bytes(KEY_BYTES))
  }

  /**
   * The key that these 32 bytes are; a copy is kept.
   *
   * @throws {MosaikError} `GROUP_KEY_INVALID` for any other number of bytes; `GROUP_KEY_WEAK` for fewer than 8 different ones.
   */
  static fromBytes(key: Uint8Array): GroupKey {
    if (key.byteLength !== KEY_BYTES) {
      throw new MosaikError(
        'GROUP_KEY_INVALID',
        `the key of a group has ${KEY_BYTES} bytes, not ${key.byteLength}`,
      )
    }
    if (new Set(key).size < DISTINCT_BYTES_MIN) {
      throw new MosaikError('GROUP_KEY_WEAK', 'the key of a group repeats itself: draw one at random')
    }
    return new GroupKey(key.slice())
  }

  /**
   * The key that 64 hexadecimal characters spell, as {@link toHex} writes it. Never hashes: see {@link fromPassphrase}.
   *
   * @throws {MosaikError} `GROUP_KEY_INVALID` for any other text; `GROUP_KEY_WEAK` as {@link fromBytes}.
   */
  static fromHex(text: string): GroupKey {
    // The message says nothing about the text: it may end up in a log.
    if (!/^[0-9a-f]{64}$/i.test(text)) {
      throw new MosaikError(
        'GROUP_KEY_INVALID',
        'the key of a group is 64 hexadecimal characters; what people can remember is a passphrase (GroupKey.fromPassphrase)',
      )
    }
    return GroupKey.fromBytes(fromHex(text))
  }

  /**
   * The key that a passphrase is stretched to (scrypt, 128 MiB), the same for all who give the same passphrase and salt.
   * Text is compared in Unicode's normalisation form KC.
   *
   * @throws {MosaikError} `GROUP_KEY_WEAK` for fewer than 12 characters.
   */
  static async fromPassphrase(passphrase: string, { salt }: PassphraseOptions): Promise<GroupKey> {
    const normal = passphrase.normalize('NFKC')
    if (normal.length < PASSPHRASE_CHARS_MIN) {
      throw new MosaikError(
        'GROUP_KEY_WEAK',
        `the passphrase of a group has at least ${PASSPHRASE_CHARS_MIN} characters`,
      )
    }
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const fullSalt = encodeUtf8(`mosaik/group/passphrase/1\0${salt.normalize('NFKC')}`)
    scrypt(encodeUtf8(normal), fullSalt, KEY_BYTES, SCRYPT, (error, key) => {
      if (error === null) resolve(new Uint8Array(key))
      else reject(error)
    })
    return new GroupKey(await promise)
  }

  /**
   * The key of a group that has no secret of its own: whoever knows what the validator is made of has it, and the tickets
   * that the validator demands are what keeps others out.
   */
  static fromValidator(validator: TicketValidator): GroupKey {
    return new GroupKey(expand(bytesOf(validator.signature), 'validator-key'))
  }

  /** What the id of the group is made of, besides its parameters. */
  get idKey(): Uint8Array {
    return expand(this.#key, 'id')
  }

  /** What proofs are made with. */
  get proofKey(): Uint8Array {
    return expand(this.#key, 'proof')
  }

  /** The key itself, as 64 hexadecimal characters, to be put where secrets are kept. */
  toHex(): string {
    return toHex(this.#key)
  }

  /** By which people can tell keys apart without seeing them. */
  toString(): string {
    return `GroupKey(${toHex(expand(this.#key, 'fingerprint')).slice(0, 10)})`
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

function expand(key: Uint8Array, label: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), `mosaik/group/${label}/1`, KEY_BYTES))
}
