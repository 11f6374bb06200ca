// Where the first configuration of a declared group comes from: from its members, which whoever reads the same topology
// knows.
import type { Identity } from '#framework/network'
import type { Founding } from '#framework/groups'
import type { ReplicaName } from './dataflow.js'
import { foundersOf, groupsOf } from './group-members.js'
import type { Topology } from './model.js'
import type { GroupSettings } from './node-groups.js'
import { replicaIdentity, type SharedByMembers } from './replica-identity.js'

/**
 * How a group is founded by these replicas. In an open network nobody knows their peer ids in advance, so it takes as
 * many peers as there are founders, whoever they are: members that cannot see each other may found it twice, and merge.
 * Undefined when there are no founders.
 */
export function foundingBy(shared: SharedByMembers, founders: readonly ReplicaName[]): Founding | undefined {
  const { network, secret } = shared
  if (founders.length === 0) return undefined
  if (secret === undefined) return { type: 'expect', count: founders.length }
  const peers = founders.map((founder) => replicaIdentity({ network, secret }, founder).peerId)
  return { type: 'declared', founders: peers }
}

/** The settings of every group of a topology, with how it is founded where they do not say. */
export function withFoundings(
  shared: SharedByMembers,
  topology: Topology,
  settings: Readonly<Record<string, GroupSettings>> = {},
): Readonly<Record<string, GroupSettings>> {
  const founded = groupsOf(topology).map((group): [string, GroupSettings] => {
    const founding = foundingBy(shared, foundersOf(group))
    return [group.name, { ...(founding !== undefined && { founding }), ...settings[group.name] }]
  })
  return { ...settings, ...Object.fromEntries(founded) }
}

/** The identity that others expect of a replica, because it is a declared founder; undefined when nobody does. */
export function founderIdentity(
  { network, secret }: SharedByMembers,
  replica: ReplicaName,
  groups: Readonly<Record<string, GroupSettings>>,
): Identity | undefined {
  if (secret === undefined) return undefined
  const identity = replicaIdentity({ network, secret }, replica)
  const isFounder = Object.values(groups).some(
    ({ founding }) => founding?.type === 'declared' && founding.founders.includes(identity.peerId),
  )
  return isFounder ? identity : undefined
}
