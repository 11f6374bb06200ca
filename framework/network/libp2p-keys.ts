import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId as Libp2pPeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { bytesOf, concatBytes, type PeerId } from '#framework/primitives'
import { seedOfIdentity, type Identity } from './identity.js'

// Imported only by what is loaded when a host starts: these libraries bring the cryptography of every kind of key.

/** For libp2p's own calls. */
export function toLibp2pPeerId(peer: PeerId): Libp2pPeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(bytesOf(peer)))
}

/** The identity's secret as libp2p wants it. */
export function libp2pPrivateKey(identity: Identity): PrivateKey {
  return privateKeyFromRaw(concatBytes(seedOfIdentity(identity), bytesOf(identity.peerId)))
}
