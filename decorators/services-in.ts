import { undecorated } from './class-problems.js'
import { collect, type CollectedService } from './collect.js'
import { DeclarationError, type DeclarationProblem } from './declaration-error.js'
import { ownRecord, type Class } from './records.js'

/**
 * The services that a module exports, each once, in the order of its exports (which the language sorts by name). Helpers,
 * injectable classes and parents of services are passed over.
 *
 * @throws DeclarationError (`SERVICE_DECLARATION`) with everything that is wrong with any of them; also for an exported
 *   class that declares streams or groups without being a service or the parent of one.
 */
export function servicesIn(moduleExports: Readonly<Record<string, unknown>>): readonly CollectedService[] {
  const classes = new Set(Object.values(moduleExports).filter(isClass))
  const services = [...classes].filter((ctor) => ownRecord(ctor)?.service !== undefined)
  const forgotten = [...classes].filter(
    (ctor) =>
      declaresMembers(ctor) && !services.some((service) => service === ctor || isParent(ctor, service)),
  )
  const wrong = new Map<Class, readonly DeclarationProblem[]>(
    forgotten.map((ctor) => [ctor, [undecorated(ctor)]]),
  )
  const collected: CollectedService[] = []
  for (const ctor of services) {
    try {
      collected.push(collect(ctor))
    } catch (error) {
      if (!(error instanceof DeclarationError)) throw error
      wrong.set(ctor, error.problems)
    }
  }
  if (wrong.size > 0) {
    const names = [...wrong.keys()].map(({ name }) => name)
    throw new DeclarationError(names.join(', '), [...wrong.values()].flat())
  }
  return collected
}

function isClass(value: unknown): value is Class {
  return typeof value === 'function'
}

function declaresMembers(ctor: Class): boolean {
  const record = ownRecord(ctor)
  return record !== undefined && record.ports.length + record.groups.length > 0
}

function isParent(ctor: Class, service: Class): boolean {
  return Object.prototype.isPrototypeOf.call(ctor, service)
}
