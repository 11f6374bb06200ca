import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { MosaikError, messageOf, type PeerId } from '#framework/primitives'
import { libp2pPeerId, peerIdFromLibp2p } from './libp2p-peer-id.js'
import { isQuicAddress } from './quic/address.js'

/** How a connection travels. */
export type TransportKind = 'quic' | 'tcp' | 'memory' | 'relay'

/**
 * Reads a multiaddr.
 *
 * @throws {MosaikError} `ADDRESS_INVALID`, naming it.
 */
export function parseAddress(text: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (cause) {
    const shown = text.slice(0, 200)
    throw new MosaikError('ADDRESS_INVALID', `"${shown}" is no multiaddr: ${messageOf(cause)}`, {
      cause,
      details: { address: shown },
    })
  }
}

/** How one gets to an address; `undefined` when we cannot. */
export function transportOf(address: Multiaddr): TransportKind | undefined {
  if (isRelayed(address)) return 'relay'
  if (isQuicAddress(address)) return 'quic'
  const [first, second, third] = address.getComponents().map(({ name }) => name)
  if (first === 'memory') return 'memory'
  return second === 'tcp' && (third === undefined || third === 'p2p') ? 'tcp' : undefined
}

/** Whether an address leads over a relay. */
function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit')
}

/** The peer that an address ends in, if it does. @throws {MosaikError} `PEER_ID_MALFORMED`. */
export function peerOf(address: Multiaddr): PeerId | undefined {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' && last.value !== undefined ? peerIdFromLibp2p(last.value) : undefined
}

/** The address without the peer at its end. */
export function withoutPeer(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, '')
}

/** The address ending in that peer. */
export function withPeer(address: Multiaddr, peer: PeerId): string {
  return `${withoutPeer(address)}/p2p/${libp2pPeerId(peer)}`
}

/**
 * The addresses in the order in which they are worth trying: QUIC before TCP before a relay, and within each this machine's own
 * addresses last, because a peer on another machine lists its loopback addresses too and they lead nowhere.
 */
export function inDialOrder(addresses: readonly Multiaddr[]): Multiaddr[] {
  return addresses.toSorted((a, b) => rank(a) - rank(b))
}

function rank(address: Multiaddr): number {
  const transport = { memory: 0, quic: 1, tcp: 2, relay: 3, none: 4 }[transportOf(address) ?? 'none']
  return 2 * transport + (isLoopback(address) ? 1 : 0)
}

/** The host part of an address, `ip4/192.0.2.1` for example. */
export function hostOf(address: Multiaddr): string {
  const [host] = address.getComponents()
  return `${host?.name}/${host?.value}`
}

function isLoopback(address: Multiaddr): boolean {
  const [host] = address.getComponents()
  if (host?.name === 'ip4') return host.value?.startsWith('127.') === true
  return host?.name === 'ip6' && host.value === '::1'
}
