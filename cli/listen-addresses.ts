import { isIP } from 'node:net'
import type { NodeDeclaration } from '#framework/topology'

/**
 * The multiaddrs that a replica listens on: QUIC and TCP on the same port. A node without a declared port takes any free
 * one; replicas of a node with one take consecutive ports, so that each address stays predictable.
 */
export function listenAddresses(
  node: NodeDeclaration,
  replica: number,
  host = '127.0.0.1',
): readonly string[] {
  if (node.listen?.addresses !== undefined) return node.listen.addresses
  return onPort(host, node.listen?.port === undefined ? 0 : node.listen.port + replica)
}

const portMax = 65_535

/**
 * The multiaddrs that a short form stands for: a port (on every IPv4 interface), an IP address (with `defaultPort`), or
 * both as `192.0.2.7:4001` or `[::]:4001`. Undefined for any other text.
 */
export function listenAddressesOf(text: string, defaultPort: number): readonly string[] | undefined {
  if (isIP(text) !== 0) return onPort(text, defaultPort)
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain ?? '0.0.0.0'
  const isOfKind = bracketed === undefined ? isIP(host) === 4 : isIP(host) === 6
  return digits !== '' && Number(digits) <= portMax && isOfKind ? onPort(host, Number(digits)) : undefined
}

function onPort(host: string, port: number): readonly string[] {
  const family = host.includes(':') ? 'ip6' : 'ip4'
  return [`/${family}/${host}/udp/${port}/quic-v1`, `/${family}/${host}/tcp/${port}`]
}
