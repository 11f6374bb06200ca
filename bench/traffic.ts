// What a node has sent and received, by what it is for.
import type { Host } from '#framework/network'

/** Bytes by kind: the protocols of links by the middle of their names (`hello`, `sync`), and `gossip`. */
export interface Traffic {
  readonly sent: Readonly<Record<string, number>>
  readonly received: Readonly<Record<string, number>>
}

/** Since the start of the host. Payloads with their framing, before the transport encrypts and packs them. */
export function trafficOf(host: Host): Traffic {
  const traffic = { sent: {} as Record<string, number>, received: {} as Record<string, number> }
  for (const [, name, labels, value] of host.metrics.render().matchAll(SAMPLE)) {
    const protocol = /protocol="\/mosaik\/([^"]*)\/1\.0"/.exec(labels!)?.[1]
    const kind = name === 'gossip' ? name : protocol?.replace(/^discovery\//, '')
    if (kind === undefined) continue
    const side = labels!.includes('direction="outbound"') ? traffic.sent : traffic.received
    side[kind] = (side[kind] ?? 0) + Number(value)
  }
  return traffic
}

const SAMPLE = /^mosaik_(link|gossip)_bytes_total\{(.*)\} (\d+)$/gm

/** What was added from `before` to `after`. */
export function trafficBetween(before: Traffic, after: Traffic): Traffic {
  return { sent: difference(before.sent, after.sent), received: difference(before.received, after.received) }
}

export function totalOf(bytes: Readonly<Record<string, number>>): number {
  return Object.values(bytes).reduce((sum, value) => sum + value, 0)
}

function difference(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.entries(after).map(([kind, bytes]) => [kind, bytes - (before[kind] ?? 0)]))
}

/** What one of them has had on average. */
export function averageOf(traffics: readonly Traffic[]): Traffic {
  return {
    sent: averages(traffics.map(({ sent }) => sent)),
    received: averages(traffics.map(({ received }) => received)),
  }
}

function averages(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const kinds = new Set(all.flatMap((bytes) => Object.keys(bytes)))
  return Object.fromEntries(
    [...kinds].map((kind) => [kind, all.reduce((sum, bytes) => sum + (bytes[kind] ?? 0), 0) / all.length]),
  )
}
