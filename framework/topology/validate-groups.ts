// What can be known to be wrong with the groups of a topology before anything runs.
import { suggest } from '#framework/primitives'
import {
  groupsOf,
  maxVotersOf,
  voterCandidates,
  type GroupMember,
  type GroupOfTopology,
} from './group-members.js'
import { isOpenToOthers } from './loopback.js'
import type { Problem, Topology } from './model.js'
import { isLabel, labelRule } from './names.js'

type Path = Problem['path']

/** More would only make each command wait for more of them. */
const votersMax = 99

/** In the order in which they are written: first what the operator says, then what the services do. */
export function groupProblems(topology: Topology): readonly Problem[] {
  const groups = groupsOf(topology)
  return [
    ...unknownGroups(topology, groups),
    ...groups.flatMap((group) => [
      ...nameProblems(group),
      ...voterProblems(topology, group),
      ...storageProblems(topology, group),
      ...keyProblems(topology, group),
      ...conflicts(group),
    ]),
  ]
}

/** What is said of a group that no service takes part in has no effect, a key included: that must not go unnoticed. */
function unknownGroups({ groups = [] }: Topology, known: readonly GroupOfTopology[]): Problem[] {
  const names = known.map(({ name }) => name)
  return groups.flatMap(({ name }, index) => {
    if (names.includes(name)) return []
    const likely = suggest(name, names)
    const hint =
      likely !== undefined
        ? `did you mean ${quoted(likely)}?`
        : names.length === 0
          ? 'no service has a member with @Group'
          : `there are ${names.join(', ')}`
    return [
      problem(
        'error',
        'GROUP_UNKNOWN',
        `no service takes part in group ${quoted(name)}`,
        ['groups', index],
        hint,
      ),
    ]
  })
}

function nameProblems({ name, members: [first] }: GroupOfTopology): Problem[] {
  if (isLabel(name) || first === undefined) return []
  const message = `${place(first)} takes part in group ${quoted(name)}, which cannot name a group`
  return [problem('error', 'GROUP_NAME_INVALID', message, first.path, labelRule)]
}

function voterProblems(topology: Topology, group: GroupOfTopology): Problem[] {
  const path = placeOfVoters(topology, group)
  const candidates = voterCandidates(group)
  const voters = maxVotersOf(group)
  const name = quoted(group.name)
  if (!Number.isInteger(voters) || voters < 1 || voters > votersMax) {
    const message = `group ${name} cannot have ${voters} voters`
    return [
      problem('error', 'GROUP_VOTERS_INVALID', message, path, `an odd whole number from 1 to ${votersMax}`),
    ]
  }
  if (candidates.length === 0) {
    const message = `group ${name} has readers only, and nobody who could vote`
    return [
      problem('warning', 'GROUP_WITHOUT_VOTERS', message, path, 'another manifest has to bring its members'),
    ]
  }
  const problems: Problem[] = []
  if (voters % 2 === 0) {
    const message = `group ${name} has ${voters} voters, which survive the loss of no more than ${voters - 1} do`
    problems.push(
      problem('warning', 'GROUP_VOTERS_EVEN', message, path, `take ${voters - 1} or ${voters + 1}`),
    )
  }
  if (isSaid(group) && voters > candidates.length) {
    const count = candidates.length === 1 ? 'is 1 member' : `are ${candidates.length} members`
    const message = `group ${name} is to have ${voters} voters, and there ${count}`
    const hint = 'raise "replicas", unless another manifest brings the others'
    problems.push(problem('warning', 'GROUP_VOTERS_MISSING', message, path, hint))
  }
  return problems
}

function isSaid({ declaration, members }: GroupOfTopology): boolean {
  return (
    declaration?.voters !== undefined ||
    members.some(({ membership }) => membership.options['voters'] !== undefined)
  )
}

function placeOfVoters(
  { groups = [] }: Topology,
  { name, declaration, members: [first] }: GroupOfTopology,
): Path {
  const index = groups.findIndex((group) => group.name === name)
  if (declaration?.voters !== undefined) return ['groups', index, 'voters']
  return index >= 0 ? ['groups', index] : (first?.path ?? ['nodes'])
}

