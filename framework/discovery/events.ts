import type { Lagged, PeerId } from '#framework/primitives'
import type { DepartureCause } from './catalog.js'
import type { PeerEntry } from './entry.js'

/** By which way a record reached this node. */
export type Via = 'gossip' | 'sync' | 'feed' | 'local'

/** Something that happened to the catalog, or to this node's place in it. */
export type DiscoveryEvent =
  | { readonly type: 'discovered' | 'updated'; readonly entry: PeerEntry; readonly via: Via }
  | {
      readonly type: 'departed'
      readonly peer: PeerId
      /** What the peer had said of itself last. */
      readonly entry?: PeerEntry
      readonly cause: DepartureCause
    }
  /** Another process uses this node's identity. Both are told; neither can be relied on until one of them stops. */
  | { readonly type: 'duplicate-identity'; readonly peer: PeerId }
  /** A peer's clock is so far ahead of ours that its records are refused. Told once, until one is accepted. */
  | { readonly type: 'clock-skewed'; readonly peer: PeerId; readonly aheadMs: number }
  /** What was missed is not told again: the subscriber should read the catalog. */
  | Lagged
