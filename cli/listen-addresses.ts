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
  const port = node.listen?.port === undefined ? 0 : node.listen.port + replica
  const family = host.includes(':') ? 'ip6' : 'ip4'
  return [`/${family}/${host}/udp/${port}/quic-v1`, `/${family}/${host}/tcp/${port}`]
}
