import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import {
  MosaikError,
  bytesOf,
  concatBytes,
  digestFromRaw,
  encodeUtf8,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'

/** The shortest secret, in bytes: what 128 bits of chance take. */
export const SECRET_BYTES_MIN = 16
/** A secret with fewer different bytes was typed, not drawn. */
const SECRET_DISTINCT_BYTES_MIN = 8

/** How long the number is that each side adds to a greeting, and the proof made with it; in bytes. */
export const NONCE_BYTES = 32
export const PROOF_BYTES = 32

/** Which side of a connection somebody is. */
export type GreetingRole = 'dialler' | 'acceptor'

/** Everything that two peers have to have in common for one to believe the other's proof. */
export interface GreetingTranscript {
  readonly dialler: PeerId
  readonly acceptor: PeerId
  readonly diallerNonce: Uint8Array
  readonly acceptorNonce: Uint8Array
}

/**
 * What makes somebody a member of a network: its id and, when the network is closed, its secret. In an open network
 * everybody who knows the name has it; the exchange is the same.
 *
 * All that is derived from it comes from one extract-and-expand (HKDF with SHA-256, RFC 5869), with the network id as
 * its salt and a label of its own for each use, so that none of it leads back to the secret or to one another. Pure.
 */
export class NetworkKey {
  /**
   * The id that members know the network by, in links, records and gossip. The network's own id when it is open. When
   * it is closed, one derived from both: who has only the name can neither say nor recognise it.
   */
  readonly id: NetworkId
  readonly #greetingKey: Uint8Array
  readonly #proofKey: Uint8Array
  readonly #rendezvousSeed: Uint8Array

  /**
   * @param secret Text counts as its UTF-8 bytes.
   * @throws {MosaikError} `NETWORK_INVALID`, for anything but an id; `SECRET_WEAK`, for fewer than 16 bytes or fewer than 8 different ones.
   */
  constructor(network: NetworkId, secret?: string | Uint8Array) {
    if (!/^[0-9a-f]{64}$/.test(network)) {
      throw new MosaikError('NETWORK_INVALID', 'a network is given by its id: 64 hexadecimal characters')
    }
    const material = secret === undefined ? new Uint8Array(0) : strongSecret(secret)
    const expand = (label: string): Uint8Array =>
      new Uint8Array(hkdfSync('sha256', material, bytesOf(network), `mosaik/network/${label}/1`, 32))
    this.id = secret === undefined ? network : digestFromRaw(expand('id'))
    this.#greetingKey = expand('greeting')
    this.#proofKey = expand('proof')
    this.#rendezvousSeed = expand('rendezvous')
  }

  /**
   * What a dialler shows an acceptor before either has proven anything. Members can check it, and nobody else can tell
   * from it which network it is, or that two peers are of the same: it differs for each pair, and for each direction.
   */
  greetingId(dialler: PeerId, acceptor: PeerId): NetworkId {
    const mac = createHmac('sha256', this.#greetingKey)
    return digestFromRaw(mac.update(concatBytes(bytesOf(dialler), bytesOf(acceptor))).digest())
  }

  /**
   * Shows that its maker has the key now, on this very connection: bound to both peers, whose keys the transport has
   * verified, to a fresh number of each, and to which of the two its maker is.
   */
  proof(role: GreetingRole, transcript: GreetingTranscript): Uint8Array {
    const { dialler, acceptor, diallerNonce, acceptorNonce } = transcript
    // The role ends in a zero byte and everything after it has a fixed length, so that no two inputs run together.
    const parts = [encodeUtf8(`${role}\0`), bytesOf(dialler), bytesOf(acceptor), diallerNonce, acceptorNonce]
    return new Uint8Array(
      createHmac('sha256', this.#proofKey)
        .update(concatBytes(...parts))
        .digest(),
    )
  }

  /** Compares in constant time. */
  isProof(role: GreetingRole, transcript: GreetingTranscript, proof: Uint8Array): boolean {
    return proof.byteLength === PROOF_BYTES && timingSafeEqual(this.proof(role, transcript), proof)
  }

  /** 32 bytes from which members derive where to leave word for each other in public places. A copy. */
  get rendezvousSeed(): Uint8Array {
    return this.#rendezvousSeed.slice()
  }
}

function strongSecret(secret: string | Uint8Array): Uint8Array {
  const bytes = typeof secret === 'string' ? encodeUtf8(secret) : secret
  // The message says nothing about what the secret holds: it may end up in a log.
  if (bytes.byteLength < SECRET_BYTES_MIN) {
    throw new MosaikError('SECRET_WEAK', `the secret of a network has at least ${SECRET_BYTES_MIN} bytes`)
  }
  if (new Set(bytes).size < SECRET_DISTINCT_BYTES_MIN) {
    throw new MosaikError('SECRET_WEAK', 'the secret of a network repeats itself: draw one at random')
  }
  return bytes
}
