// What can be wrong with the members of a service class.
import type { StreamDefinition } from '#framework/streams'
import type { DeclarationProblem } from './declaration-error.js'
import type { PlacementKind } from './placement.js'
import {
  hasOptions,
  type Class,
  type ConfigRecord,
  type GroupRecord,
  type PortRecord,
  type RoleRecord,
} from './records.js'

const allowedOn = {
  '@Producer': ['property'],
  '@Consumer': ['property', 'method'],
  '@Config': ['property'],
  '@Group': ['property'],
  '@OnLeader': ['method'],
  '@OnFollower': ['method'],
} as const satisfies Record<string, readonly PlacementKind[]>

/** What decorators say of the members of a class. */
export interface MemberRecords {
  readonly ports?: readonly PortRecord[]
  readonly configs?: readonly ConfigRecord[]
  readonly groups?: readonly GroupRecord[]
  readonly roles?: readonly RoleRecord[]
}

/** Decorators on members that they do not fit, and members with several. */
export function placementProblems(ctor: Class, members: MemberRecords): DeclarationProblem[] {
  const { ports = [], configs = [], groups = [], roles = [] } = members
  const use = (decorator: keyof typeof allowedOn, placement: PortRecord['placement']) => ({
    decorator,
    placement,
    allowed: allowedOn[decorator] as readonly PlacementKind[],
  })
  const uses = [
    ...ports.map(({ direction, placement }) =>
      use(direction === 'produces' ? '@Producer' : '@Consumer', placement),
    ),
    ...configs.map(({ placement }) => use('@Config', placement)),
    ...groups.map(({ placement }) => use('@Group', placement)),
    ...roles.map(({ role, placement }) => use(role === 'leader' ? '@OnLeader' : '@OnFollower', placement)),
  ]
  const problems: DeclarationProblem[] = []
  const first = new Map<string, string>()
  for (const { decorator, placement, allowed } of uses) {
    const where = memberName(ctor, placement.member)
    if (!allowed.includes(placement.kind)) {
      problems.push({
        code: 'DECORATOR_MISPLACED',
        message: `${where}: ${decorator} goes on a ${allowed.join(' or a ')}, and is on ${withArticle(placement.kind)}`,
        hint: misplacementHint(decorator, placement.kind),
      })
    }
    const other = first.get(placement.member)
    if (other !== undefined && placement.member !== '') {
      problems.push({
        code: 'MEMBER_DECORATED_TWICE',
        message: `${where}: the member has both ${other} and ${decorator}`,
        hint: 'a member is one thing: declare a second member',
      })
    }
    first.set(placement.member, decorator)
  }
  return problems
}

function misplacementHint(decorator: string, kind: PlacementKind): string {
  if (decorator === '@Producer' && kind === 'method')
    return 'a method that takes datums is decorated with @Consumer'
  if (decorator.startsWith('@On') && kind === 'property')
    return 'declare a method: it is called when the role begins'
  if (kind === 'static member') return 'remove "static": each node has an instance of its own'
  if (kind === 'accessor') return 'declare a plain property: readonly name!: Type'
  if (kind === 'parameter')
    return 'declare a property: what is decorated is set after the constructor has run'
  if (kind === 'class') return 'decorate the class with @Service(), and a member with this'
  return 'declare it on a property: readonly name!: Type'
}

function withArticle(kind: PlacementKind): string {
  return kind === 'accessor' ? 'an accessor' : `a ${kind}`
}

/** What is wrong with the streams of a class among themselves, and with how they are consumed. */
export function streamProblems(ctor: Class, ports: readonly PortRecord[]): DeclarationProblem[] {
  const problems: DeclarationProblem[] = []
  const known: PortRecord[] = []
  for (const port of ports) {
    const where = memberName(ctor, port.placement.member)
    if (!isDefinition(port.definition)) {
      problems.push({
        code: 'STREAM_DEFINITION_INVALID',
        message: `${where}: ${port.definition === undefined ? 'undefined' : typeof port.definition} is no stream definition`,
        hint:
          port.definition === undefined
            ? 'the file that defines the stream is probably still being loaded: files that import each other cannot share one at class level'
            : "pass what stream('name', schema) returns",
      })
      continue
    }
    problems.push(...handlerOptionProblems(port, where))
    for (const other of known) {
      if (other.definition.id !== port.definition.id) continue
      const both = `${memberName(ctor, other.placement.member)} and ${where}`
      if (other.definition.fingerprint !== port.definition.fingerprint) {
        problems.push({
          code: 'STREAM_SCHEMA_CONFLICT',
          message: `${both} declare stream "${port.definition.name}" with two schemas`,
          hint: 'define the stream once and use that definition for both',
        })
      } else if (bothSayHow(other, port)) {
        problems.push({
          code: 'STREAM_PRODUCED_TWICE',
          message: `${both} both have options for producing stream "${port.definition.name}"`,
          hint: 'they share one producer: give the options to one of them, or to the definition',
        })
      }
    }
    known.push(port)
  }
  return problems
}

function bothSayHow(a: PortRecord, b: PortRecord): boolean {
  return [a, b].every((port) => port.direction === 'produces' && hasOptions(port))
}

function handlerOptionProblems(port: PortRecord, where: string): DeclarationProblem[] {
  if (port.direction !== 'consumes') return []
  const { concurrency, onError } = port.options
  const problems: DeclarationProblem[] = []
  const refuse = (message: string, hint: string): void => {
    problems.push({ code: 'OPTION_INVALID', message: `${where}: ${message}`, hint })
  }
  if (port.placement.kind === 'property' && (concurrency !== undefined || onError !== undefined)) {
    refuse(
      '"concurrency" and "onError" are for methods',
      'whoever pulls from a handle decides both for itself',
    )
  }
  if (port.placement.kind === 'method' && port.options.ack === 'manual') {
    refuse(
      'ack cannot be "manual" on a method',
      'a datum is acknowledged when the call that handles it has ended',
    )
  }
  if (concurrency !== undefined && (!Number.isInteger(concurrency) || concurrency < 1)) {
    refuse(`concurrency cannot be ${concurrency}`, 'a whole number, at least 1')
  }
  if (onError !== undefined && onError !== 'fail' && onError !== 'skip') {
    refuse(`onError cannot be ${JSON.stringify(onError)}`, '"fail" or "skip"')
  }
  return problems
}

/** Members that have a hook's name without being one. */
export function hookProblems(ctor: Class): DeclarationProblem[] {
  const prototype = ctor.prototype as Readonly<Record<string, unknown>>
  return ['onStart', 'onStop'].flatMap((hook) =>
    !(hook in prototype) || typeof prototype[hook] === 'function'
      ? []
      : [
          {
            code: 'HOOK_INVALID',
            message: `${memberName(ctor, hook)} is no method`,
            hint: 'the name is taken: it is called when the service starts or stops',
          },
        ],
  )
}

function isDefinition(value: unknown): value is StreamDefinition<unknown> {
  if (typeof value !== 'object' || value === null) return false
  const { name, id, fingerprint, shape } = value as Readonly<Record<string, unknown>>
  return [name, id, fingerprint, shape].every((member) => typeof member === 'string')
}

/** How messages call a member. */
export function memberName(ctor: Class, member: string): string {
  return member === '' ? ctor.name : `${ctor.name}.${member}`
}
