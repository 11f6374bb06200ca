import { MosaikError } from '#framework/primitives'
import { parseAddress, peerOf, transportOf, withoutPeer } from '../addresses.js'
import { endpointOf, neighbourhoodOf, scopeOf } from './address-scope.js'
import type { PeerId } from '#framework/primitives'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Addresses of one peer that are dialled before punching. */
const DIRECT_MAX = 4

/**
 * The addresses that a peer behind a relay has named and that may lead to it from here: public ones, and those of a site
 * only when an interface of ours is on the same network. A stranger's 192.168.1.2 is not the neighbour's.
 */
export function worthDialling(
  peer: PeerId,
  named: readonly string[],
  own: readonly string[],
): readonly Multiaddr[] {
  const ownNetworks = new Set(
    own.flatMap((text) => {
      const endpoint = endpointOf(parseAddress(text))
      return endpoint === undefined ? [] : [neighbourhoodOf(endpoint.ip)]
    }),
  )
  const usable = named.flatMap((text) => {
    const address = parsed(text)
    if (address === undefined || (peerOf(address) ?? peer) !== peer) return []
    const endpoint = endpointOf(address)
    const kind = transportOf(address)
    if (endpoint === undefined || (kind !== 'quic' && kind !== 'tcp')) return []
    const scope = scopeOf(endpoint.ip)
    const isNear = scope === 'world' || (scope === 'site' && ownNetworks.has(neighbourhoodOf(endpoint.ip)))
    return isNear ? [parseAddress(withoutPeer(address))] : []
  })
  return usable.slice(0, DIRECT_MAX)
}

/** A mapped address that may be connected to: TCP, in public. Nothing else is anybody's mapping in a NAT. */
export function mappedEndpoint(text: string | undefined): { ip: string; port: number } | undefined {
  const address = text === undefined ? undefined : parsed(text)
  if (address === undefined || transportOf(address) !== 'tcp') return undefined
  const endpoint = endpointOf(address)
  const isUsable = endpoint !== undefined && endpoint.port > 0 && scopeOf(endpoint.ip) === 'world'
  return isUsable ? endpoint : undefined
}

/**
 * Where a relay accepts TCP, for a connection that shows us our mapping. Nodes listen for QUIC and TCP on one port number
 * unless told otherwise, so a QUIC address gives one more to try.
 */
export function tcpAddressesOf(relayAddress: string | undefined, booked: readonly string[]): string[] {
  const given = [...(relayAddress === undefined ? [] : [relayAddress]), ...booked]
  const tcp = given.flatMap((text) => {
    const address = parsed(text)
    const endpoint = address && endpointOf(address)
    if (address === undefined || endpoint === undefined || scopeOf(endpoint.ip) !== 'world') return []
    switch (transportOf(address)) {
      case 'tcp':
        return [text]
      case 'quic':
        return [`/${address.getComponents()[0]!.name}/${endpoint.ip}/tcp/${endpoint.port}`]
      default:
        return []
    }
  })
  return [...new Set(tcp)].slice(0, 2)
}

function parsed(text: string): Multiaddr | undefined {
  try {
    const address = parseAddress(text)
    // Also refuses what names a key of another kind.
    peerOf(address)
    return address
  } catch (error) {
    if (error instanceof MosaikError) return undefined
    throw error
  }
}
