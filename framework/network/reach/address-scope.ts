import { BlockList, isIP, isIPv6 } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'

/** From where an IP address can be reached at all. */
export type AddressScope = 'machine' | 'site' | 'world'

const machine = new BlockList()
machine.addSubnet('127.0.0.0', 8, 'ipv4')
machine.addAddress('::1', 'ipv6')
machine.addAddress('0.0.0.0', 'ipv4')
machine.addAddress('::', 'ipv6')

/** RFC 1918, RFC 3927, RFC 6598 (behind a carrier's NAT); RFC 4193, RFC 4291 §2.5.6; multicast. */
const site = new BlockList()
site.addSubnet('10.0.0.0', 8, 'ipv4')
site.addSubnet('172.16.0.0', 12, 'ipv4')
site.addSubnet('192.168.0.0', 16, 'ipv4')
site.addSubnet('169.254.0.0', 16, 'ipv4')
site.addSubnet('100.64.0.0', 10, 'ipv4')
site.addSubnet('224.0.0.0', 3, 'ipv4')
site.addSubnet('fc00::', 7, 'ipv6')
site.addSubnet('fe80::', 10, 'ipv6')
site.addSubnet('ff00::', 8, 'ipv6')

/** The scope of an IP address. */
export function scopeOf(ip: string): AddressScope {
  const family = isIPv6(ip) ? 'ipv6' : 'ipv4'
  if (machine.check(ip, family)) return 'machine'
  return site.check(ip, family) ? 'site' : 'world'
}

/** The IP address and port of a multiaddr, as far as it gives both literally. */
export interface Endpoint {
  readonly ip: string
  readonly port: number
}

export function endpointOf(address: Multiaddr): Endpoint | undefined {
  const [host, port] = address.getComponents()
  if ((host?.name !== 'ip4' && host?.name !== 'ip6') || host.value === undefined) return undefined
  if (isIP(host.value) === 0 || port?.value === undefined || !/^(tcp|udp)$/.test(port.name)) return undefined
  return { ip: host.value, port: Number(port.value) }
}

/**
 * The network that an IP address most likely shares with others in the same hands: its /24, or its /48 of IPv6. Whoever
 * has one address has them all, so observers are counted by it.
 */
export function neighbourhoodOf(ip: string): string {
  if (!isIPv6(ip)) return ip.split('.').slice(0, 3).join('.')
  const [head = ''] = ip.toLowerCase().split('::')
  const groups = head.split(':').filter((group) => group !== '')
  return [...groups, '0', '0', '0']
    .slice(0, 3)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}
