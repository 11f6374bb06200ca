import type { PeerEntry } from '#framework/discovery'
import { digestOf, type PeerId } from '#framework/primitives'

/** An entry of a peer that says nothing of itself but this. */
export function entryWith(content: Partial<PeerEntry> = {}): PeerEntry {
  return {
    protocol: 'test',
    network: digestOf('network'),
    peer: 'ab'.repeat(32) as PeerId,
    version: { run: 1, update: 1 },
    addresses: [],
    tags: [],
    labels: {},
    produces: [],
    consumes: [],
    groups: [],
    tickets: [],
    serves: [],
    ...content,
  }
}
