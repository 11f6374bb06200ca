import { createCipheriv, createDecipheriv } from 'node:crypto'
import { z } from 'zod'
import { verifySignature, type Identity } from '#framework/network'
import {
  bytesOf,
  concatBytes,
  decode,
  derive,
  encode,
  encodeUtf8,
  peerIdFromRaw,
  type Digest,
  type PeerId,
  type Random,
} from '#framework/primitives'
import { inScope, type AddressScope } from './address-scope.js'

/** What the occupant of a slot says of itself. Nobody can say it of another: it is signed by the peer it is about. */
export interface SlotRecord {
  readonly peer: PeerId
  /** When the peer's process started, by its own clock, in Unix milliseconds. */
  readonly startedAtMs: number
  /** When the record was made, by its author's clock, in Unix milliseconds. */
  readonly publishedAtMs: number
  /** Where it can be dialled: multiaddrs without the peer, the best first. */
  readonly addresses: readonly string[]
}

/**
 * The largest record, in bytes. BEP 44 allows 1000 for the bencoded value, of which `996:` takes four.
 */
export const RECORD_BYTES_MAX = 996

/** How many addresses are read from a record: more than fit into one. */
const ADDRESSES_MAX = 32

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const SIGNATURE_BYTES = 64

/** Signed in front of every record, so that a signature made for another purpose can never pass for one. */
const DOMAIN = encodeUtf8('mosaik/discovery/dht/1\n')

/** The longest beginning of a list of addresses that has room in a record. */
export function fitAddresses(addresses: readonly string[]): readonly string[] {
  let fitting = addresses.slice(0, ADDRESSES_MAX)
  while (fitting.length > 0 && sealedLength(fitting) > RECORD_BYTES_MAX) fitting = fitting.slice(0, -1)
  return fitting
}

/**
 * Reads and writes the records of one slot.
 *
 * A record is sealed (AES-256-GCM) with a key that members derive as they derive the slots: who stores the value, or
 * comes across it, learns neither who is there nor where. Inside, the author's signature covers the slot's public key
 * as well, so that a record cannot be copied from one slot to another, nor from one network to another. Pure.
 */
export class SlotCodec {
  readonly #slot: Uint8Array
  readonly #key: Uint8Array

  /** @param slot The slot's public key. @param root See `slotRoot`. */
  constructor(slot: PeerId, root: Digest) {
    this.#slot = bytesOf(slot)
    this.#key = bytesOf(derive(root, 'mosaik/discovery/dht/seal'))
  }

  /** @param record Of the identity's own peer, with addresses that {@link fitAddresses} has let through. */
  seal(identity: Identity, record: Omit<SlotRecord, 'peer'>, random: Random): Uint8Array {
    const body = bodyOf({ ...record, peer: identity.peerId })
    const signature = identity.sign(this.#signed(body))
    const nonce = random.bytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key, nonce)
    const sealed = concatBytes(cipher.update(signature), cipher.update(body), cipher.final())
    return concatBytes(nonce, sealed, cipher.getAuthTag())
  }

  /**
   * The record in a slot; undefined for anything else, which is whatever somebody wanted to put there.
   *
   * @param scope Addresses outside of it are left out: a record must not send us to our own machine or network.
   */
  open(bytes: Uint8Array, scope: AddressScope): SlotRecord | undefined {
    const plain = this.#unseal(bytes)
    if (plain === undefined) return undefined
    const body = plain.subarray(SIGNATURE_BYTES)
    const record = parsed(body)
    if (record === undefined) return undefined
    if (!verifySignature(record.peer, this.#signed(body), plain.subarray(0, SIGNATURE_BYTES)))
      return undefined
    return { ...record, addresses: inScope(record.addresses.slice(0, ADDRESSES_MAX), scope) }
  }

  #unseal(bytes: Uint8Array): Uint8Array | undefined {
    if (bytes.length > RECORD_BYTES_MAX || bytes.length < NONCE_BYTES + SIGNATURE_BYTES + TAG_BYTES)
      return undefined
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES))
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      return concatBytes(decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final())
    } catch {
      // Not sealed with our key: of another network, or garbage.
      return undefined
    }
  }

  #signed(body: Uint8Array): Uint8Array {
    return concatBytes(DOMAIN, this.#slot, body)
  }
}

const bodySchema = z.object({
  peer: z
    .custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === 32, 'expected 32 bytes')
    .transform((bytes): PeerId => peerIdFromRaw(bytes)),
  started: z.int().min(0),
  published: z.int().min(0),
  addresses: z.array(z.string()),
})

function bodyOf({ peer, startedAtMs, publishedAtMs, addresses }: SlotRecord): Uint8Array {
  return encode({ peer: bytesOf(peer), started: startedAtMs, published: publishedAtMs, addresses })
}

function parsed(body: Uint8Array): SlotRecord | undefined {
  try {
    const { peer, started, published, addresses } = bodySchema.parse(decode(body))
    return { peer, startedAtMs: started, publishedAtMs: published, addresses }
  } catch {
    // Sealed by a member, and yet no record.
    return undefined
  }
}

const LONGEST_PEER = 'f'.repeat(64) as PeerId

/** How long a record with these addresses is at most, whoever makes it and whenever. */
function sealedLength(addresses: readonly string[]): number {
  const longest = Number.MAX_SAFE_INTEGER
  const body = bodyOf({ peer: LONGEST_PEER, startedAtMs: longest, publishedAtMs: longest, addresses })
  return NONCE_BYTES + SIGNATURE_BYTES + body.length + TAG_BYTES
}
