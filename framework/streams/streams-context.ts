import type { Discovery, PeerEntry } from '#framework/discovery'
import type { Host } from '#framework/network'
import { isMosaikError, shortId, type Clock, type Logger, type Random } from '#framework/primitives'
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
}

const labelCharsMax = 64

/** How people call a peer: by its node's name and replica, or by its short id when it announces none. */
export function peerLabel(entry: PeerEntry): string {
  const { node, peer } = entry
  // Another machine has chosen the name, and its length.
  return node === undefined ? `peer ${shortId(peer)}` : `${node.name.slice(0, labelCharsMax)}#${node.replica}`
}

/** Takes in the entry that a peer has brought with its handshake: nobody need wait until gossip has caught up. */
export function learnEntry({ discovery }: StreamsContext, record: Uint8Array): void {
  try {
    discovery.feed(record)
  } catch (error) {
    // Discovery was closed before the streams: the catalog stays as it is.
    if (!isMosaikError(error, 'DISCOVERY_CLOSED')) throw error
  }
}
