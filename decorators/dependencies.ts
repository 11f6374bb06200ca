// Which classes a constructor takes, and why it cannot have them. Everything is known before anything is made.
import type { DeclarationProblem } from './declaration-error.js'
import { memberName, placementProblems } from './member-problems.js'
import { membersOf } from './members.js'
import { ownRecord, type Class } from './records.js'
import { parameterTypes } from './reflection.js'

/** What the compilers record for a type that does not exist at run time, or that nothing can be injected for. */
const typeless = new Map<unknown, string>([
  [Object, 'an interface, a type alias or a union'],
  [String, 'a string'],
  [Number, 'a number or an enum'],
  [Boolean, 'a boolean'],
  [BigInt, 'a bigint'],
  [Symbol, 'a symbol'],
  [Array, 'an array'],
  [Function, 'a function'],
  [Promise, 'a promise'],
])

/**
 * The classes to call the constructor with, in its order. `undefined` stands for a parameter that has a default and no
 * class that could be injected.
 *
 * @throws What the `deps` function of the class throws.
 */
export function dependenciesOf(ctor: Class): readonly (Class | undefined)[] {
  return constructorOf(ctor).types.map((type) => (isInjectable(type) ? type : undefined))
}

/** The class, and every class that is made for it, each once. */
export function withDependencies(ctor: Class): ReadonlySet<Class> {
  const found = new Set<Class>()
  const visit = (current: Class): void => {
    if (found.has(current)) return
    found.add(current)
    for (const dependency of dependenciesOf(current)) if (dependency !== undefined) visit(dependency)
  }
  visit(ctor)
  return found
}

interface Constructor {
  /** The class whose constructor runs: the class itself, or the parent that it inherits the constructor from. */
  readonly ctor: Class
  /** What is known of its parameters. */
  readonly types: readonly unknown[]
}

/**
 * Whether a class has a constructor of its own cannot be asked. It has one when its parameters were recorded or declared,
 * or when it takes any; otherwise the parent is asked.
 */
function constructorOf(ctor: Class): Constructor {
  for (let current: unknown = ctor; typeof current === 'function'; current = Object.getPrototypeOf(current)) {
    const owner = current as Class
    const deps = ownRecord(owner)?.service?.deps ?? ownRecord(owner)?.injectable?.deps
    const types = deps === undefined ? parameterTypes(owner) : typeof deps === 'function' ? deps() : deps
    if (types !== undefined) return { ctor: owner, types }
    if (owner.length > 0) return { ctor: owner, types: [] }
  }
  return { ctor, types: [] }
}

/** Everything that keeps the class, or a class it needs, from being made. */
export function dependencyProblems(ctor: Class): readonly DeclarationProblem[] {
  const problems: DeclarationProblem[] = []
  const done = new Set<Class>()
  const visit = (current: Class, path: readonly Class[]): void => {
    const start = path.indexOf(current)
    if (start >= 0) {
      problems.push(cycleProblem([...path.slice(start), current]))
      return
    }
    if (done.has(current)) return
    done.add(current)
    let own: Constructor
    try {
      own = constructorOf(current)
    } catch (error) {
      problems.push(unreadable(current, error))
      return
    }
    if (own.types.length < own.ctor.length) problems.push(missingTypes(own.ctor, own.types.length))
    for (const [index, type] of own.types.entries()) {
      if (isInjectable(type)) visit(type, [...path, current])
      // What comes after has a default, which is used.
      else if (index < own.ctor.length) problems.push(notInjectable(own.ctor, index, type))
    }
  }
  visit(ctor, [])
  return problems
}

/** Inheriting from an injectable class is not enough: the class may need more than its parent. */
function isInjectable(dependency: unknown): dependency is Class {
  return typeof dependency === 'function' && ownRecord(dependency as Class)?.injectable !== undefined
}

