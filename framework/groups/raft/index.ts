export { murmurChain, type ChainHasher, type HashedFields } from './chain-hash.js'
export { configurationOf, isSingleStep } from './configuration.js'
export type { CoreFaults } from './faults.js'
export {
  clusterIdOf,
  decideFounding,
  isStillborn,
  type Founding,
  type FoundingDecision,
  type FoundingFacts,
  type FoundingPolicy,
} from './founding.js'
export {
  compareStandings,
  onMergeMessage,
  onOtherCluster,
  type ClusterStanding,
  type MergeDecision,
  type MergeFacts,
  type MergeMessage,
} from './island-merge.js'
export { originsMax } from './lineage.js'
export { absentMember, memberIdOf } from './member-id.js'
export {
  nextMembershipStep,
  successorOf,
  type BondedMember,
  type MembershipFacts,
  type MembershipLimits,
  type MembershipStep,
} from './membership-policy.js'
export type * from './messages.js'
export type { RaftLimits, RaftOptions } from './options.js'
export { RaftCore } from './raft-core.js'
export { ReadConfirmation, votersDigest, type ReadIndex } from './read-confirmation.js'
export type * from './ready.js'
export { QuorumLoss, type KnownMember, type LogEnd, type ReformDecision, type ReformFacts } from './reform.js'
export type * from './types.js'
export { agreedLossOf, lossOf, verdictsMax, verdictsWith } from './verdicts.js'
