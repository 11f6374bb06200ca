import { decode, encode } from '#framework/primitives'
import { lineageOfTuples, lineageToTuples } from './lineage.js'
import type { ClusterId, ClusterOrigin, Index, Term } from './types.js'

/** What two clusters of one group compare when they meet: who has committed more goes on. */
export interface ClusterStanding {
  readonly clusterId: ClusterId
  /** The application index: what a cluster has in its log to keep itself going is no reason to keep it. */
  readonly committed: Index
  readonly lastTerm: Term
  /** Which clusters its log has been through: what they have in common with the other is not lost. Absent: unknown. */
  readonly lineage?: readonly ClusterOrigin[] | undefined
}

/** What leaders of two clusters of one group tell each other, over a bond. */
export type MergeMessage =
  /** To the arbiter, or in answer to its invitation. */
  | { readonly type: 'standing'; readonly standing: ClusterStanding }
  /** From the arbiter to the other: final for both. */
  | { readonly type: 'verdict'; readonly verdict: Verdict }

export interface Verdict {
  readonly winner: ClusterStanding
  readonly loser: ClusterStanding
}

/** What a leader is to do about another cluster of its group. */
export type MergeDecision =
  | { readonly do: 'nothing' }
  /** Tell the other leader where this cluster stands. */
  | { readonly do: 'send-standing'; readonly standing: ClusterStanding }
  /**
   * Commit a `yield` entry with this verdict. Once it is committed: if this cluster is the loser, its members give up
   * their logs and join the winner; an arbiter tells the other leader.
   */
  | { readonly do: 'commit-verdict'; readonly verdict: Verdict }
  /** Tell the other leader how it was decided. */
  | { readonly do: 'send-verdict'; readonly verdict: Verdict }

const NOTHING: MergeDecision = { do: 'nothing' }

/** Below 0 when `a` goes on: more committed, else a later term, else the lower cluster id. Never 0 for two clusters. */
export function compareStandings(a: ClusterStanding, b: ClusterStanding): number {
  if (a.committed !== b.committed) return b.committed - a.committed
  if (a.lastTerm !== b.lastTerm) return b.lastTerm - a.lastTerm
  if (a.clusterId === b.clusterId) return 0
  return a.clusterId < b.clusterId ? -1 : 1
}

/**
 * How two leaders of clusters that were founded apart agree which of them goes on. The leader of the cluster with the
 * lower id is the arbiter: it compares where both stand, once, and commits the verdict in its own cluster before anybody
 * hears of it, so that a later leader of it cannot decide otherwise. If both compared by themselves, at different
 * moments, both could come to yield. Pure; one for each other cluster.
 */
export class IslandMerge {
  readonly #own: ClusterId
  readonly #other: ClusterId
  /** The arbiter's, on its way into its log or in it. */
  #verdict: Verdict | undefined
  #isCommitted: boolean

  /** @param committed The verdict about the two that this cluster's log has, from an earlier leader. */
  constructor(own: ClusterId, other: ClusterId, committed?: Verdict) {
    this.#own = own
    this.#other = other
    this.#verdict = committed
    this.#isCommitted = committed !== undefined
  }

  get isArbiter(): boolean {
    return this.#own < this.#other
  }

  /** A bond with a member of the other cluster is there, or it is time to try again. */
  onMet(current: ClusterStanding): MergeDecision {
    return this.#verdict ? this.#announce() : { do: 'send-standing', standing: current }
  }

  /** @param current Where this cluster stands now. */
  onMessage(message: MergeMessage, current: ClusterStanding): MergeDecision {
    return message.type === 'standing'
      ? this.#onStanding(message.standing, current)
      : this.#onVerdict(message.verdict)
  }

  /** The verdict of this arbiter is in its cluster's log for good. */
  onCommitted(): MergeDecision {
    this.#isCommitted = true
    return this.#announce()
  }

  #onStanding(theirs: ClusterStanding, current: ClusterStanding): MergeDecision {
    if (theirs.clusterId !== this.#other) return NOTHING
    // An invitation: the arbiter decides when it has the answer.
    if (!this.isArbiter) return { do: 'send-standing', standing: current }
    if (this.#verdict) return this.#announce()
    const isOursBetter = compareStandings(current, theirs) < 0
    const verdict = isOursBetter ? { winner: current, loser: theirs } : { winner: theirs, loser: current }
    this.#verdict = verdict
    return { do: 'commit-verdict', verdict }
  }

  #onVerdict(verdict: Verdict): MergeDecision {
    const { winner, loser } = verdict
    const isAboutUs = loser.clusterId === this.#own && winner.clusterId === this.#other
    return !this.isArbiter && isAboutUs ? { do: 'commit-verdict', verdict } : NOTHING
  }

  #announce(): MergeDecision {
    return this.#verdict && this.#isCommitted ? { do: 'send-verdict', verdict: this.#verdict } : NOTHING
  }
}

/** The payload of a `yield` entry. */
export function encodeVerdict({ winner, loser }: Verdict): Uint8Array {
  return encode(
    [winner, loser].map(({ clusterId, committed, lastTerm, lineage = [] }) => [
      clusterId,
      committed,
      lastTerm,
      lineageToTuples(lineage),
    ]),
  )
}

/** Undefined when these are not the bytes of a verdict. */
export function decodeVerdict(payload: Uint8Array): Verdict | undefined {
  try {
    const [winner, loser] = (decode(payload) as unknown[]).map((standing) => standingOf(standing))
    return winner && loser ? { winner, loser } : undefined
  } catch {
    return undefined
  }
}

function standingOf(value: unknown): ClusterStanding | undefined {
  if (!Array.isArray(value)) return undefined
  const [clusterId, committed, lastTerm, tuples] = value as unknown[]
  if (typeof clusterId !== 'string' || typeof committed !== 'number' || typeof lastTerm !== 'number')
    return undefined
  const lineage = lineageOfTuples(tuples)
  return { clusterId: clusterId as ClusterId, committed, lastTerm, ...(lineage && { lineage }) }
}
