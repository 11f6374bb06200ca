import { DeclarationError } from './declaration-error.js'
import { placementOf, type DecoratorArguments } from './placement.js'
import { recordAt, type Class, type InjectableOptions, type ServiceOptions } from './records.js'

export interface ServiceDecorator {
  (target: Class): void
  (target: Class, context: ClassDecoratorContext): void
}

/**
 * Makes a class a service: something that a node runs. Its streams are declared by its members, with `@Producer` and
 * `@Consumer`; one without streams may just run (see {@link OnStart}).
 *
 * The constructor may take classes that are decorated with {@link Injectable}. Members that are decorated are set after
 * the constructor has run, and before `onStart`.
 */
export function Service(options?: ServiceOptions): ServiceDecorator
export function Service(target: Class, context?: ClassDecoratorContext): void
export function Service(...args: DecoratorArguments): unknown {
  return decorateClass(args, (owner, options: ServiceOptions) => {
    recordAt(owner).service = options
  })
}

/**
 * Makes a class one that services, and other injectable classes, can take in their constructors. A node has one instance
 * of it, made when it is first needed and shared by the services of that node only. When the last of them has stopped,
 * its `[Symbol.asyncDispose]` or `[Symbol.dispose]` is called, if it has one.
 */
export function Injectable(options?: InjectableOptions): ServiceDecorator
export function Injectable(target: Class, context?: ClassDecoratorContext): void
export function Injectable(...args: DecoratorArguments): unknown {
  return decorateClass(args, (owner, options: InjectableOptions) => {
    recordAt(owner).injectable = options
  })
}

/** Works with and without parentheses: a class in first place means that they were left out. */
function decorateClass<O extends object>(
  args: DecoratorArguments,
  record: (owner: object, options: O) => void,
): unknown {
  if (typeof args[0] === 'function') return record(classAt(args), {} as O)
  const options = (args[0] ?? {}) as O
  return (...placed: DecoratorArguments): void => record(classAt(placed), options)
}

/** There is no class to report a misplaced class decorator with later, so this is the one that complains at once. */
function classAt(args: DecoratorArguments): object {
  const { kind, owner, member } = placementOf(args)
  if (kind === 'class') return owner
  throw new DeclarationError(`the class of "${member}"`, [
    {
      code: 'DECORATOR_MISPLACED',
      message: `a decorator for classes is on the ${kind} "${member}"`,
      hint: 'members are decorated with @Producer, @Consumer or @Config',
    },
  ])
}
