import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import {
  MosaikError,
  bytesOf,
  concatBytes,
  fromHex,
  peerIdFromRaw,
  systemRandom,
  type PeerId,
  type Random,
} from '#framework/primitives'
import { SEED_BYTES, seedFromFile, seedFromFolder, seedToNewFile } from './identity-file.js'

const SIGNATURE_BYTES = 64
/** DER up to the key itself (RFC 8410 §4 and §7), which node:crypto wants in front of the 32 bytes. */
const PUBLIC_KEY_DER = fromHex('302a300506032b6570032100')
const PRIVATE_KEY_DER = fromHex('302e020100300506032b657004220420')

let seedOf: (identity: Identity) => Uint8Array

/** Who a node is: an Ed25519 key pair (RFC 8032) whose public half is its peer id. */
export class Identity {
  readonly peerId: PeerId
  readonly #seed: Uint8Array
  readonly #key: KeyObject

  static {
    seedOf = (identity) => identity.#seed
  }

  private constructor(seed: Uint8Array) {
    this.#seed = seed
    const der = Buffer.from(concatBytes(PRIVATE_KEY_DER, seed))
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' })
    this.peerId = peerIdFromRaw(spki.subarray(PUBLIC_KEY_DER.byteLength))
  }

  /** A new identity, which nobody has had before. */
  static random(random: Random = systemRandom): Identity {
    return new Identity(random.bytes(SEED_BYTES))
  }

  /**
   * The same 32 bytes always give the same identity.
   *
   * @throws {MosaikError} `IDENTITY_SEED_LENGTH`.
   */
  static fromSeed(seed: Uint8Array): Identity {
    if (seed.byteLength !== SEED_BYTES) {
      throw new MosaikError('IDENTITY_SEED_LENGTH', `a seed has ${SEED_BYTES} bytes, not ${seed.byteLength}`)
    }
    return new Identity(Uint8Array.from(seed))
  }

  /**
   * The identity kept in `<folder>/identity.key` (the seed in hexadecimal, readable by the owner alone), which is made,
   * together with the folder, when it is not there. Processes that do this at the same time agree on one identity.
   *
   * @throws {MosaikError} `IDENTITY_KEY_EXPOSED`, when others than the owner may read the file;
   *   `IDENTITY_KEY_MALFORMED`; `IDENTITY_KEY_UNREADABLE`, when the file system refuses (its error is the cause).
   */
  static async fromFolder(folder: string): Promise<Identity> {
    return new Identity(await seedFromFolder(folder))
  }

  /**
   * The identity that a key file keeps: the seed in hexadecimal, readable by the owner alone.
   *
   * @throws {MosaikError} `IDENTITY_KEY_MISSING`, and as {@link fromFolder}.
   */
  static async fromFile(file: string): Promise<Identity> {
    return new Identity(await seedFromFile(file))
  }

  /**
   * Keeps the identity in a key file, which must not be there yet.
   *
   * @throws {MosaikError} `IDENTITY_KEY_EXISTS`; `IDENTITY_KEY_UNWRITABLE`, when the file system refuses.
   */
  async toNewFile(file: string): Promise<void> {
    await seedToNewFile(this.#seed, file)
  }

  /** An Ed25519 signature, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#key))
  }
}

/** The secret of an identity. For this folder only. */
export function seedOfIdentity(identity: Identity): Uint8Array {
  return seedOf(identity)
}

/** Making a key object costs as much as a tenth of a verification, and the same few peers sign again and again. */
const KEYS_KEPT = 1_024
const keys = new Map<PeerId, KeyObject>()

/** Whether this is that peer's Ed25519 signature of the bytes. False as well for anything malformed. */
export function verifySignature(peer: PeerId, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.byteLength !== SIGNATURE_BYTES) return false
  try {
    return verify(null, bytes, publicKeyOf(peer), signature)
  } catch {
    // 32 bytes that are no point of the curve.
    return false
  }
}

/** Keeps the keys that were used last. */
function publicKeyOf(peer: PeerId): KeyObject {
  let key = keys.get(peer)
  if (key === undefined) {
    const der = Buffer.from(concatBytes(PUBLIC_KEY_DER, bytesOf(peer)))
    key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    if (keys.size >= KEYS_KEPT) {
      const [oldest] = keys.keys()
      if (oldest !== undefined) keys.delete(oldest)
    }
  } else {
    keys.delete(peer)
  }
  keys.set(peer, key)
  return key
}
