import { Condition, shortId, type PeerId, type ReadonlyWatch } from '#framework/primitives'
import type { Catalog } from './catalog.js'

/** Conditions on what discovery knows, to be awaited: `await discovery.when().peers(3)`. */
export interface DiscoveryConditions {
  /** At least `count` other peers are in the catalog. */
  peers(count: number): Condition<Catalog>
  /** The peer is in the catalog. */
  peer(peer: PeerId): Condition<Catalog>
  /** At least `min` other peers, by default one, declare the tag. */
  tagged(tag: string, min?: number): Condition<Catalog>
  /** At least one peer of the network is connected. */
  connected(): Condition<ReadonlySet<PeerId>>
}

export function conditionsOf(
  catalog: ReadonlyWatch<Catalog>,
  connections: ReadonlyWatch<ReadonlySet<PeerId>>,
): DiscoveryConditions {
  return {
    peers: (count) =>
      new Condition(catalog, ({ size }) => size >= count, { name: `${count} peers are known` }),
    peer: (peer) =>
      new Condition(catalog, ({ peers }) => peers.has(peer), { name: `peer ${shortId(peer)} is known` }),
    tagged: (tag, min = 1) =>
      new Condition(catalog, (value) => countTagged(value, tag) >= min, {
        name: `${min} peers with tag "${tag}" are known`,
      }),
    connected: () => new Condition(connections, ({ size }) => size > 0, { name: 'a peer is connected' }),
  }
}

function countTagged({ peers }: Catalog, tag: string): number {
  let count = 0
  for (const { tags } of peers.values()) if (tags.includes(tag)) count++
  return count
}
