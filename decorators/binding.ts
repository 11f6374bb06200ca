import type {
  BoundService,
  ConfigProblem,
  ServiceBinding,
  ServiceDeclaration,
  ServiceRuntime,
} from '#framework/topology'
import type { StreamId } from '#framework/primitives'
import { configProblems } from './configuration.js'
import { withDependencies } from './dependencies.js'
import type { RoleContext } from './groups.js'
import { scopeOf } from './node-scope.js'
import { hasOptions, type Class, type PortRecord } from './records.js'
import type { GroupPart } from './group-part.js'
import { RunningService, type ConsumerMethod, type JoinedGroup } from './running-service.js'

/** A decorated class that can be made part of any number of nodes. Keeps nothing about any of them. */
export class DecoratedBinding implements ServiceBinding {
  readonly declaration: ServiceDeclaration
  readonly #ctor: Class
  readonly #ports: readonly PortRecord[]
  readonly #groups: readonly GroupPart[]

  constructor(
    ctor: Class,
    declaration: ServiceDeclaration,
    ports: readonly PortRecord[],
    groups: readonly GroupPart[],
  ) {
    this.declaration = declaration
    this.#ctor = ctor
    this.#ports = ports
    this.#groups = groups
  }

  configProblems(config: Readonly<Record<string, unknown>>): readonly ConfigProblem[] {
    return configProblems(this.declaration.name, withDependencies(this.#ctor), config)
  }

  async bind(runtime: ServiceRuntime): Promise<BoundService> {
    const scope = scopeOf(runtime)
    try {
      const instance = scope.get(this.#ctor)
      const produced = new Set<StreamId>()
      const methods = this.#ports.flatMap((port) => openPort(port, instance, runtime, produced))
      const groups: JoinedGroup[] = []
      for (const part of this.#groups) groups.push(await joinGroup(part, instance, runtime))
      return new RunningService({
        name: this.declaration.name,
        instance,
        methods,
        groups,
        runtime,
        release: () => scope.release(),
      })
    } catch (error) {
      await scope.release()
      throw error
    }
  }
}

/**
 * Opens the stream and puts the handle where it was declared; on a method there is something to call instead. Who is not
 * the first to produce a stream shares the producer that there is, and says nothing about it.
 */
function openPort(
  port: PortRecord,
  instance: object,
  { streams }: ServiceRuntime,
  produced: Set<StreamId>,
): readonly ConsumerMethod[] {
  const { placement, definition } = port
  if (port.direction === 'produces') {
    const isShared = produced.has(definition.id) || !hasOptions(port)
    placement.assign(
      instance,
      isShared ? streams.produce(definition) : streams.produce(definition, port.options),
    )
    produced.add(definition.id)
    return []
  }
  const { concurrency = 1, onError = 'fail', ...options } = port.options
  if (placement.kind === 'property') {
    placement.assign(instance, streams.consume(definition, options))
    return []
  }
  // A datum is acknowledged when its call has ended, which is not in order when calls overlap.
  const consumer = streams.consume(definition, { ...options, ack: concurrency > 1 ? 'manual' : 'taken' })
  const method = placement.read(instance) as (datum: unknown) => unknown
  const call = (datum: unknown): unknown => method.call(instance, datum)
  return [{ name: placement.member, consumer, call, concurrency, onError }]
}

/** Joins the group, puts the handle where it was declared, and says which methods run in a role. */
async function joinGroup(
  { group: { name, placement, options }, factory, roles }: GroupPart,
  instance: object,
  { groups }: ServiceRuntime,
): Promise<JoinedGroup> {
  const { voters, ...rest } = options
  const handle = await groups.join(name, { ...rest, machine: factory, maxVoters: voters })
  placement.assign(instance, handle)
  const methods = roles.map((role) => {
    const method = role.placement.read(instance) as (context: RoleContext) => unknown
    return {
      name: role.placement.member,
      role: role.role,
      call: (context: RoleContext): unknown => method.call(instance, context),
    }
  })
  return { name, handle, methods }
}
