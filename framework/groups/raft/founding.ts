import { digestOfParts, encodeUtf8, type PeerId } from '#framework/primitives'
import { configurationOf } from './configuration.js'
import { absentMember, peerIdOf } from './member-id.js'
import { majorityOf } from './quorum.js'
import type { ClusterId, Configuration, Index, MemberId } from './types.js'

/** Where the first configuration of a group comes from. */
export type FoundingPolicy =
  /**
   * These peers are its voters. It is founded when they have seen each other; after `patienceTicks` by a majority of them,
   * of which the lowest does it, with the others as voters that are not there yet.
   */
  | { readonly type: 'declared'; readonly founders: readonly PeerId[]; readonly patienceTicks: number }
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
  /** Whether it has given up a cluster for another one, which is somewhere. */
  readonly hasGivenWay: boolean
}

export type FoundingDecision =
  /** Found it; whoever else does gets the same first entry. */
  | { readonly do: 'found'; readonly founding: Founding }
  /** There is a cluster: its leader will make this member a learner. */
  | { readonly do: 'join' }
  | { readonly do: 'wait' }

/**
 * How much longer a member that has given up a cluster waits for the one that goes on before it founds another one: with
 * ticks of 50 ms half a minute. Its bonds have ended, and after a long time apart they are tried again only every 10 s; what
 * it did alone meanwhile would have to be given up once more.
 */
const REJOIN_TICKS = 600

const WAIT: FoundingDecision = { do: 'wait' }
const JOIN: FoundingDecision = { do: 'join' }

/**
 * Whether a member without a cluster founds one. Pure: asked again whenever the facts change, until it has one.
 *
 * Declared founders found at most one cluster that ever commits anything. All of them are voters of any that is founded, so
 * it takes a majority of them to elect and to commit, and two majorities have a founder in common; a storage is in one
 * cluster at a time, and does not leave one of which it has more than the founding ({@link isStillborn}). What that rests on
 * is that the founder in common has not lost its storage in between. If it has, the rest of its cluster, being no
 * longer fresh, keeps another one from being founded where it is seen.
 */
export function decideFounding(policy: FoundingPolicy, facts: FoundingFacts): FoundingDecision {
  // A founder that founded first may have seen this member among the voters: then it is one, with the same first entry.
  const own = facts.foundings.find(
    (founding) => founding.configuration.voters.includes(facts.self) && isAsFounded(founding),
  )
  if (own) return { do: 'found', founding: own }
  if (facts.foundings.length > 0 || policy.type === 'join-only') return JOIN
  // A policy that founds without waiting would found before the cluster that it gave way to is heard of.
  if (facts.hasGivenWay && policy.type !== 'auto') return JOIN
  const fresh = [facts.self, ...facts.freshPeers].sort()
  switch (policy.type) {
    case 'declared':
      return declared(policy, facts, fresh)
    case 'expect':
      if (fresh.length < policy.count || fresh[0] !== facts.self) return WAIT
      return found(fresh.slice(0, policy.count))
    case 'auto': {
      const patienceTicks = policy.patienceTicks + (facts.hasGivenWay ? REJOIN_TICKS : 0)
      if (facts.waitedTicks < patienceTicks || fresh[0] !== facts.self) return WAIT
      return found([facts.self])
    }
  }
}

/**
 * Whether a cluster has the configuration that it was founded with. If not, its first entry is another one, which a member
 * that comes late must not write by guess: somebody leads it, or did, and sends what is in the log.
 */
function isAsFounded({ clusterId, configuration: { voters, learners } }: Founding): boolean {
  return learners.length === 0 && clusterIdOf(voters) === clusterId
}

/** What a member knows of the cluster that it is in. */
export interface ClusterFacts {
  readonly configuration: Configuration
  readonly lastIndex: Index
  /** For how long nobody has led, as far as this member knows. */
  readonly leaderlessTicks: number
}

/**
 * Whether a member should forget a founding of which nothing has come, and look for others as if it had just begun: those
 * who founded saw different parts of each other, and none of these is a majority, or those that were there are gone.
 * Harmless even if something has come of it elsewhere: this member has nothing but the first entry, so nothing that was
 * committed was committed with it, and for the others it is as if it had crashed. The same holds for one that has joined a
 * cluster and got nothing.
 */
export function isStillborn(
  { configuration, lastIndex, leaderlessTicks }: ClusterFacts,
  afterTicks: number,
): boolean {
  const hasNothing = lastIndex === 0 || (lastIndex === 1 && configuration.voters.length > 1)
  return hasNothing && leaderlessTicks >= afterTicks
}

/** Same founders, same cluster: the incarnations are part of it, so that it is another one when a storage is new. */
export function clusterIdOf(founders: readonly MemberId[]): ClusterId {
  const text = [...founders].sort().join('\n')
  return digestOfParts(encodeUtf8(`mosaik group founders\n${text}`)).slice(0, 32) as ClusterId
}

function declared(
  { founders, patienceTicks }: Extract<FoundingPolicy, { type: 'declared' }>,
  { self, waitedTicks }: FoundingFacts,
  fresh: readonly MemberId[],
): FoundingDecision {
  if (!founders.includes(peerIdOf(self))) return JOIN
  const members = fresh.filter((member) => founders.includes(peerIdOf(member)))
  const peers = new Set(members.map((member) => peerIdOf(member)))
  // Two incarnations of one peer: one of the bonds is about to end.
  if (members.length !== peers.size) return WAIT
  const absent = [...new Set(founders)].filter((founder) => !peers.has(founder)).map(absentMember)
  const voters = [...members, ...absent]
  const mayDoWithout =
    waitedTicks >= patienceTicks && members[0] === self && members.length >= majorityOf(voters.length)
  return absent.length === 0 || mayDoWithout ? found(voters) : WAIT
}

function found(voters: readonly MemberId[]): FoundingDecision {
  return { do: 'found', founding: { clusterId: clusterIdOf(voters), configuration: configurationOf(voters) } }
}
