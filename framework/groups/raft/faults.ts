/**
 * Bugs that real implementations have had, to be switched on one at a time by the simulator, which must find each. Never
 * set otherwise.
 *
 * @internal
 */
export interface CoreFaults {
  /** Grants a vote to whoever asks, also when another one has it in this term. */
  readonly votesTwiceInATerm?: boolean
  /** The hard state that is written does not say whom this member voted for. */
  readonly forgetsVote?: boolean
  /** The hard state that is written does not say that this member voted for itself. */
  readonly forgetsOwnVote?: boolean
  /** Commits entries of earlier terms as soon as a majority has them (Raft, figure 8). */
  readonly commitsOldTermByCounting?: boolean
  /** A majority of the voters that were heard of lately elects and commits. */
  readonly quorumByReachability?: boolean
  /** Ends the log where an append ends, also one that comes late, whatever is committed behind it. */
  readonly truncatesBelowCommit?: boolean
  /** A leader serves lease reads for ever. */
  readonly staleLeaseRead?: boolean
  /** Confirms strong reads without asking anybody. */
  readonly readsWithoutQuorum?: boolean
  /** Counts the word of voters that are in a later term than the leader whose read index they are to confirm. */
  readonly readsDespiteLaterTerms?: boolean
  /** A leader counts itself among those that have its entries before they are durable. */
  readonly leaderCountsBeforePersisted?: boolean
  /** A follower acknowledges entries before they are durable. */
  readonly acknowledgesBeforePersisted?: boolean
  /** A vote is given before it is durable. */
  readonly votesBeforePersisted?: boolean
  /** A candidate counts its own vote before it is durable. */
  readonly countsOwnVoteBeforePersisted?: boolean
  /** Hands out entries to be applied as soon as they are in the log. */
  readonly appliesUncommitted?: boolean
  /** Who is the only voter by an uncommitted configuration stands for election at once, whoever leads. */
  readonly ignoresLeaderWhenAlone?: boolean
  /** Takes any new configuration at any time. */
  readonly configurationTakesTwoSteps?: boolean
  /** Appends without looking at what is in front. */
  readonly skipsPrevCheck?: boolean
  /** The application is not told what a merge takes back. */
  readonly discardsSilently?: boolean
  /** Whoever has the lowest id reforms a group, and others go over to it, whatever their logs have. */
  readonly reformIgnoresLogEnds?: boolean
  /** A group is reformed with what is known to be committed, and no more. */
  readonly reformKeepsOnlyCommitted?: boolean
  /** For a quiescent leader no time passes, and nobody is missing, until something is asked of it: so it still has its lease. */
  readonly quiescentLeaderKeepsLease?: boolean
  /** Nothing but a word of the leader ends the quiescence of a follower. */
  readonly followersNeverWake?: boolean
  /** Acknowledgements of learners count. */
  readonly learnerCounts?: boolean
}