function storageProblems(
  { data, groups = [] }: Topology,
  { name, declaration, members }: GroupOfTopology,
): Problem[] {
  if (data !== undefined) return []
  const message = `group ${quoted(name)} cannot be kept: there is no folder to keep it in`
  const hint = 'declare one with "data"'
  if (declaration?.storage !== undefined) {
    if (declaration.storage !== 'lmdb') return []
    const path = ['groups', groups.indexOf(declaration), 'storage']
    return [problem('error', 'GROUP_STORAGE_WITHOUT_DATA', message, path, hint)]
  }
  return members
    .filter(({ membership }) => membership.options['storage'] === 'lmdb')
    .map(({ path }) => problem('error', 'GROUP_STORAGE_WITHOUT_DATA', message, path, hint))
}

/** Without a secret of its own or of the network, a group's key is made of what everybody knows. */
function keyProblems(topology: Topology, group: GroupOfTopology): Problem[] {
  const { secret, groups = [] } = topology
  const { name, declaration, members } = group
  const isKept =
    secret !== undefined ||
    declaration?.key !== undefined ||
    declaration?.passphrase !== undefined ||
    members.every(({ membership: { options } }) => options['key'] !== undefined || asksForTickets(options))
  const [first] = members
  if (isKept || first === undefined || !isOpenToOthers(topology)) return []
  const path = declaration === undefined ? first.path : ['groups', groups.indexOf(declaration)]
  const message = `anybody who knows the names of the network and of group ${quoted(name)} can be a member of it`
  const hint = 'close the network with "secret", or give the group a "key"'
  return [problem('warning', 'GROUP_KEY_PUBLIC', message, path, hint)]
}

function asksForTickets({ requireTicket }: Readonly<Record<string, unknown>>): boolean {
  return requireTicket !== undefined && !(Array.isArray(requireTicket) && requireTicket.length === 0)
}

/** Members that are told apart by one of these are of different groups, and would never meet. */
const agreed: readonly { readonly what: string; readonly of: (member: GroupMember) => unknown }[] = [
  { what: 'another state machine', of: ({ membership }) => membership.machine },
  { what: 'other times', of: ({ membership }) => membership.options['timing'] },
  { what: 'other tickets', of: ({ membership }) => membership.options['requireTicket'] },
  { what: 'another key', of: ({ membership }) => membership.options['key'] },
]

function conflicts({ name, members }: GroupOfTopology): Problem[] {
  const [first, ...others] = members
  if (first === undefined) return []
  return others.flatMap((other) => {
    const sameNode = members.slice(0, members.indexOf(other)).find(({ node }) => node === other.node)
    if (sameNode !== undefined && !isAlike(sameNode, other)) {
      const message = `${place(other)} takes part in group ${quoted(name)} in another way than ${place(sameNode)}`
      const hint = 'services of a node share one member: give both the same options'
      return [problem('error', 'GROUP_CONFLICT', message, other.path, hint)]
    }
    const differences = agreed.filter(({ of }) => JSON.stringify(of(first)) !== JSON.stringify(of(other)))
    if (differences.length === 0) return []
    const what = differences.map((difference) => difference.what).join(', ')
    const message = `group ${quoted(name)} is two groups: ${place(other)} has ${what} than ${place(first)}`
    const hint = 'members of one group have the same machine, times, tickets and key'
    return [problem('error', 'GROUP_CONFLICT', message, other.path, hint)]
  })
}

/** Whether two services of a node can share a member. */
function isAlike(a: GroupMember, b: GroupMember): boolean {
  const part = ({ membership: { machine, role, options } }: GroupMember): string =>
    JSON.stringify([machine, role, Object.entries(options).sort(([x], [y]) => (x < y ? -1 : 1))])
  return part(a) === part(b)
}

function place({ node, service, membership }: GroupMember): string {
  return `node ${quoted(node.name)} (${service.name}.${membership.member})`
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

function problem(
  severity: Problem['severity'],
  code: string,
  message: string,
  path: Path,
  hint: string,
): Problem {
  return { code, severity, message, path, hint }
}
