// Where a decorator was put, told from the arguments it was called with: legacy decorators (`experimentalDecorators`)
// and standard ones (TC39 2023-11) call the same function in different ways.
import { MosaikError } from '#framework/primitives'

export type PlacementKind = 'property' | 'method' | 'accessor' | 'class' | 'parameter' | 'static member'

export interface Placement {
  readonly kind: PlacementKind
  /** What the class is recorded under: itself in the legacy dialect, its metadata object in the standard one. */
  readonly owner: object
  /** The member's name; empty on a class. */
  readonly member: string
  /** Puts a value into the member of an instance. Works for `#private` members in the standard dialect. */
  assign(instance: object, value: unknown): void
  /** The member of an instance, which for a method may be what a subclass made of it. */
  read(instance: object): unknown
}

/** The arguments that either dialect passes; see {@link placementOf}. */
export type DecoratorArguments = readonly unknown[]

/** @throws MosaikError `DECORATOR_DIALECT` when the compiler's decorators have no metadata to record in. */
export function placementOf(args: DecoratorArguments): Placement {
  const [first, second, third] = args
  return isStandardContext(second)
    ? standardPlacement(second)
    : legacyPlacement(first as object, second, third)
}

interface StandardContext {
  readonly kind: string
  readonly name: string | symbol | undefined
  readonly static?: boolean
  readonly private?: boolean
  readonly metadata?: object
  readonly access?: {
    get?(instance: object): unknown
    set?(instance: object, value: unknown): void
  }
}

/** No legacy call has an object with a `kind` in second place: there it is a member's name, or nothing. */
function isStandardContext(argument: unknown): argument is StandardContext {
  return typeof argument === 'object' && argument !== null && 'kind' in argument
}

function standardPlacement({ kind, name, metadata, access, ...context }: StandardContext): Placement {
  if (metadata === undefined) {
    throw new MosaikError(
      'DECORATOR_DIALECT',
      'the compiler implements decorators without metadata: use TypeScript 5.2 or newer, or a compiler of the 2023-11 proposal, and import mosaik before the first decorated class',
    )
  }
  const kinds: Readonly<Record<string, PlacementKind>> = {
    field: 'property',
    method: 'method',
    class: 'class',
  }
  return {
    kind: context.static === true ? 'static member' : (kinds[kind] ?? 'accessor'),
    owner: metadata,
    member: kind === 'class' ? '' : String(name),
    assign: (instance, value) => {
      if (context.private === true) access?.set?.(instance, value)
      else define(instance, name, value)
    },
    read: (instance) => access?.get?.(instance),
  }
}

function legacyPlacement(target: object, key: unknown, third: unknown): Placement {
  const isClass = typeof target === 'function'
  const name = key as string | symbol | undefined
  return {
    kind: legacyKind(target, key, third),
    owner: isClass ? target : target.constructor,
    member: name === undefined ? '' : String(name),
    assign: (instance, value) => define(instance, name, value),
    read: (instance) => (instance as Readonly<Record<string | symbol, unknown>>)[name ?? ''],
  }
}

/** Not a plain assignment, so that a member that is declared `readonly` is that at run time too. */
function define(instance: object, name: string | symbol | undefined, value: unknown): void {
  Object.defineProperty(instance, name ?? '', {
    value,
    writable: false,
    enumerable: true,
    configurable: true,
  })
}

function legacyKind(target: object, key: unknown, third: unknown): PlacementKind {
  if (typeof third === 'number') return 'parameter'
  if (key === undefined) return 'class'
  if (typeof target === 'function') return 'static member'
  // Plain JavaScript calls decorators by hand, mostly without a descriptor.
  const descriptor = (third ?? Object.getOwnPropertyDescriptor(target, key as string)) as
    PropertyDescriptor | undefined
  if (descriptor === undefined || 'initializer' in descriptor) return 'property'
  if (descriptor.get !== undefined || descriptor.set !== undefined) return 'accessor'
  return typeof descriptor.value === 'function' ? 'method' : 'property'
}
