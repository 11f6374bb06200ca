import { Watch, type GroupId, type PeerId } from '#framework/primitives'
import type { Catalog, PeerEntry } from '#framework/discovery'
import type { BondDiscovery } from '../../../framework/groups/bond/bond-context.js'
import { network } from './node-host.js'

/** What discovery is to bonds: everybody has always known everybody, and says to be in the group whether that is so or not. */
export class NodeDiscovery implements BondDiscovery {
  readonly catalog
  readonly #me: PeerEntry

  constructor(self: PeerId, peers: readonly PeerId[], group: GroupId) {
    const entries = new Map(peers.toSorted().map((peer) => [peer, entryOf(peer, group)] as const))
    this.#me = entries.get(self)!
    const others = new Map([...entries].filter(([peer]) => peer !== self))
    const catalog: Catalog = {
      me: this.#me,
      peers: others,
      unsigned: new Set(),
      size: others.size,
      get: (peer) => entries.get(peer),
      changedSince: () => [],
    }
    this.catalog = new Watch(catalog).asReadonly()
  }

  get me(): PeerEntry {
    return this.#me
  }

  signedEntry(): Uint8Array {
    return new Uint8Array(1)
  }

  signOfLife(): Uint8Array {
    return new Uint8Array(1)
  }

  feed(): boolean {
    return false
  }

  addGroups(): void {}

  removeGroups(): void {}
}

function entryOf(peer: PeerId, group: GroupId): PeerEntry {
  return {
    protocol: '1.0',
    network,
    peer,
    version: { run: 1, update: 1 },
    addresses: [],
    tags: [],
    labels: {},
    produces: [],
    consumes: [],
    groups: [group],
    tickets: [],
    serves: [],
  }
}
