import { MosaikError, isMosaikError, peerIdFromHex, type PeerId } from '#framework/primitives'
import { parseAddress, peerOf, transportOf } from './addresses.js'
import { peerIdFromLibp2p } from './libp2p-peer-id.js'

/** Whom to reach, and where. At least one of the two. */
export interface DialTarget {
  /** Alone: over the connection there is, or at an address from the address book. */
  readonly peer?: PeerId
  /** Multiaddrs, which may end in `/p2p/<peer>`. They are tried before those in the address book. */
  readonly addresses?: readonly string[]
}

/**
 * Reads whom to reach, as people write it: a multiaddr, which may end in `/p2p/<peer id>`, and then only that peer is
 * accepted there; or a peer id alone, in hexadecimal or as libp2p writes it.
 *
 * @throws {MosaikError} `ADDRESS_INVALID`, naming the text.
 */
export function dialTargetOf(text: string): DialTarget {
  if (!text.startsWith('/')) return { peer: peerIdOf(text) }
  const address = parseAddress(text)
  let peer
  try {
    peer = peerOf(address)
  } catch (cause) {
    throw invalid(text, 'it ends in a peer id that no peer of ours has', cause)
  }
  if (peer !== undefined && address.getComponents().length === 1) return { peer }
  if (transportOf(address) === undefined) throw invalid(text, 'there is no transport for it')
  return { addresses: [text], ...(peer !== undefined && { peer }) }
}

function peerIdOf(text: string): PeerId {
  try {
    return /^[0-9a-f]{64}$/i.test(text) ? peerIdFromHex(text.toLowerCase()) : peerIdFromLibp2p(text)
  } catch (cause) {
    if (!isMosaikError(cause)) throw cause
    throw invalid(text, 'it is neither a multiaddr nor a peer id', cause)
  }
}

function invalid(text: string, why: string, cause?: unknown): MosaikError {
  const shown = text.slice(0, 200)
  return new MosaikError('ADDRESS_INVALID', `"${shown}" cannot be dialled: ${why}`, {
    ...(cause !== undefined && { cause }),
    details: { address: shown },
  })
}
