import type { PeerEntry } from './entry.js'

/** What a predicate on peers sees: all that the peer says of itself, and how far away it is. Immutable. */
export interface PeerInfo extends PeerEntry {
  /** The smoothed round trip in milliseconds; undefined when it was not measured in the last minutes. */
  readonly rttMs: number | undefined
  /** Whether the round trip is shorter than that, in milliseconds. True when it is unknown: who was never tried gets a chance. */
  rttBelow(ms: number): boolean
}

export function peerInfoOf(entry: PeerEntry, rttMs: number | undefined): PeerInfo {
  return Object.freeze({
    ...entry,
    rttMs,
    rttBelow: (ms: number) => rttMs === undefined || rttMs < ms,
  })
}
