// From the records of a class to the declaration of a service.
import type {
  GroupMembership,
  PortDeclaration,
  ServiceBinding,
  ServiceDeclaration,
} from '#framework/topology'
import { DecoratedBinding } from './binding.js'
import { configKeysOf } from './configuration.js'
import { undecorated, unnamed } from './class-problems.js'
import { DeclarationError } from './declaration-error.js'
import { dependencyProblems, injectableProblems, withDependencies } from './dependencies.js'
import { groupPart, membershipOf } from './group-part.js'
import { groupProblems } from './group-problems.js'
import { hookProblems, placementProblems, streamProblems } from './member-problems.js'
import { membersOf } from './members.js'
import { plainOptions } from './plain-options.js'
import { hasOptions, ownRecord, type Class, type PortRecord } from './records.js'
import { ticketProblems, withClassTickets, withMemberTickets } from './ticket-requirements.js'

/** What a decorated class declares, and how to make it part of a node. */
export interface CollectedService {
  readonly declaration: ServiceDeclaration
  readonly binding: ServiceBinding
}

/**
 * Reads what the decorators recorded about a service class. Members of parent classes count as its own; a member that a
 * class declares again replaces the parent's.
 *
 * @throws DeclarationError (`SERVICE_DECLARATION`) with everything that is wrong with the class.
 */
export function collect(ctor: Class): CollectedService {
  const members = membersOf(ctor, ({ ports }) => ports).map((port) => withMemberTickets(ctor, port))
  const configs = membersOf(ctor, ({ configs }) => configs)
  const groups = membersOf(ctor, ({ groups }) => groups).map((group) => withMemberTickets(ctor, group))
  const roles = membersOf(ctor, ({ roles }) => roles)
  const options = ownRecord(ctor)?.service
  const name = options?.name ?? ctor.name
  const problems = [
    ...(options === undefined ? [undecorated(ctor)] : []),
    ...unnamed(name),
    ...placementProblems(ctor, { ports: members, configs, groups, roles }),
    ...streamProblems(ctor, members),
    ...groupProblems(ctor, groups, roles),
    ...ticketProblems(ctor, [...members, ...groups]),
    ...hookProblems(ctor),
    ...dependencyProblems(ctor),
    ...injectableProblems(ctor),
  ]
  if (problems.length > 0)
    throw new DeclarationError(ctor.name === '' ? 'an anonymous class' : ctor.name, problems)

  const ports = optionsFirst(members).map((port) => withClassTickets(ctor, port))
  const parts = groups.map((group) => groupPart(withClassTickets(ctor, group), groups, roles))
  const declared = (direction: PortRecord['direction']): PortDeclaration[] =>
    ports
      .filter((port) => port.direction === direction)
      .map(declarationOf)
      .sort(byStream)
  const configKeys = configKeysOf(withDependencies(ctor))
  const declaration: ServiceDeclaration = {
    name,
    tags: [...(options?.tags ?? [])],
    produces: declared('produces'),
    consumes: declared('consumes'),
    ...(configKeys !== undefined && { configKeys }),
    ...(parts.length > 0 && { groups: parts.map(membershipOf).sort(byGroup) }),
  }
  return { declaration, binding: new DecoratedBinding(ctor, declaration, ports, parts) }
}

/** {@link collect}, for who only wants to run the service. */
export function bindingOf(ctor: Class): ServiceBinding {
  return collect(ctor).binding
}

function declarationOf({ definition, placement, options }: PortRecord): PortDeclaration {
  const { name, id, fingerprint, shape } = definition
  return { stream: name, id, fingerprint, shape, member: placement.member, options: plainOptions(options) }
}

/** Several producers of one stream share one: the first that is opened says how, so the one that says anything comes first. */
function optionsFirst(ports: readonly PortRecord[]): readonly PortRecord[] {
  return ports.toSorted((a, b) => Number(hasOptions(b)) - Number(hasOptions(a)))
}

function byGroup(a: GroupMembership, b: GroupMembership): number {
  return a.group < b.group ? -1 : 1
}

/** Compilers call decorators in different orders: the declaration must not depend on it. */
function byStream(a: PortDeclaration, b: PortDeclaration): number {
  const [first, second] = [`${a.stream}\n${a.member}`, `${b.stream}\n${b.member}`]
  return first < second ? -1 : first > second ? 1 : 0
}
