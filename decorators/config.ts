import type { z } from 'zod'
import { placementOf, type DecoratorArguments } from './placement.js'
import { recordAt } from './records.js'

/** `K` when a property of type `F` can hold what a schema puts out. */
type ConfigKey<F, T, K> = [T] extends [F] ? K : 'the schema puts out another type than this property has'

/** Goes on a property of the schema's output type. */
export interface ConfigDecorator<T> {
  // Legacy decorators.
  <This extends object, K extends keyof This>(
    target: This,
    key: K & ConfigKey<This[K], T, K>,
    none?: undefined,
  ): void
  // Standard decorators.
  <This, F>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, F> & { name: ConfigKey<F, T, string | symbol> },
  ): void
}

/**
 * Gives the property the node's configuration, as the schema reads it: unknown keys are for other services of the node,
 * and defaults apply. It is validated before anything starts; what is wrong with it is one `CONFIG_INVALID` with every
 * problem and its path.
 *
 * ```ts
 * @Config(config) readonly config!: z.infer<typeof config>
 * ```
 */
export function Config<S extends z.ZodType>(schema: S): ConfigDecorator<z.output<S>> {
  return ((...args: DecoratorArguments): void => {
    const placement = placementOf(args)
    recordAt(placement.owner).configs.push({ placement, schema })
  }) as ConfigDecorator<z.output<S>>
}
