import type { PeerId } from '#framework/primitives'

/** How many peers to stay connected with. */
export interface PruningLimits {
  readonly connectionsHigh: number
  readonly connectionsLow: number
  readonly pruneGraceMs: number
}

/** What the connection with one peer is used for. */
export interface PeerUse {
  readonly peer: PeerId
  /** When the connection was made, or the last link over it ended; monotonic milliseconds. */
  readonly usedAtMs: number
  /** There is no link over it but the hello, and gossip does not count on the peer. */
  readonly isIdle: boolean
}

/** What {@link choosePruned} has decided. */
export interface Pruning {
  /** Whose connections to end, the one used longest ago first. */
  readonly peers: readonly PeerId[]
  /** When to decide again, though nothing changes; Infinity when only a change can make a difference. */
  readonly atMs: number
}

/**
 * Which peers to let go when there are more than the high mark: idle ones, used longest ago first, until no more than the
 * low mark are left. The two marks are apart so that it is done once in a while and not with each newcomer. Whoever has
 * just come has something to say first, and is left alone for the grace. Pure.
 */
export function choosePruned(
  uses: readonly PeerUse[],
  keep: ReadonlySet<PeerId>,
  limits: PruningLimits,
  nowMs: number,
): Pruning {
  const { connectionsHigh, connectionsLow, pruneGraceMs } = limits
  if (uses.length <= connectionsHigh) return { peers: [], atMs: Infinity }
  const prunable = uses
    .filter(({ peer, isIdle, usedAtMs }) => isIdle && !keep.has(peer) && usedAtMs + pruneGraceMs <= nowMs)
    .toSorted((a, b) => a.usedAtMs - b.usedAtMs)
  const peers = prunable.slice(0, uses.length - connectionsLow).map(({ peer }) => peer)
  return { peers, atMs: uses.length - peers.length > connectionsHigh ? nowMs + pruneGraceMs : Infinity }
}
