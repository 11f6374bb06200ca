// The only file that knows typedi. It is used through factories: given a class, typedi would read the recorded
// parameter types by itself, hand over `undefined` for an interface, and append its container as one more argument.
import { ContainerInstance, type Constructable } from 'typedi'
import type { Class } from './records.js'

/** The instances that belong together: one of each class. */
export interface Container {
  /**
   * The instance of a class, made when it is first asked for, after those of the classes it needs.
   *
   * @throws What a constructor throws.
   */
  get(ctor: Class): object
  /** Everything that was made, in the order in which it was. */
  readonly made: readonly object[]
}

/**
 * A container with instances of its own: nothing is registered globally, so two networks in one process share nothing.
 *
 * @param dependenciesOf The classes that a class's constructor takes, none of which may need the class itself.
 * @param prepare Called with each instance before anyone else gets it.
 */
export function createContainer(
  dependenciesOf: (ctor: Class) => readonly (Class | undefined)[],
  prepare: (instance: object, ctor: Class) => void,
): Container {
  const inner = new ContainerInstance('mosaik')
  const made: object[] = []
  const argumentsFor = (ctor: Class): unknown[] =>
    dependenciesOf(ctor).map((dependency) => (dependency === undefined ? undefined : get(dependency)))
  const get = (ctor: Class): object => {
    const id = ctor as unknown as Constructable<object>
    if (!inner.has(id)) {
      inner.set({
        id,
        factory: () => {
          const instance = Reflect.construct(ctor, argumentsFor(ctor)) as object
          prepare(instance, ctor)
          made.push(instance)
          return instance
        },
      })
    }
    return inner.get(id)
  }
  return { get, made }
}
