// What can be wrong with the groups of a service class.
import { messageOf, suggest } from '#framework/primitives'
import type { DeclarationProblem } from './declaration-error.js'
import { factoryOf, groupOfRole } from './group-part.js'
import { memberName } from './member-problems.js'
import type { Class, GroupRecord, RoleRecord } from './records.js'

/** Everything that is wrong with the groups among themselves, with their machines, and with methods that run in a role. */
export function groupProblems(
  ctor: Class,
  groups: readonly GroupRecord[],
  roles: readonly RoleRecord[],
): DeclarationProblem[] {
  return [
    ...groups.flatMap((group) => [
      ...machineProblems(group, memberName(ctor, group.placement.member)),
      ...optionProblems(group, memberName(ctor, group.placement.member)),
    ]),
    ...declaredTwice(ctor, groups),
    ...roles.flatMap((role) => roleProblems(role, groups, memberName(ctor, role.placement.member))),
  ]
}

function machineProblems(group: GroupRecord, where: string): DeclarationProblem[] {
  const { machine } = group.options as { readonly machine: unknown }
  if (typeof machine !== 'function') {
    return [
      {
        code: 'GROUP_MACHINE_INVALID',
        message: `${where}: ${machine === undefined ? 'undefined' : typeof machine} makes no state machine`,
        hint:
          machine === undefined
            ? 'the file that defines the machine is probably still being loaded: files that import each other cannot share one at class level'
            : 'pass the class of the machine, or a function that returns one',
      },
    ]
  }
  const invalid = (message: string): DeclarationProblem[] => [
    {
      code: 'GROUP_MACHINE_INVALID',
      message: `${where}: ${message}`,
      hint: 'a state machine has "signature", "codecs", "apply" and "query"',
    },
  ]
  try {
    const made: unknown = factoryOf(group)()
    return isMachine(made) ? [] : invalid(`${machine.name || 'the function'} makes no state machine`)
  } catch (error) {
    return invalid(`no state machine can be made: ${messageOf(error)}`)
  }
}

function isMachine(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { signature, codecs, apply, query } = value as Readonly<Record<string, unknown>>
  return (
    typeof signature === 'string' &&
    typeof codecs === 'object' &&
    typeof apply === 'function' &&
    typeof query === 'function'
  )
}

function optionProblems({ options }: GroupRecord, where: string): DeclarationProblem[] {
  const problems: DeclarationProblem[] = []
  const refuse = (name: string, value: unknown, hint: string): void => {
    problems.push({
      code: 'OPTION_INVALID',
      message: `${where}: ${name} cannot be ${JSON.stringify(value) ?? String(value)}`,
      hint,
    })
  }
  const { voters, evictAfterMs } = options
  if (voters !== undefined && (!Number.isInteger(voters) || voters < 1))
    refuse('voters', voters, 'an odd whole number, at least 1')
  if (evictAfterMs !== undefined && !(evictAfterMs > 0))
    refuse('evictAfterMs', evictAfterMs, 'a number of milliseconds greater than 0')
  for (const [name, values] of Object.entries(choices)) {
    const value = options[name as keyof typeof choices]
    if (value !== undefined && !(values as readonly string[]).includes(value))
      refuse(name, value, values.map((each) => `"${each}"`).join(' or '))
  }
  return problems
}

const choices = {
  consistency: ['local', 'lease', 'strong'],
  storage: ['memory', 'lmdb'],
  role: ['member', 'reader'],
  leadership: ['normal', 'reluctant'],
} as const

/** A handle is independent of others, but a second one in the same class is mostly a slip. */
function declaredTwice(ctor: Class, groups: readonly GroupRecord[]): DeclarationProblem[] {
  return groups.flatMap((group, index) => {
    const first = groups.slice(0, index).find(({ name }) => name === group.name)
    if (first === undefined) return []
    const both = `${memberName(ctor, first.placement.member)} and ${memberName(ctor, group.placement.member)}`
    return [
      {
        code: 'GROUP_DECLARED_TWICE',
        message: `${both} both take part in group "${group.name}"`,
        hint: 'one handle is enough for a class: remove one of them',
      },
    ]
  })
}

function roleProblems(role: RoleRecord, groups: readonly GroupRecord[], where: string): DeclarationProblem[] {
  if (groupOfRole(role, groups) !== undefined) return []
  const decorator = role.role === 'leader' ? '@OnLeader' : '@OnFollower'
  const names = groups.map(({ name }) => name)
  if (names.length === 0) {
    return [
      {
        code: 'ROLE_WITHOUT_GROUP',
        message: `${where}: ${decorator} is in a class that takes part in no group`,
        hint: 'declare the group on a property: @Group(name, { machine })',
      },
    ]
  }
  if (role.group === undefined) {
    return [
      {
        code: 'ROLE_AMBIGUOUS',
        message: `${where}: ${decorator} does not say of which group, and the class takes part in ${names.length}`,
        hint: `name it: ${decorator}('${names[0]}')`,
      },
    ]
  }
  const likely = suggest(role.group, names)
  return [
    {
      code: 'GROUP_UNKNOWN',
      message: `${where}: the class takes part in no group "${role.group}"`,
      hint: likely === undefined ? `there are ${names.join(', ')}` : `did you mean "${likely}"?`,
    },
  ]
}
