import type { PeerId } from '#framework/primitives'
import type { PeerInfo } from '../peer-info.js'

/** How the round trip of a peer was arrived at. */
export type LatencyBasis =
  /** It was measured. */
  | 'measured'
  /** It was not, but those of peers in the same zone or region were: their median. */
  | 'zone'
  | 'region'
  /** Nothing was measured there: an assumption for the same zone or region as ours, or for another one. */
  | 'locality'
  /** The peer does not say where it is: the median of all that were measured. */
  | 'candidates'
  /** Nothing was measured, and nothing is known of where the peer is. */
  | 'unknown'

/** What counted for or against a peer, as data for programs that show it. Times are in milliseconds. */
export type Reason =
  /** The round trip, and how it was arrived at. */
  | { readonly kind: 'latency'; readonly costMs: number; readonly basis: LatencyBasis }
  /** A preferred tag. */
  | { readonly kind: 'tag'; readonly costMs: number; readonly tag: string; readonly present: boolean }
  /** The preferred region or zone, and where the peer is. */
  | {
      readonly kind: 'region' | 'zone'
      readonly costMs: number
      readonly wanted: string
      readonly actual: string | undefined
      readonly same: boolean
    }
  /** The peer may not be chosen. */
  | Exclusion
  /** Another peer is better, but not by the margin or not yet for long enough: this one stays. */
  | {
      readonly kind: 'kept'
      readonly against: PeerId
      readonly aheadMs: number
      readonly marginMs: number
    }
  /** The peer is better than a chosen one by more than the margin, and will replace it if that lasts so long. */
  | {
      readonly kind: 'challenging'
      readonly against: PeerId
      readonly aheadMs: number
      readonly remainingMs: number
    }

/** Why a peer may not be chosen. */
export type Exclusion = {
  readonly kind: 'excluded'
} & (
  | { readonly because: 'max-rtt'; readonly rttMs: number; readonly maxRttMs: number }
  /** `require` returned false. */
  | { readonly because: 'require' }
  /** `require` or the condition on candidates threw. */
  | { readonly because: 'predicate-failed'; readonly message: string }
  /** It is not in the catalog, or is this node itself. */
  | { readonly because: 'unknown-peer' | 'self' }
)

/** One peer in a ranking. */
export interface RankedPeer {
  readonly peer: PeerId
  /** Undefined when the peer is not in the catalog. */
  readonly info: PeerInfo | undefined
  readonly chosen: boolean
  /** The sum of what counted, in milliseconds: less is better. Undefined when the peer may not be chosen. */
  readonly scoreMs: number | undefined
  readonly reasons: readonly Reason[]
}

/** Peers in order of preference at one moment. Immutable. */
export interface RankingResult {
  /** Those that are chosen, then those that could be, then those that may not; the better ones first. */
  readonly ranked: readonly RankedPeer[]
  /** The peers that are chosen, the best first. */
  readonly chosen: readonly PeerId[]
}
