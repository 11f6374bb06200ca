// The node's configuration, as the classes of a service read it.
import type { ConfigProblem } from '#framework/topology'
import { messageOf } from '#framework/primitives'
import type { z } from 'zod'
import { membersOf } from './members.js'
import type { Placement } from './placement.js'
import type { Class, ConfigRecord } from './records.js'

type Config = Readonly<Record<string, unknown>>

/** What each `@Config` member of the class gets. Called only for a configuration without {@link configProblems}. */
export function configOf(
  ctor: Class,
  config: Config,
): readonly { readonly placement: Placement; readonly value: unknown }[] {
  return configsOf(ctor).map(({ placement, schema }) => ({ placement, value: schema.parse(config) }))
}

/** Everything that the classes cannot read, named by the service they are made for. */
export function configProblems(
  service: string,
  classes: Iterable<Class>,
  config: Config,
): readonly ConfigProblem[] {
  return [...classes]
    .flatMap(configsOf)
    .flatMap(({ schema }) =>
      issuesOf(schema, config).map(({ path, message }) => ({ service, path, message })),
    )
}

/**
 * The keys of the configuration that the classes read, sorted; undefined when that cannot be told, because one of the
 * schemas is no plain object.
 */
export function configKeysOf(classes: Iterable<Class>): readonly string[] | undefined {
  const keys = new Set<string>()
  for (const { schema } of [...classes].flatMap(configsOf)) {
    const own = keysOf(schema)
    if (own === undefined) return undefined
    for (const key of own) keys.add(key)
  }
  return [...keys].sort()
}

/** Told by shape: the schema may come from another copy of zod. */
function keysOf(schema: z.ZodType): readonly string[] | undefined {
  const { type, shape, catchall } = schema.def as {
    readonly type: string
    readonly shape?: object
    readonly catchall?: z.ZodType
  }
  if (type !== 'object' || shape === undefined) return undefined
  return catchall === undefined || catchall.def.type === 'never' ? Object.keys(shape) : undefined
}

function configsOf(ctor: Class): readonly ConfigRecord[] {
  return membersOf(ctor, ({ configs }) => configs)
}

function issuesOf(schema: z.ZodType, config: Config): readonly Pick<ConfigProblem, 'path' | 'message'>[] {
  try {
    const { error } = schema.safeParse(config)
    return (error?.issues ?? []).map(({ path, message }) => ({ path: path.map(pathPart), message }))
  } catch (error) {
    // A schema with asynchronous parts cannot be read synchronously, and zod throws.
    return [{ path: [], message: messageOf(error) }]
  }
}

function pathPart(part: PropertyKey): string | number {
  return typeof part === 'symbol' ? String(part) : part
}
