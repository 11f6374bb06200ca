import { BlockList, isIPv4, isIPv6 } from 'node:net'

/**
 * Which addresses are told to, and believed from, the Mainline DHT. `public`: those that the whole Internet can reach.
 * `private`: also those of local and shared networks (RFC 1918, RFC 6598, RFC 4193). `all`: also those of one machine or
 * one link.
 */
export type AddressScope = 'public' | 'private' | 'all'

/** IP addresses by UDP (QUIC) or TCP, names that resolve to them, and relays at such addresses. */
const ADDRESS =
  /^\/(ip4|ip6|dns|dns4|dns6)\/([0-9a-zA-Z.:-]{1,253})\/(?:udp\/\d{1,5}\/quic-v1|tcp\/\d{1,5})(\/p2p\/[0-9a-zA-Z]{40,64}\/p2p-circuit)?$/

const LOCAL_NAME = /(^|\.)(localhost|local|internal|home\.arpa)\.?$/i

/** The longest address that is told or read, in characters. */
export const ADDRESS_CHARS_MAX = 256

/**
 * The addresses that are within the scope, each once, without the peer at their end, in the order in which they are told: direct
 * ones first, public before private, and otherwise as they were given. What has no room in a record is taken from the
 * end.
 */
export function inScope(addresses: readonly string[], scope: AddressScope): string[] {
  const found = new Map<string, number>()
  for (const address of addresses) {
    const place = placeOf(address.replace(/\/p2p\/[^/]+$/, ''))
    if (place !== undefined && reach[place.scope] <= reach[scope]) found.set(place.address, place.rank)
  }
  return [...found].toSorted(([, a], [, b]) => a - b).map(([address]) => address)
}

const reach = { public: 0, private: 1, all: 2 } as const

interface Place {
  readonly address: string
  /** The narrowest scope that it is within. */
  readonly scope: AddressScope
  readonly rank: number
}

/** Undefined for what is no address of a kind that can be told. */
function placeOf(address: string): Place | undefined {
  if (address.length > ADDRESS_CHARS_MAX) return undefined
  const [, kind, host = '', relayed] = ADDRESS.exec(address) ?? []
  if (kind === undefined) return undefined
  const scope = scopeOf(kind, host)
  if (scope === undefined) return undefined
  return { address, scope, rank: 2 * reach[scope] + (relayed === undefined ? 0 : 1) }
}

function scopeOf(kind: string, host: string): AddressScope | undefined {
  if (kind.startsWith('dns')) return LOCAL_NAME.test(host) ? 'all' : 'public'
  const family = kind === 'ip4' ? 'ipv4' : 'ipv6'
  if (family === 'ipv4' ? !isIPv4(host) : !isIPv6(host)) return undefined
  if (nowhere.check(host, family)) return 'all'
  return local.check(host, family) ? 'private' : 'public'
}

/** Local and shared networks. An IPv4 address that is written as an IPv6 one (`::ffff:…`) is looked for as what it is. */
const local = blocks(
  ['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.168.0.0/16'],
  ['fc00::/7', 'fec0::/10', '64:ff9b:1::/48'],
)

/** This machine, this link, groups, documentation, tests, and what is reserved (RFC 6890). */
const nowhere = blocks(
  [
    '0.0.0.0/8',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/4',
    '240.0.0.0/4',
  ],
  ['::/127', 'fe80::/10', 'ff00::/8', '100::/64', '2001:db8::/32'],
)

function blocks(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList()
  for (const [family, subnets] of [
    ['ipv4', ipv4],
    ['ipv6', ipv6],
  ] as const) {
    for (const subnet of subnets) {
      const [net = '', prefix] = subnet.split('/')
      list.addSubnet(net, Number(prefix), family)
    }
  }
  return list
}
