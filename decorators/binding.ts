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
import { scopeOf } from './node-scope.js'
import { hasOptions, type Class, type PortRecord } from './records.js'
import { RunningService, type ConsumerMethod } from './running-service.js'

/** A decorated class that can be made part of any number of nodes. Keeps nothing about any of them. */
export class DecoratedBinding implements ServiceBinding {
  readonly declaration: ServiceDeclaration
  readonly #ctor: Class
  readonly #ports: readonly PortRecord[]

  constructor(ctor: Class, declaration: ServiceDeclaration, ports: readonly PortRecord[]) {
    this.declaration = declaration
    this.#ctor = ctor
    this.#ports = ports
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
      return new RunningService({
        name: this.declaration.name,
        instance,
        methods,
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
