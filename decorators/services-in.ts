import { undecorated } from './class-problems.js'
import { DeclarationError } from './declaration-error.js'
import { ownRecord, type Class } from './records.js'

/**
 * The service classes that a module exports, each once, in the order of its exports (which the language sorts by name).
 * Helpers and injectable classes are passed over.
 *
 * @throws DeclarationError for an exported class that declares streams without being a service or the parent of one.
 */
export function servicesIn(moduleExports: Readonly<Record<string, unknown>>): readonly Class[] {
  const classes = new Set(
    Object.values(moduleExports).filter((value) => typeof value === 'function'),
  ) as Set<Class>
  const services = [...classes].filter((ctor) => ownRecord(ctor)?.service !== undefined)
  for (const ctor of classes) {
    const isParent = services.some((service) => Object.prototype.isPrototypeOf.call(ctor, service))
    const hasPorts = (ownRecord(ctor)?.ports.length ?? 0) > 0
    if (hasPorts && !isParent && !services.includes(ctor))
      throw new DeclarationError(ctor.name, [undecorated(ctor)])
  }
  return services
}
