import type { Multiaddr } from '@multiformats/multiaddr'

/** The block of this machine's own addresses. */
export const LOOPBACK_BLOCK = 'loopback'

/**
 * Whom an address is counted with: an IPv4 address with its /24, an IPv6 address with its /64, which is what one customer
 * gets, and everything on this machine together. Over a relay it is the relay's, whose doing it is then. `undefined` for
 * an address without an IP, which is of this process.
 */
export function blockOf(address: Multiaddr): string | undefined {
  const host = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')
  if (host?.value === undefined) return undefined
  if (host.name === 'ip4') return blockOfIp4(host.value)
  const groups = groupsOf(host.value)
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (mapped) {
    const [high, low] = [groups[6] ?? 0, groups[7] ?? 0]
    return blockOfIp4([high >> 8, high & 255, low >> 8, low & 255].join('.'))
  }
  if (groups.every((group, i) => group === (i === 7 ? 1 : 0))) return LOOPBACK_BLOCK
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

function blockOfIp4(text: string): string {
  const bytes = text.split('.')
  return bytes[0] === '127' ? LOOPBACK_BLOCK : `${bytes.slice(0, 3).join('.')}.0/24`
}

/** The eight 16-bit numbers of an IPv6 address (RFC 4291 §2.2). A multiaddr holds only well-formed ones. */
function groupsOf(text: string): number[] {
  const [left = '', right] = text.split('::')
  const head = readGroups(left)
  if (right === undefined) return head
  const tail = readGroups(right)
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
}

function readGroups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}
