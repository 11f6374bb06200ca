// From the records of a class to its part in a group.
import type { MachineFactory } from '#framework/groups'
import type { GroupMembership } from '#framework/topology'
import { plainOptions } from './plain-options.js'
import type { GroupRecord, RoleRecord } from './records.js'

/** A group that a service takes part in, with the methods that run in a role there. */
export interface GroupPart {
  readonly group: GroupRecord
  readonly factory: MachineFactory
  readonly roles: readonly RoleRecord[]
}

/** Called for records without problems only. */
export function groupPart(
  group: GroupRecord,
  groups: readonly GroupRecord[],
  roles: readonly RoleRecord[],
): GroupPart {
  const own = roles.filter((role) => groupOfRole(role, groups)?.placement.member === group.placement.member)
  return { group, factory: factoryOf(group), roles: own }
}

/** The group that a method belongs to; undefined when that cannot be told. */
export function groupOfRole(
  { group: name }: RoleRecord,
  groups: readonly GroupRecord[],
): GroupRecord | undefined {
  if (name !== undefined) return groups.find((group) => group.name === name)
  return groups.length === 1 ? groups[0] : undefined
}

/** Classes are told from functions by their source: a compiler that makes functions of them is not supported. */
export function factoryOf({ options: { machine } }: GroupRecord): MachineFactory {
  const isClass = /^class\b/.test(Function.prototype.toString.call(machine))
  if (!isClass) return machine as MachineFactory
  const MachineClass = machine as new () => ReturnType<MachineFactory>
  return () => new MachineClass()
}

/** What the topology says of it. A machine is made to learn its signature. */
export function membershipOf({ group, factory, roles }: GroupPart): GroupMembership {
  const { machine: _machine, role = 'member', ...options } = group.options
  const methods = (which: RoleRecord['role']): readonly string[] =>
    roles
      .filter((record) => record.role === which)
      .map(({ placement }) => placement.member)
      .sort()
  return {
    group: group.name,
    machine: factory().signature,
    role,
    member: group.placement.member,
    onLeader: methods('leader'),
    onFollower: methods('follower'),
    options: plainOptions(options),
  }
}
