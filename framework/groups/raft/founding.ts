import { digestOfParts, encodeUtf8, type PeerId } from '#framework/primitives'
import { configurationOf } from './configuration.js'
import { peerIdOf } from './member-id.js'
import type { ClusterId, Configuration, MemberId } from './types.js'

/** Where the first configuration of a group comes from. */
export type FoundingPolicy =
  /** These peers are its voters. It is founded when each of them has seen all the others: no part of them can do it alone. */
  | { readonly type: 'declared'; readonly founders: readonly PeerId[] }
  /** As soon as so many fresh peers, this one included, have found each other. */
  | { readonly type: 'expect'; readonly count: number }
  /** When nobody has turned up with a cluster for `patienceTicks`, by the lowest of the fresh peers, as the only voter. */
  | { readonly type: 'auto'; readonly patienceTicks: number }
  /** Never by this member. */
  | { readonly type: 'join-only' }

/** A founding as its founders announce it. */
export interface Founding {
  readonly clusterId: ClusterId
  readonly configuration: Configuration
}

/** What a member that belongs to no cluster knows. */
export interface FoundingFacts {
  readonly self: MemberId
  /** Bonded members that belong to no cluster either. */
  readonly freshPeers: readonly MemberId[]
  /** What bonded members that belong to a cluster say of it. */
  readonly foundings: readonly Founding[]
  /** Since this member began to look for others. */
  readonly waitedTicks: number
}

export type FoundingDecision =
  /** Found it; whoever else does gets the same first entry. */
  | { readonly do: 'found'; readonly founding: Founding }
  /** There is a cluster: its leader will make this member a learner. */
  | { readonly do: 'join' }
  | { readonly do: 'wait' }

const WAIT: FoundingDecision = { do: 'wait' }
const JOIN: FoundingDecision = { do: 'join' }

/**
 * Whether a member without a cluster founds one. Pure: asked again whenever the facts change, until it has one.
 *
 * A storage founds at most one cluster, because it remembers. So two clusters could only both have a majority of the
 * declared founders if one of those had lost its storage in between; and then the rest of its first cluster, being no
 * longer fresh, keeps the second from being founded while any of it is left.
 *
 * @param mintClusterId Chance, for clusters whose founders are not declared.
 */
export function decideFounding(
  policy: FoundingPolicy,
  facts: FoundingFacts,
  mintClusterId: () => ClusterId,
): FoundingDecision {
  // A founder that founded first may have seen this member among the voters: then it is one, with the same first entry.
  const own = facts.foundings.find(({ configuration }) => configuration.voters.includes(facts.self))
  if (own) return { do: 'found', founding: own }
  if (facts.foundings.length > 0 || policy.type === 'join-only') return JOIN
  const fresh = [facts.self, ...facts.freshPeers].sort()
  switch (policy.type) {
    case 'declared':
      return declared(policy.founders, facts.self, fresh)
    case 'expect':
      if (fresh.length < policy.count || fresh[0] !== facts.self) return WAIT
      return found(mintClusterId(), fresh.slice(0, policy.count))
    case 'auto':
      if (facts.waitedTicks < policy.patienceTicks || fresh[0] !== facts.self) return WAIT
      return found(mintClusterId(), [facts.self])
  }
}

/** Same founders, same cluster: the incarnations are part of it, so that it is another one when a storage is new. */
export function clusterIdOf(founders: readonly MemberId[]): ClusterId {
  const text = [...founders].sort().join('\n')
  return digestOfParts(encodeUtf8(`mosaik group founders\n${text}`)).slice(0, 32) as ClusterId
}

function declared(founders: readonly PeerId[], self: MemberId, fresh: readonly MemberId[]): FoundingDecision {
  if (!founders.includes(peerIdOf(self))) return JOIN
  const members = fresh.filter((member) => founders.includes(peerIdOf(member)))
  const peers = new Set(members.map((member) => peerIdOf(member)))
  // Two incarnations of one peer: one of the bonds is about to end.
  if (members.length !== peers.size || peers.size !== new Set(founders).size) return WAIT
  return found(clusterIdOf(members), members)
}

function found(clusterId: ClusterId, voters: readonly MemberId[]): FoundingDecision {
  return { do: 'found', founding: { clusterId, configuration: configurationOf(voters) } }
}
