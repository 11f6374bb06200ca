import {
  Condition,
  deferred,
  EndedError,
  MosaikError,
  silentLogger,
  Watch,
  type Clock,
  type Logger,
  type ReadonlyWatch,
} from '#framework/primitives'
import {
  expectedEdges,
  nodeNameFrom,
  startNode,
  TopologyError,
  validate,
  type ExpectedEdge,
  type NodeDeclaration,
  type RunningNode,
  type ServiceBinding,
  type Topology,
} from '#framework/topology'
import { collect } from './collect.js'
import type { Class } from './records.js'
import { RunningService } from './running-service.js'

/** A node of a launched network: a service class with everything a manifest could say about it. */
export interface LaunchedService {
  readonly service: Class
  /** Name of the node. Default: that of the class in kebab case, `OrderBook` is `order-book`. */
  readonly name?: string
  /** Default: 1. */
  readonly replicas?: number
  readonly tags?: readonly string[]
  readonly config?: Readonly<Record<string, unknown>>
}

export interface LaunchOptions {
  /** Name of the network. */
  readonly network: string
  /** Each becomes a node of its own. */
  readonly services: readonly (Class | LaunchedService)[]
  /** The configuration by name of the node, for services that are given as a class. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Multiaddrs that every node listens on, so ports have to be 0. Default: QUIC and TCP on the loopback interface. */
  readonly listen?: readonly string[]
  readonly clock?: Clock
  readonly logger?: Logger
  /** Where the services' displays go. Default: the log. */
  readonly display?: (node: string, text: string) => void
}

/** A whole network in this process. */
export interface LaunchedNetwork extends AsyncDisposable {
  readonly topology: Topology
  /** In the order of declaration, replicas next to each other. */
  readonly nodes: readonly RunningNode[]
  /**
   * The node of that name.
   *
   * @throws MosaikError `NODE_UNKNOWN` when there is none.
   */
  node(name: string, replica?: number): RunningNode
  /**
   * The instance of a service class, on the first node that has it, or on that replica.
   *
   * @throws MosaikError `SERVICE_UNKNOWN` when there is none.
   */
  service<T extends object>(ctor: Class<T>, replica?: number): T
  /** The declared edges that are not up. */
  readonly missing: ReadonlyWatch<readonly ExpectedEdge[]>
  /**
   * Resolves when every declared edge is up. An edge that a `require` predicate refuses never is.
   *
   * @throws EndedError (`ENDED`) when the network closes before; its cause is why.
   */
  converged(options?: { readonly signal?: AbortSignal; readonly timeoutMs?: number }): Promise<void>
  /** Resolves when everything is closed, with the failure of the first node that failed. Never rejects. */
  readonly closed: Promise<unknown>
  /** Closes every node. Idempotent; never rejects. */
  close(): Promise<void>
}

/**
 * Runs a network in this process: each service class is a node of its own, with its own identity, and they talk over the
 * real transport. For examples, tests and small programs; `mosaik up` runs the same topology as processes.
 *
 * ```ts
 * await using net = await launch({ network: 'hello', services: [Greeter, Listener] })
 * await net.converged()
 * ```
 *
 * When a node fails, the whole network closes, and {@link LaunchedNetwork.closed} resolves with the cause.
 *
 * @throws DeclarationError (`SERVICE_DECLARATION`) for a class that is not declared correctly.
 * @throws TopologyError (`TOPOLOGY_INVALID`) when the classes do not fit together.
 * @throws ConfigError (`CONFIG_INVALID`), and whatever else keeps a node from starting; nothing is left running then.
 */
export async function launch(options: LaunchOptions): Promise<LaunchedNetwork> {
  const { logger = silentLogger } = options
  const planned = plan(options)
  const topology: Topology = {
    network: options.network,
    nodes: planned.map(({ declaration }) => declaration),
    seeds: [],
  }
  const problems = validate(topology)
  if (problems.some(({ severity }) => severity === 'error'))
    throw new TopologyError(options.network, problems)
  for (const { message, hint } of problems) logger.warn(hint === undefined ? message : `${message}: ${hint}`)

  const nodes: RunningNode[] = []
  try {
    for (const { declaration, binding } of planned) {
      for (let replica = 0; replica < declaration.replicas; replica++) {
        nodes.push(await startReplica(options, declaration, replica, binding, nodes[0]))
      }
    }
  } catch (error) {
    await Promise.all(nodes.map((node) => node.close()))
    throw error
  }
  return new LocalNetwork(topology, nodes, planned)
}

interface PlannedNode {
  readonly ctor: Class
  readonly declaration: NodeDeclaration
  readonly binding: ServiceBinding
}

