// How addresses of this framework are written. This is for early and pointed messages; what can be listened on or dialled
// is for the network to decide in the end.
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { suggest } from '#framework/primitives'

export interface AddressFault {
  /** Follows the address, as in `/ip4/127.0.0.1 has no port`. */
  readonly message: string
  readonly hint?: string
}

export const portMax = 65_535

type Component = (value: string) => string | undefined

const host: Component = (value) =>
  /^[^\s:/]+$/.test(value) ? undefined : `has "${value}" where a host name belongs`
const port: Component = (value) =>
  /^\d{1,5}$/.test(value) && Number(value) <= portMax ? undefined : `has "${value}" where a port belongs`

/** The protocols of multiaddrs that mosaik speaks, and how to judge the value of each; null for those without one. */
const components: ReadonlyMap<string, Component | null> = new Map<string, Component | null>([
  ['ip4', (value) => (isIPv4(value) ? undefined : `has "${value}" where an IPv4 address belongs`)],
  ['ip6', (value) => (isIPv6(value) ? undefined : `has "${value}" where an IPv6 address belongs`)],
  ['dns', host],
  ['dns4', host],
  ['dns6', host],
  ['udp', port],
  ['tcp', port],
  ['quic-v1', null],
  ['memory', () => undefined],
  [
    'p2p',
    (value) =>
      /^[1-9A-HJ-NP-Za-km-z]{46,64}$/.test(value) ? undefined : `has "${value}" where a peer id belongs`,
  ],
])

/** Roughly what a multiaddr looks like; the JSON Schema says no more than this. */
export const multiaddrPattern = /^(\/[^\s/]+){2,}$/

/** A peer id, as its 32 bytes in hexadecimal or as libp2p writes it. */
export const peerIdPattern = /^([0-9a-fA-F]{64}|12D3Koo[1-9A-HJ-NP-Za-km-z]{45})$/

/** What is wrong with a text that says whom to contact first: a multiaddr, or the id of a peer that is found otherwise. */
export function seedFault(text: string): AddressFault | undefined {
  return peerIdPattern.test(text) ? undefined : multiaddrFault(text)
}

const example = '/ip4/127.0.0.1/udp/4001/quic-v1'

/** What is wrong with a multiaddr; undefined when nothing is, and for protocols that are unknown here. */
export function multiaddrFault(text: string): AddressFault | undefined {
  if (!multiaddrPattern.test(text)) {
    const [, name, number] = /^(?:\w+:\/\/)?\[?([^[\]/\s]+)\]?:(\d{1,5})$/.exec(text) ?? []
    const hint =
      name === undefined || number === undefined
        ? `it looks like ${example}`
        : `did you mean "${multiaddrOf(name, number)}"?`
    return { message: 'is no multiaddr', hint }
  }
  const rest = text.slice(1).split('/')
  let last = ''
  for (let protocol = rest.shift(); protocol !== undefined; protocol = rest.shift()) {
    const judge = components.get(protocol)
    if (judge === undefined) {
      const likely = suggest(protocol, components.keys())
      if (likely === undefined) return undefined
      return { message: `has the unknown protocol "${protocol}"`, hint: `did you mean "${likely}"?` }
    }
    if (protocol !== 'p2p') last = protocol
    if (judge === null) continue
    const value = rest.shift()
    const message = value === undefined ? `ends after "${protocol}", which needs a value` : judge(value)
    if (message !== undefined) return { message, hint: `a complete address is ${example}` }
  }
  if (last === 'udp')
    return {
      message: 'ends in UDP, over which nothing but QUIC is spoken',
      hint: `did you mean "${withQuic(text)}"?`,
    }
  if (/^(ip|dns)/.test(last)) return { message: 'has no port', hint: `a complete address is ${example}` }
  return undefined
}

/** What is wrong with a host to listen on, which is an IP address. */
export function hostFault(text: string): AddressFault | undefined {
  if (isIP(text) !== 0) return undefined
  if (text === 'localhost') return { message: 'is a name', hint: 'did you mean "127.0.0.1"?' }
  if (text === '*') return { message: 'is no IP address', hint: 'did you mean "0.0.0.0", every interface?' }
  const embedded = text.split(/[/[\]]|:\d+$/).find((part) => isIP(part) !== 0)
  if (embedded === undefined)
    return { message: 'is no IP address', hint: 'write 127.0.0.1, or 0.0.0.0 for every interface' }
  return { message: 'is more than an IP address', hint: `write "${embedded}" here, and ports at the nodes` }
}

export const portRangePattern = /^(\d{1,5})-(\d{1,5})$/

/** The ports of a range such as `4001-4003`. Undefined for any other text. */
export function portsOf(range: string): { readonly first: number; readonly last: number } | undefined {
  const [, first, last] = portRangePattern.exec(range) ?? []
  return first === undefined ? undefined : { first: Number(first), last: Number(last) }
}

/** What is wrong with a text that says where a node listens. */
export function portsOrMultiaddrFault(text: string): AddressFault | undefined {
  if (/^\d+$/.test(text))
    return { message: 'is no multiaddr', hint: `a port is written without quotes: ${text}` }
  const ports = portsOf(text)
  if (ports === undefined) return multiaddrFault(text)
  if (ports.first >= 1 && ports.first <= ports.last && ports.last <= portMax) return undefined
  return { message: 'is no range of ports', hint: `ports go from 1 to ${portMax}, the lower one first` }
}

function multiaddrOf(name: string, number: string): string {
  const kind = isIPv4(name) ? 'ip4' : isIPv6(name) ? 'ip6' : 'dns'
  return `/${kind}/${name}/udp/${number}/quic-v1`
}

function withQuic(text: string): string {
  return text.replace(/(\/udp\/\d+)/, '$1/quic-v1')
}
