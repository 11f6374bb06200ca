import { sharedCommands } from './lineage.js'
import type { ClusterId, ClusterOrigin, Configuration, Index, Term, Verdict } from './types.js'
import { verdictBetween } from './verdicts.js'

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

/** What the leader of a cluster knows that has met another one. */
export interface MergeFacts {
  /** Where its cluster stands now. */
  readonly standing: ClusterStanding
  /** The latest one in its log. */
  readonly configuration: Configuration
  /** The latest one that is committed. */
  readonly committed: Configuration
}

/** What a leader is to do about another cluster of its group. */
export type MergeDecision =
  | { readonly do: 'nothing' }
  /** Tell the other leader where this cluster stands. */
  | { readonly do: 'send-standing'; readonly standing: ClusterStanding }
  /**
   * Commit a configuration with this verdict. Once it is committed: if this cluster is the loser, its members give up
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

// How two leaders of clusters that were founded apart agree which of them goes on. The leader of the cluster with the
// lower id is the arbiter: it compares where both stand, once, and commits the verdict in its own cluster before anybody
// hears of it, so that a later leader of it cannot decide otherwise. If both compared by themselves, at different
// moments, both could come to give way.

/** A bond with a member of the other cluster is there, or it is time to try again, or something was committed. */
export function onOtherCluster(other: ClusterId, facts: MergeFacts): MergeDecision {
  return decided(other, facts) ?? { do: 'send-standing', standing: facts.standing }
}

/** The leader of another cluster has sent this. */
export function onMergeMessage(message: MergeMessage, facts: MergeFacts): MergeDecision {
  const own = facts.standing.clusterId
  if (message.type === 'verdict') {
    const { winner, loser } = message.verdict
    const isOurs = loser === own && winner < own && decided(winner, facts) === undefined
    return isOurs ? { do: 'commit-verdict', verdict: message.verdict } : NOTHING
  }
  const theirs = message.standing
  if (theirs.clusterId === own) return NOTHING
  const known = decided(theirs.clusterId, facts)
  if (known !== undefined) return known
  // An invitation: the arbiter decides when it has the answer.
  if (theirs.clusterId < own) return { do: 'send-standing', standing: facts.standing }
  const [winner, loser] = [facts.standing, theirs].sort(compareStandings) as [
    ClusterStanding,
    ClusterStanding,
  ]
  const shared = sharedCommands(winner.lineage ?? [], loser.lineage ?? [])
  const verdict = { winner: winner.clusterId, loser: loser.clusterId, shared, isAgreed: false }
  return { do: 'commit-verdict', verdict }
}

/** What is left to do when the log has a verdict. Undefined when it has none. */
function decided(
  other: ClusterId,
  { standing: { clusterId: own }, configuration, committed }: MergeFacts,
): MergeDecision | undefined {
  if (verdictBetween(configuration.verdicts, own, other) === undefined) return undefined
  const verdict = verdictBetween(committed.verdicts, own, other)
  const isArbiter = own < other
  return isArbiter && verdict !== undefined ? { do: 'send-verdict', verdict } : NOTHING
}
