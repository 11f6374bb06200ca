import type { Host, RelayTarget } from '#framework/network'
import { digestOf, type PeerId, type ReadonlyWatch } from '#framework/primitives'
import type { Catalog } from './catalog.js'

/** How peers say in their entries (`serves`) that others can be reached over them. */
export const RELAY_SERVICE = 'relay'

/** Round trips that differ by less are taken for equal, so that not everybody takes the same relay. Milliseconds. */
const RTT_STEP_MS = 20

/**
 * The relays among the peers, the nearest first; those that nobody has measured come last. Among equals each node has an
 * order of its own, so that the load spreads.
 */
export function relaysIn(
  catalog: Pick<Catalog, 'peers'>,
  self: PeerId,
  rttMs: (peer: PeerId) => number | undefined,
): RelayTarget[] {
  const relays = [...catalog.peers.values()].filter(({ serves }) => serves.includes(RELAY_SERVICE))
  const ranked = relays.map(({ peer, addresses }) => ({
    target: { peer, addresses: addresses.filter((address) => !address.includes('/p2p-circuit')) },
    step: Math.floor((rttMs(peer) ?? Infinity) / RTT_STEP_MS),
    lot: digestOf(`${self} ${peer}`),
  }))
  return ranked
    .filter(({ target }) => target.addresses.length > 0)
    .toSorted((a, b) => compare(a.step, b.step) || compare(a.lot, b.lot))
    .map(({ target }) => target)
}

/** Tells a host about the relays that there are, now and whenever they change. @returns What ends that. */
export function followRelays(host: Host, catalog: ReadonlyWatch<Catalog>): () => void {
  if (!host.takesRelays) return () => {}
  let told = ''
  const tell = (now: Catalog): void => {
    const relays = relaysIn(now, host.peerId, (peer) => host.rttMs(peer))
    const key = relays.map(({ peer, addresses }) => `${peer} ${addresses.join(' ')}`).join('\n')
    if (key === told) return
    told = key
    host.setRelays(relays)
  }
  tell(catalog.value)
  return catalog.subscribe(tell)
}

function compare<T extends number | string>(a: T, b: T): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