function plan({ services, config = {} }: LaunchOptions): readonly PlannedNode[] {
  const planned = services.map((entry): PlannedNode => {
    const launched = typeof entry === 'function' ? { service: entry } : entry
    const { declaration, binding } = collect(launched.service)
    const name = launched.name ?? nodeNameFrom(declaration.name)
    return {
      ctor: launched.service,
      binding,
      declaration: {
        name,
        replicas: launched.replicas ?? 1,
        tags: launched.tags ?? [],
        services: [declaration],
        config: launched.config ?? config[name] ?? {},
        use: [],
      },
    }
  })
  const names = planned.map(({ declaration }) => declaration.name)
  const stray = Object.keys(config).find((name) => !names.includes(name))
  if (stray !== undefined) throw unknownNode(stray, names)
  return planned
}

/** The first node is the one that the others contact first; gossip brings the rest. */
function startReplica(
  options: LaunchOptions,
  declaration: NodeDeclaration,
  replica: number,
  binding: ServiceBinding,
  first: RunningNode | undefined,
): Promise<RunningNode> {
  const { network, listen, clock, logger = silentLogger, display } = options
  const { name, tags, config } = declaration
  const label = `${name}-${replica}`
  return startNode({
    network,
    name,
    replica,
    tags,
    config,
    services: [binding],
    seeds: first?.host.addresses.value ?? [],
    logger: logger.child({ node: label }),
    ...(listen !== undefined && { listen }),
    ...(clock !== undefined && { clock }),
    ...(display !== undefined && { display: (text: string) => display(label, text) }),
  })
}

class LocalNetwork implements LaunchedNetwork {
  readonly topology: Topology
  readonly nodes: readonly RunningNode[]
  readonly missing: ReadonlyWatch<readonly ExpectedEdge[]>
  readonly closed: Promise<unknown>
  readonly #planned: readonly PlannedNode[]
  readonly #missing: Watch<readonly ExpectedEdge[]>
  #closing: Promise<void> | undefined
  readonly #closed = deferred<unknown>()

  constructor(topology: Topology, nodes: readonly RunningNode[], planned: readonly PlannedNode[]) {
    this.topology = topology
    this.nodes = nodes
    this.closed = this.#closed.promise
    this.#planned = planned
    this.#missing = new Watch(expectedEdges(topology))
    this.missing = this.#missing.asReadonly()
    for (const node of nodes) {
      node.edges.subscribe(() => this.#update())
      void node.closed.then((cause) => this.#close(cause))
    }
    this.#update()
  }

  node(name: string, replica = 0): RunningNode {
    const found = this.nodes.find(({ info }) => info.name === name && info.replica === replica)
    if (found === undefined) {
      throw unknownNode(
        `${name}-${replica}`,
        this.nodes.map(({ info }) => `${info.name}-${info.replica}`),
      )
    }
    return found
  }

  service<T extends object>(ctor: Class<T>, replica = 0): T {
    const name = this.#planned.find((planned) => planned.ctor === (ctor as Class))?.declaration.name
    const bound = this.nodes.find(({ info }) => info.name === name && info.replica === replica)?.services[0]
    if (!(bound instanceof RunningService)) {
      throw new MosaikError('SERVICE_UNKNOWN', `the network does not run ${ctor.name} as replica ${replica}`)
    }
    return bound.instance as T
  }

  async converged(
    options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
  ): Promise<void> {
    await new Condition(this.#missing, (missing) => missing.length === 0, {
      name: 'every declared edge is up',
    }).wait(options)
  }

  close(): Promise<void> {
    return this.#close(undefined)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #close(cause: unknown): Promise<void> {
    this.#closing ??= this.#closeNodes(cause)
    return this.#closing
  }

  async #closeNodes(cause: unknown): Promise<void> {
    this.#missing.end(cause ?? new EndedError('the network was closed'))
    await Promise.all(this.nodes.map((node) => node.close()))
    this.#closed.resolve(cause)
  }

  #update(): void {
    // Both ends report an edge. The consumer's word counts, because it is the one that gets the datums.
    const reported = this.nodes.flatMap(({ edges, info }) =>
      edges.value.filter(({ to }) => to.peer === info.peerId),
    )
    const seen = new Set(reported.map(keyOf))
    const missing = expectedEdges(this.topology).filter((edge) => !seen.has(keyOf(edge)))
    const before = this.#missing.value
    const isSame =
      missing.length === before.length &&
      missing.every((edge, index) => keyOf(edge) === keyOf(before[index] ?? edge))
    if (!isSame) this.#missing.set(missing)
  }
}

function keyOf({ stream, from, to }: ExpectedEdge): string {
  return [stream, from.node, from.replica, to.node, to.replica].join('\n')
}

function unknownNode(name: string, names: readonly string[]): MosaikError {
  return new MosaikError('NODE_UNKNOWN', `there is no node "${name}", only ${names.join(', ')}`)
}