function notInjectable(ctor: Class, index: number, dependency: unknown): DeclarationProblem {
  const parameter = `parameter ${index + 1} of ${ctor.name}'s constructor`
  if (dependency === undefined) {
    return {
      code: 'INJECTION_UNKNOWN_TYPE',
      message: `${parameter} has a class that was not there yet when ${ctor.name} was evaluated`,
      hint: 'the two files import each other: name the class in a function, deps: () => [TheClass]',
    }
  }
  const what = typeless.get(dependency)
  if (what !== undefined || typeof dependency !== 'function') {
    return {
      code: 'INJECTION_UNKNOWN_TYPE',
      message: `${parameter} is ${what ?? 'no class'}, which says nothing about what to inject`,
      hint: 'take a class that is decorated with @Injectable() instead, which may hold the value',
    }
  }
  if (ownRecord(dependency as Class)?.service !== undefined) {
    return {
      code: 'INJECTION_OF_SERVICE',
      message: `${parameter} is the service ${dependency.name}; services reach each other through streams only`,
      hint: 'move what the two share into a class with @Injectable(), and take that in both',
    }
  }
  return {
    code: 'INJECTION_NOT_INJECTABLE',
    message: `${parameter} is ${dependency.name}, which is not decorated as injectable`,
    hint: `decorate ${dependency.name} with @Injectable()`,
  }
}

function missingTypes(ctor: Class, knownCount: number): DeclarationProblem {
  const known =
    knownCount === 0 ? 'none of their types is known' : `the types of only ${knownCount} are known`
  return {
    code: 'INJECTION_UNKNOWN_TYPE',
    message: `${ctor.name}'s constructor has ${ctor.length} parameters, but ${known}`,
    hint: 'list their classes, deps: [A, B], or deps: [] where a subclass passes them itself; only legacy decorators with emitDecoratorMetadata record them',
  }
}

function unreadable(ctor: Class, error: unknown): DeclarationProblem {
  return {
    code: 'INJECTION_UNKNOWN_TYPE',
    message: `the deps function of ${ctor.name} throws: ${String(error)}`,
    hint: 'it is called when all files are loaded, and returns the classes that the constructor takes',
  }
}

function cycleProblem(cycle: readonly Class[]): DeclarationProblem {
  return {
    code: 'INJECTION_CYCLE',
    message: `${cycle.map(({ name }) => name).join(' → ')}: each needs the next one to be made first`,
    hint: 'move what they share into a class that needs none of them',
  }
}

/** What is wrong with the injectable classes that are made for a service. */
export function injectableProblems(ctor: Class): readonly DeclarationProblem[] {
  let needed: ReadonlySet<Class>
  try {
    needed = withDependencies(ctor)
  } catch {
    // Reported as a problem of the dependencies.
    return []
  }
  return [...needed]
    .filter((dependency) => dependency !== ctor)
    .flatMap((dependency) => [
      ...membersOf(dependency, ({ ports }) => ports).map(({ placement }) =>
        portOutsideService(dependency, placement.member),
      ),
      ...membersOf(dependency, ({ groups, roles }) => [...groups, ...roles]).map(({ placement }) =>
        groupOutsideService(dependency, placement.member),
      ),
      ...placementProblems(dependency, { configs: membersOf(dependency, ({ configs }) => configs) }),
    ])
}

/** Injectable classes have no place in the dataflow. */
function portOutsideService(ctor: Class, member: string): DeclarationProblem {
  return {
    code: 'PORT_OUTSIDE_SERVICE',
    message: `${memberName(ctor, member)}: an injectable class cannot have streams`,
    hint: 'declare the member in the service, and pass the handle or the datums on',
  }
}

/** Nor have they a say in who the members of a group are. */
function groupOutsideService(ctor: Class, member: string): DeclarationProblem {
  return {
    code: 'GROUP_OUTSIDE_SERVICE',
    message: `${memberName(ctor, member)}: an injectable class cannot take part in groups`,
    hint: 'declare the member in the service, and pass the handle on',
  }
}
