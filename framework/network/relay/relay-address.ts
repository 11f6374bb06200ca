import type { Multiaddr } from '@multiformats/multiaddr'
import { MosaikError, type PeerId } from '#framework/primitives'
import { parseAddress, peerOf, withPeer, withoutPeer } from '../addresses.js'

const CIRCUIT = '/p2p-circuit'

/** The two halves of `<address of the relay>/p2p/<relay>/p2p-circuit/p2p/<peer>`. */
export interface RelayedAddress {
  readonly relay: PeerId
  /** Where the relay is, without its peer id; nothing when only the id is given. */
  readonly relayAddress: string | undefined
  /** Who is behind it. */
  readonly peer: PeerId | undefined
}

/**
 * Takes a relayed address apart.
 *
 * @throws {MosaikError} `ADDRESS_INVALID` when it names no relay, or leads over more than one.
 */
export function splitRelayed(address: Multiaddr): RelayedAddress {
  const text = address.toString()
  const [before = '', after = '', ...more] = text.split(CIRCUIT)
  const invalid = (why: string): MosaikError =>
    new MosaikError('ADDRESS_INVALID', `${text}: ${why}`, { details: { address: text } })
  if (more.length > 0) throw invalid('it leads over more than one relay')
  const relayed = before === '' ? undefined : parseAddress(before)
  const relay = relayed && peerOf(relayed)
  if (relayed === undefined || relay === undefined) throw invalid('it does not name the relay')
  const relayAddress = withoutPeer(relayed)
  return {
    relay,
    relayAddress: relayAddress === '' || relayAddress === '/' ? undefined : relayAddress,
    peer: after === '' ? undefined : peerOf(parseAddress(after)),
  }
}

/** The address over a relay, without who is behind it. */
export function relayedAddress(relayAddress: string, relay: PeerId): string {
  return `${withPeer(parseAddress(relayAddress), relay)}${CIRCUIT}`
}
