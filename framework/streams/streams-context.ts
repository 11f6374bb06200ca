import type { Discovery, PeerEntry } from '#framework/discovery'
import type { Host } from '#framework/network'
import {
  equalBytes,
  isMosaikError,
  shortId,
  type Clock,
  type Logger,
  type PeerId,
  type Random,
} from '#framework/primitives'
import type { StreamMetrics } from './metrics.js'
import type { SegmentPool } from './producing/segment-pool.js'

/** What the producers and consumers of one node have in common. */
export interface StreamsContext {
  readonly host: Host
  readonly discovery: Discovery
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: StreamMetrics
  /** Memory for the logs of producers. */
  readonly segments: SegmentPool
  /** What a peer has said last with a handshake, by the entry that the catalog had of it then. */
  readonly said: WeakMap<PeerEntry, Uint8Array>
}

const labelCharsMax = 64

/** How people call a peer: by its node's name and replica, or by its short id when it announces none. */
export function peerLabel(entry: PeerEntry): string {
  const { node, peer } = entry
  // Another machine has chosen the name, and its length.
  return node === undefined ? `peer ${shortId(peer)}` : `${node.name.slice(0, labelCharsMax)}#${node.replica}`
}

/**
 * Takes in the entry that a peer has brought with its handshake: nobody need wait until gossip has caught up. A peer that
 * subscribes to hundreds of streams at once says the same each time, which is looked at once.
 */
export function learnEntry({ discovery, said }: StreamsContext, peer: PeerId, record: Uint8Array): void {
  const known = discovery.catalog.value.get(peer)
  const last = known && said.get(known)
  if (last !== undefined && equalBytes(last, record)) return
  try {
    discovery.feed(record)
    const entry = discovery.catalog.value.get(peer)
    if (entry !== undefined) said.set(entry, record)
  } catch (error) {
    // Discovery was closed before the streams: the catalog stays as it is.
    if (!isMosaikError(error, 'DISCOVERY_CLOSED')) throw error
  }
}
