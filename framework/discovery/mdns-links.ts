import { BlockList, isIPv4, isIPv6 } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'

/** How many links are used: a machine with more is one with many virtual ones, and each is asked on. */
const LINKS_MAX = 16

/** A network that this machine is on directly: where multicast reaches, and where what it finds can be reached. */
export interface MdnsLink {
  /** The name of the interface. */
  readonly name: string
  /** Our IPv4 address there, by which sockets name the interface. */
  readonly address: string
  /** Whether a packet with this source address came from this link. */
  hears(source: string): boolean
  /** Whether an IP address can be told, and believed, on this link. */
  covers(ip: string): boolean
}

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/**
 * The links of a machine, one for each interface that has an IPv4 address.
 *
 * On a link of a network, only addresses of that network count: neither are loopback addresses or those of other
 * networks told to anyone there, nor can anyone there send us elsewhere. On the loopback link, which only this machine
 * hears, all of the machine's own addresses count.
 *
 * @param interfaces As `os.networkInterfaces()` reports them.
 * @param only The name or the IPv4 address of the one interface to use. Default: all.
 */
export function linksOf(interfaces: Interfaces, only?: string): MdnsLink[] {
  const links: MdnsLink[] = []
  for (const [name, infos = []] of Object.entries(interfaces)) {
    const first = infos.find(({ family }) => family === 'IPv4')
    if (!first || (only !== undefined && only !== name && only !== first.address)) continue
    links.push(
      first.internal
        ? loopbackLink(name, first.address, interfaces)
        : networkLink(name, first.address, infos),
    )
  }
  return links.slice(0, LINKS_MAX)
}

/** The addresses, as multiaddrs without the peer, that can be told or believed on a link. */
export function onLink(link: MdnsLink, addresses: readonly string[]): string[] {
  return addresses
    .map((address) => address.replace(/\/p2p\/[^/]+$/, ''))
    .filter((address) => {
      const [, protocol, ip = ''] = address.split('/')
      return (protocol === 'ip4' || protocol === 'ip6') && link.covers(ip)
    })
}

function networkLink(name: string, address: string, infos: readonly NetworkInterfaceInfo[]): MdnsLink {
  const networks = new BlockList()
  for (const { cidr, family, address: own } of infos) {
    if (cidr === null || isLinkLocal(own)) continue
    networks.addSubnet(own, Number(cidr.split('/')[1]), family === 'IPv4' ? 'ipv4' : 'ipv6')
  }
  const covers = (ip: string): boolean => includes(networks, ip) && !includes(LOOPBACK, ip)
  return { name, address, hears: covers, covers }
}

function loopbackLink(name: string, address: string, interfaces: Interfaces): MdnsLink {
  const own = new BlockList()
  for (const info of Object.values(interfaces).flatMap((infos) => infos ?? [])) {
    if (!isLinkLocal(info.address)) own.addAddress(info.address, info.family === 'IPv4' ? 'ipv4' : 'ipv6')
  }
  return {
    name,
    address,
    hears: (source) => includes(LOOPBACK, source),
    covers: (ip) => includes(LOOPBACK, ip) || includes(own, ip),
  }
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Such addresses are of no use: they would need the name that the other machine has for the link. */
function isLinkLocal(address: string): boolean {
  return address.startsWith('fe80:')
}

function includes(list: BlockList, ip: string): boolean {
  if (isIPv4(ip)) return list.check(ip, 'ipv4')
  return isIPv6(ip) && list.check(ip, 'ipv6')
}
