import type { Clock, Logger, MetricsRegistry, PeerId, Random } from '#framework/primitives'
import type { Streams } from '#framework/streams'
import type { ServiceDeclaration } from './model.js'
import type { NodeGroups } from './node-groups.js'

/** Who a running node is. */
export interface NodeInfo {
  /** The network's name. */
  readonly network: string
  readonly name: string
  /** Counted from 0. */
  readonly replica: number
  readonly peerId: PeerId
  /** What the node announces: its own tags and those of its services. */
  readonly tags: readonly string[]
}

/** What a node gives to a service that is bound to it. */
export interface ServiceRuntime {
  readonly node: NodeInfo
  /** The node's configuration, as declared. Each service validates the part that it reads. */
  readonly config: Readonly<Record<string, unknown>>
  readonly streams: Streams
  /** The groups that the node's services are in. The node leaves them when all services have stopped. */
  readonly groups: Pick<NodeGroups, 'join'>
  /** Says the service's name with every line. */
  readonly logger: Logger
  readonly clock: Clock
  readonly random: Random
  /** The metrics of the node. */
  readonly metrics: MetricsRegistry
  /** Aborts when the node begins to close. */
  readonly signal: AbortSignal
  /** Shows a text that replaces the one before, for a person who watches. */
  display(text: string): void
  /** What the network was started for is done; `failure` says why it did not succeed. */
  finish(failure: string | undefined): void
}

/** A part of the configuration that a service cannot work with. */
export interface ConfigProblem {
  /** Name of the service. */
  readonly service: string
  /** Where in the node's configuration. */
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** A service that can be made part of a node. What a front end (decorators, for one) produces for each service. */
export interface ServiceBinding {
  readonly declaration: ServiceDeclaration
  /** Everything that keeps the service from working with this configuration. Called before anything is started. */
  configProblems(config: Readonly<Record<string, unknown>>): readonly ConfigProblem[]
  /**
   * Makes the service's instance and opens its streams. Nothing of the service runs before {@link BoundService.start}.
   * When it rejects it has undone what it did, apart from streams, which the node closes.
   */
  bind(runtime: ServiceRuntime): Promise<BoundService>
}

/** A service on a node. */
export interface BoundService {
  /** Sets the service going. Resolves when it has been asked to start, not when it has finished: it may run for ever. */
  start(): Promise<void>
  /** Ends it, also when it was never started. Resolves within a bounded time, whatever the service does; never rejects. */
  stop(): Promise<void>
  /** Resolves with the cause when the service fails while it runs; pending as long as it does not. */
  readonly failed: Promise<unknown>
}
