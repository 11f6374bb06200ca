import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId as Libp2pPeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { MosaikError, bytesOf, concatBytes, peerIdFromRaw, type PeerId } from '#framework/primitives'
import { seedOfIdentity, type Identity } from './identity.js'

/** A peer id as multiaddrs carry it: `12D3Koo…`. */
export function libp2pPeerId(peer: PeerId): string {
  return toLibp2pPeerId(peer).toString()
}

/**
 * Reads a peer id in libp2p's text form.
 *
 * @throws {MosaikError} `PEER_ID_MALFORMED` for anything that is not the id of an Ed25519 key.
 */
export function peerIdFromLibp2p(text: string): PeerId {
  let peer
  try {
    peer = peerIdFromString(text)
  } catch (cause) {
    throw new MosaikError('PEER_ID_MALFORMED', `no peer id: ${text.slice(0, 80)}`, { cause })
  }
  return fromLibp2pPeerId(peer)
}

/** For libp2p's own calls. */
export function toLibp2pPeerId(peer: PeerId): Libp2pPeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(bytesOf(peer)))
}

/** @throws {MosaikError} `PEER_ID_MALFORMED` for the id of another kind of key. */
export function fromLibp2pPeerId(peer: Libp2pPeerId): PeerId {
  if (peer.type !== 'Ed25519') {
    throw new MosaikError(
      'PEER_ID_MALFORMED',
      `a peer id of ours is of an Ed25519 key, not: ${peer.toString()}`,
    )
  }
  return peerIdFromRaw(peer.publicKey.raw)
}

/** The identity's secret as libp2p wants it. */
export function libp2pPrivateKey(identity: Identity): PrivateKey {
  return privateKeyFromRaw(concatBytes(seedOfIdentity(identity), bytesOf(identity.peerId)))
}
