import type { PeerId as Libp2pPeerId } from '@libp2p/interface'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import {
  MosaikError,
  bytesOf,
  concatBytes,
  equalBytes,
  messageOf,
  peerIdFromRaw,
  type PeerId,
} from '#framework/primitives'

// The text form without libp2p's own functions for it, which load the cryptography of every kind of key: a quarter of
// what importing mosaik would take, and a program that starts no host needs none of it.

/**
 * What stands before the key in the id of an Ed25519 key (libp2p specs, peer-ids): an identity multihash of 36 bytes,
 * which are the protobuf of a public key of type 1 with 32 bytes of data.
 */
const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const KEY_BYTES = 32
/** The multicodec of a content id that stands for a key. */
const LIBP2P_KEY = 0x72
/** No form of such an id is longer; decoding takes time with the square of the length. */
const TEXT_LENGTH_MAX = 128

/** A peer id as multiaddrs carry it: `12D3Koo…`. */
export function libp2pPeerId(peer: PeerId): string {
  return base58btc.baseEncode(concatBytes(PREFIX, bytesOf(peer)))
}

/**
 * Reads a peer id in libp2p's text form: `12D3Koo…`, or a content id such as `k51…` or `bafz…`.
 *
 * @throws {MosaikError} `PEER_ID_MALFORMED` for anything that is not the id of an Ed25519 key.
 */
export function peerIdFromLibp2p(text: string): PeerId {
  const multihash = multihashIn(text)
  const prefix = multihash.subarray(0, PREFIX.length)
  if (multihash.length === PREFIX.length + KEY_BYTES && equalBytes(prefix, PREFIX)) {
    return peerIdFromRaw(multihash.subarray(PREFIX.length))
  }
  throw malformed(`a peer id of ours is of an Ed25519 key, not: ${text}`)
}

/** @throws {MosaikError} `PEER_ID_MALFORMED` for the id of another kind of key. */
export function fromLibp2pPeerId(peer: Libp2pPeerId): PeerId {
  if (peer.type === 'Ed25519') return peerIdFromRaw(peer.publicKey.raw)
  throw malformed(`a peer id of ours is of an Ed25519 key, not: ${peer.toString()}`)
}

function multihashIn(text: string): Uint8Array {
  if (text.length > TEXT_LENGTH_MAX) throw malformed(`no peer id: ${text.slice(0, 80)}…`)
  try {
    if (text.startsWith('1') || text.startsWith('Q')) return base58btc.baseDecode(text)
    const { code, multihash } = CID.parse(text)
    if (code === LIBP2P_KEY) return multihash.bytes
  } catch (cause) {
    throw malformed(`no peer id: ${text}: ${messageOf(cause)}`, cause)
  }
  throw malformed(`not the content id of a key: ${text}`)
}

function malformed(text: string, cause?: unknown): MosaikError {
  return new MosaikError('PEER_ID_MALFORMED', text, { cause })
}
