import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { MosaikError, type PeerId } from '#framework/primitives'
import { hostOf, parseAddress, peerOf, transportOf, withPeer, withoutPeer } from '../addresses.js'
import type { PeerConnection } from '../peer-connection.js'

const CIRCUIT = '/p2p-circuit'
/** Addresses that are published for one relay, and that are looked at. */
const PUBLISHED_MAX = 4
const NAMED_MAX = 64

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

/**
 * The addresses to publish for a place at a relay: the one at which we ourselves reach the relay, and those that the
 * relay gives for the same host. What it says beyond that might be anybody's, and everybody who reads our entry would
 * dial it.
 *
 * @param connection To the relay.
 * @param named By the relay, as bytes of multiaddrs.
 */
export function publishableAddresses(
  { address, peer, direction }: Pick<PeerConnection, 'address' | 'peer' | 'direction'>,
  named: readonly Uint8Array[],
): string[] {
  const host = hostOf(parseAddress(address))
  const said = named.slice(0, NAMED_MAX).flatMap((bytes) => {
    try {
      const one = multiaddr(bytes)
      const kind = transportOf(one)
      return hostOf(one) === host && kind !== undefined && kind !== 'relay' ? [withoutPeer(one)] : []
    } catch {
      return []
    }
  })
  // What an inbound connection comes from is no listener's port.
  const dialled = direction === 'outbound' ? [address] : []
  const distinct = [...new Set([...dialled, ...said])].slice(0, PUBLISHED_MAX)
  return distinct.map((one) => relayedAddress(one, peer))
}
