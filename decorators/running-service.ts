import {
  EndedError,
  messageOf,
  TaskScope,
  type CounterHandle,
  type MetricDefinition,
} from '#framework/primitives'
import type { Group, GroupStatus } from '#framework/groups'
import type { Consumer } from '#framework/streams'
import type { BoundService, ServiceRuntime } from '#framework/topology'
import { within } from './bounded.js'
import { deliver } from './delivery.js'
import type { OnStart, OnStop, ServiceContext } from './hooks.js'
import type { RoleContext } from './groups.js'
import type { GroupRole, HandlerOptions } from './records.js'
import { runInRole } from './role-runs.js'

/** How long a service may take to stop, from the signal to the end of `onStop`. */
const stopTimeoutMs = 5_000
/** The part of that in which `onStart` and the calls in flight may end before `onStop` is called. */
const endTimeoutMs = 3_000

const SKIPPED_DATUMS: MetricDefinition = {
  name: 'mosaik_service_skipped_datums_total',
  help: 'Datums given up because a consumer method with onError "skip" failed on them.',
  labels: ['service', 'method'],
}

const ROLE_FAILURES: MetricDefinition = {
  name: 'mosaik_service_role_failures_total',
  help: 'Calls of methods with @OnLeader or @OnFollower that failed.',
  labels: ['service', 'method'],
}

/** A method of the instance that takes the datums of a stream. */
export interface ConsumerMethod extends Required<HandlerOptions> {
  readonly name: string
  readonly consumer: Consumer<unknown>
  readonly call: (datum: unknown) => unknown
}

/** A group that the instance takes part in. */
export interface JoinedGroup {
  readonly name: string
  readonly handle: Group
  readonly methods: readonly RoleMethod[]
}

/** A method of the instance that runs in a role. */
export interface RoleMethod {
  readonly name: string
  readonly role: GroupRole
  readonly call: (context: RoleContext) => unknown
}

export interface RunningServiceParts {
  readonly name: string
  readonly instance: object
  readonly methods: readonly ConsumerMethod[]
  readonly groups: readonly JoinedGroup[]
  readonly runtime: ServiceRuntime
  /** Gives back what the service shares with others of its node. Never rejects. */
  readonly release: () => Promise<void>
}

/** An instance of a service class on a node: everything of it that runs, until it is stopped. */
export class RunningService implements BoundService {
  /** What the class made. */
  readonly instance: object
  readonly failed: Promise<unknown>
  readonly #name: string
  readonly #methods: readonly ConsumerMethod[]
  readonly #groups: readonly JoinedGroup[]
  readonly #runtime: ServiceRuntime
  readonly #release: () => Promise<void>
  readonly #tasks: TaskScope
  readonly #counters: CounterHandle[] = []
  #started = false
  #stopped: Promise<void> | undefined

  constructor({ name, instance, methods, groups, runtime, release }: RunningServiceParts) {
    this.instance = instance
    this.#name = name
    this.#methods = methods
    this.#groups = groups
    this.#runtime = runtime
    this.#release = release
    const failed = Promise.withResolvers<unknown>()
    this.failed = failed.promise
    this.#tasks = new TaskScope({ parent: runtime.signal, onFailure: (cause) => failed.resolve(cause) })
  }

  async start(): Promise<void> {
    if (this.#started) return
    this.#started = true
    const { onStart } = this.instance as Partial<OnStart>
    // What onStart does before its first await is done before any datum is handed over.
    this.#tasks.spawn('onStart', async (signal) => onStart?.call(this.instance, this.#context(signal)))
    for (const method of this.#methods) {
      this.#tasks.spawn(method.name, (signal) =>
        deliver(method.consumer, method.call, {
          concurrency: method.concurrency,
          onError: method.onError === 'skip' ? this.#skipper(method.name) : rethrow,
          signal,
        }),
      )
    }
    for (const group of this.#groups) {
      this.#tasks.spawn(group.name, (signal) => failWith(group, signal))
      for (const method of group.methods)
        this.#tasks.spawn(method.name, (signal) => this.#runInRole(group.handle, method, signal))
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const { clock, logger } = this.#runtime
    const startedAt = clock.monotonic()
    const ended = await within(clock, endTimeoutMs, () =>
      this.#tasks.close(new EndedError(`service ${this.#name} is stopping`)),
    )
    if (!ended) {
      logger.warn(`service ${this.#name} is still running ${endTimeoutMs / 1000} s after its signal aborted`)
    }
    // Called in any case: it may be what ends a service that does not listen to its signal.
    if (this.#started) await this.#callOnStop(stopTimeoutMs - (clock.monotonic() - startedAt))
    for (const handle of this.#counters) handle.remove()
    await this.#release()
  }

  async #runInRole({ status }: Group, { name, role, call }: RoleMethod, signal: AbortSignal): Promise<void> {
    const { clock, random, logger, metrics } = this.#runtime
    const failures = metrics.counter(ROLE_FAILURES).with({ service: this.#name, method: name })
    this.#counters.push(failures)
    const method = `${this.#name}.${name}`
    await runInRole({
      role,
      status,
      call: async (duty, term) => call({ ...this.#context(duty), term }),
      onFailure: (error) => {
        failures.add()
        logger.warn(`${method} failed as ${role}: ${messageOf(error)}`, { cause: error })
      },
      onLate: () =>
        logger.warn(`${method} goes on although this node is no ${role} any more: what is next has to wait`),
      clock,
      random,
      signal,
    })
  }

  async #callOnStop(timeoutMs: number): Promise<void> {
    const { clock, logger } = this.#runtime
    const { onStop } = this.instance as Partial<OnStop>
    try {
      const inTime = await within(clock, timeoutMs, async (signal) => {
        await onStop?.call(this.instance, this.#context(signal))
      })
      if (!inTime) {
        logger.warn(
          `service ${this.#name} did not stop within ${stopTimeoutMs / 1000} s, going on without it`,
        )
      }
    } catch (error) {
      logger.error(`service ${this.#name} failed in onStop: ${messageOf(error)}`, { cause: error })
    }
  }

  #context(signal: AbortSignal): ServiceContext {
    const { node, logger } = this.#runtime
    return {
      signal,
      node,
      log: logger,
      display: (text) => this.#runtime.display(text),
      finish: (failure) => this.#runtime.finish(failure),
    }
  }

  /** Counts every datum that is given up, and logs the first, the second, the fourth and so on: a flood says nothing more. */
  #skipper(method: string): (error: unknown) => void {
    const { metrics, logger } = this.#runtime
    const skipped = metrics.counter(SKIPPED_DATUMS).with({ service: this.#name, method })
    this.#counters.push(skipped)
    let count = 0
    return (error) => {
      skipped.add()
      count++
      if (Number.isInteger(Math.log2(count))) {
        const message = `${this.#name}.${method} failed on a datum, which is skipped: ${messageOf(error)}`
        logger.warn(message, { cause: error, skippedCount: count })
      }
    }
  }
}

/** Fails with the group: a service that has lost its state can do nothing right. */
async function failWith({ name, handle }: JoinedGroup, signal: AbortSignal): Promise<void> {
  const { phase, cause }: GroupStatus = await handle.when().closed({ signal })
  if (phase === 'failed') throw new EndedError(`group ${name} has failed: ${messageOf(cause)}`, { cause })
}

function rethrow(error: unknown): never {
  throw error
}
