// What compilers leave behind about classes, in both dialects of decorators. Loaded before any decorated class: the
// compilers' helpers look for these when a class body is evaluated, and record nothing when they are missing.
import 'reflect-metadata'

interface SymbolWithMetadata {
  metadata?: symbol
}

const symbols = Symbol as SymbolWithMetadata
// The specification's own name for it, under which polyfills and compilers find each other.
symbols.metadata ??= Symbol.for('Symbol.metadata')
const metadataKey = symbols.metadata

/** The object that the standard dialect shares among all decorators of this very class; none for an undecorated one. */
export function standardMetadata(ctor: object): object | undefined {
  if (!Object.hasOwn(ctor, metadataKey)) return undefined
  const metadata = (ctor as Readonly<Record<symbol, unknown>>)[metadataKey]
  return typeof metadata === 'object' && metadata !== null ? metadata : undefined
}

/**
 * The types of the constructor's parameters as a compiler with `emitDecoratorMetadata` recorded them for this very class:
 * classes, and `Object` for everything that is gone at run time. Absent for a class without a constructor of its own.
 */
export function parameterTypes(ctor: object): readonly unknown[] | undefined {
  const types: unknown = Reflect.getOwnMetadata('design:paramtypes', ctor)
  return Array.isArray(types) ? types : undefined
}
