import { lookup } from 'node:dns/promises'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MosaikError } from '#framework/primitives'
import { SocketFamily } from './binding.js'

const HOST_NAMES: readonly string[] = ['ip4', 'ip6', 'dns4', 'dns6', 'dns']

/** An IP address and port that the native side understands. */
export interface UdpAddress {
  readonly ip: string
  readonly port: number
  readonly family: SocketFamily
}

/** Whether this is `/<host>/udp/<port>/quic-v1`, with or without a peer behind it. */
export function isQuicAddress(address: Multiaddr): boolean {
  const [host, udp, quic, peer, ...rest] = address.getComponents().map(({ name }) => name)
  if (host === undefined || !HOST_NAMES.includes(host) || rest.length > 0) return false
  return udp === 'udp' && quic === 'quic-v1' && (peer === undefined || peer === 'p2p')
}

/**
 * Where to send to. Host names are looked up in the system's way.
 *
 * @throws {MosaikError} `ADDRESS_INVALID` for anything but a QUIC address, and what the lookup fails with.
 */
export async function resolveUdpAddress(address: Multiaddr): Promise<UdpAddress> {
  if (!isQuicAddress(address))
    throw new MosaikError('ADDRESS_INVALID', `${address.toString()} is no QUIC address`)
  const [host, udp] = address.getComponents()
  const port = Number(udp!.value)
  const name = host!.value ?? ''
  switch (host!.name) {
    case 'ip4':
      return { ip: name, port, family: SocketFamily.ip4 }
    case 'ip6':
      return { ip: name, port, family: SocketFamily.ip6 }
    default: {
      const family = host!.name === 'dns4' ? 4 : host!.name === 'dns6' ? 6 : 0
      const found = await lookup(name, { family })
      return { ip: found.address, port, family: found.family === 6 ? SocketFamily.ip6 : SocketFamily.ip4 }
    }
  }
}
