// Which services take part in which group, and what that says about its voters. Nobody lists members: they follow from
// the classes, as the edges of streams do.
import type { ReplicaName } from './dataflow.js'
import type {
  GroupDeclaration,
  GroupMembership,
  NodeDeclaration,
  ServiceDeclaration,
  Topology,
} from './model.js'

/** How many voters a group has at most when nobody says. */
export const maxVotersDefault = 5

/** A service's part in a group, with everything that a message about it names. */
export interface GroupMember {
  readonly node: NodeDeclaration
  readonly service: ServiceDeclaration
  readonly membership: GroupMembership
  /** Where it is in the topology. */
  readonly path: readonly (string | number)[]
}

/** A group that some service takes part in. */
export interface GroupOfTopology {
  readonly name: string
  /** What the operator says of it. */
  readonly declaration: GroupDeclaration | undefined
  /** In the order in which they are written; at least one. */
  readonly members: readonly GroupMember[]
}

/** The groups of a topology, by name. */
export function groupsOf({ nodes, groups = [] }: Topology): readonly GroupOfTopology[] {
  const members = new Map<string, GroupMember[]>()
  for (const [nodeIndex, node] of nodes.entries()) {
    for (const [serviceIndex, service] of node.services.entries()) {
      for (const [index, membership] of (service.groups ?? []).entries()) {
        const path = ['nodes', nodeIndex, 'services', serviceIndex, 'groups', index]
        const known = members.get(membership.group) ?? []
        members.set(membership.group, [...known, { node, service, membership, path }])
      }
    }
  }
  return Array.from(members, ([name, own]) => ({
    name,
    declaration: groups.find((group) => group.name === name),
    members: own,
  })).sort((a, b) => compare(a.name, b.name))
}

/** How many voters the group has at most: what the operator says, else the first service that says it. */
export function maxVotersOf({ declaration, members }: GroupOfTopology): number {
  const said = members.map(({ membership }) => membership.options['voters'])
  return declaration?.voters ?? said.find((voters) => typeof voters === 'number') ?? maxVotersDefault
}

/**
 * The replicas that may become voters: the same order wherever the same topology is read, the first of each kind before
 * the second of any.
 */
export function voterCandidates({ members }: GroupOfTopology): readonly ReplicaName[] {
  const nodes = new Map(
    members
      .filter(({ membership }) => membership.role === 'member')
      .map(({ node }) => [node.name, node.replicas]),
  )
  return Array.from(nodes)
    .flatMap(([node, replicas]) => Array.from({ length: replicas }, (_, replica) => ({ node, replica })))
    .sort((a, b) => a.replica - b.replica || compare(a.node, b.node))
}

/**
 * The replicas that found the group. As many as it may have voters; one less when there are only enough for an even
 * number, which would survive no more losses than the odd one below it.
 */
export function foundersOf(group: GroupOfTopology): readonly ReplicaName[] {
  const candidates = voterCandidates(group)
  const maxVoters = maxVotersOf(group)
  if (candidates.length >= maxVoters) return candidates.slice(0, maxVoters)
  return candidates.slice(0, candidates.length - (candidates.length % 2 === 0 ? 1 : 0))
}

/** By code unit: the same order on every machine, which a locale's order is not. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
