import { join } from 'node:path'
import { silentLogger, type Clock, type Logger } from '#framework/primitives'
import {
  assertConfig,
  founderIdentity,
  nodeNameFrom,
  startNode,
  TopologyError,
  validate,
  withFoundings,
  type DiscoverySwitches,
  type GroupDeclaration,
  type GroupSettings,
  type JoinOptions,
  type RunningNode,
  type Topology,
} from '#framework/topology'
import { collect } from './collect.js'
import { LocalNetwork, unknownNode, type LaunchedNetwork, type PlannedNode } from './launched-network.js'
import type { Class } from './records.js'

/** A node of a launched network: a service class with everything a manifest could say about it. */
export interface LaunchedService {
  readonly service: Class
  /** Name of the node. Default: that of the class in kebab case, `OrderBook` is `order-book`. */
  readonly name?: string
  /** Default: 1. */
  readonly replicas?: number
  readonly tags?: readonly string[]
  /** What else to announce, by key: `region` and `zone` say where it is. */
  readonly labels?: Readonly<Record<string, string>>
  /** What it has to do with relays, instead of what the network's nodes do. */
  readonly relay?: JoinOptions['relay']
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
  /** Multiaddrs of peers in other processes to contact first. */
  readonly seeds?: readonly string[]
  /** Closes the network: only who has the same secret gets in. At least 16 bytes of chance. Default: an open network. */
  readonly secret?: string | Uint8Array
  /** How to find nodes of other processes. Nodes of this one are introduced to each other. */
  readonly discovery?: DiscoverySwitches
  readonly relay?: JoinOptions['relay']
  /** What holds of groups, by name, whatever the services say. */
  readonly groups?: Readonly<Record<string, GroupSettings>>
  /**
   * A folder in which each node keeps its identity, its groups, and the peers it met, in a folder of its own. Default:
   * nothing is kept.
   */
  readonly data?: string
  readonly clock?: Clock
  readonly logger?: Logger
  /** Where the services' displays go. Default: the log. */
  readonly display?: (node: string, text: string) => void
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
 * @throws ConfigError (`CONFIG_INVALID`) with everything that is wrong with the configuration of any node.
 * @throws MosaikError `NODE_UNKNOWN` when there is configuration for a node that there is not.
 * @throws What keeps a node from starting; nothing is left running then.
 */
export async function launch(options: LaunchOptions): Promise<LaunchedNetwork> {
  const { logger = silentLogger } = options
  const planned = plan(options)
  const remember = options.discovery?.remember
  const topology: Topology = {
    network: options.network,
    nodes: planned.map(({ declaration }) => declaration),
    seeds: options.seeds ?? [],
    ...(options.data !== undefined && { data: options.data }),
    ...(remember !== undefined && { discovery: { remember } }),
    ...(options.secret !== undefined && { secret: {} }),
    ...(options.groups !== undefined && { groups: Object.entries(options.groups).map(groupDeclared) }),
  }
  const problems = validate(topology)
  if (problems.some(({ severity }) => severity === 'error'))
    throw new TopologyError(options.network, problems)
  for (const { message, hint } of problems) logger.warn(hint === undefined ? message : `${message}: ${hint}`)

  assertConfig(
    planned.map(({ declaration: { name, config }, binding }) => ({ name, config, services: [binding] })),
  )

  const { network, secret } = options
  const groups = withFoundings({ network, secret }, topology, options.groups)
  const nodes: RunningNode[] = []
  try {
    for (const entry of planned) {
      for (let replica = 0; replica < entry.declaration.replicas; replica++) {
        nodes.push(await startReplica({ ...options, groups }, entry, replica, nodes[0]))
      }
    }
  } catch (error) {
    await Promise.all(nodes.map((node) => node.close()))
    throw error
  }
  return new LocalNetwork(topology, nodes, planned)
}

function plan({ services, config = {} }: LaunchOptions): readonly PlannedNode[] {
  const planned = services.map((entry): PlannedNode => {
    const launched = typeof entry === 'function' ? { service: entry } : entry
    const { declaration, binding } = collect(launched.service)
    const name = launched.name ?? nodeNameFrom(declaration.name)
    return {
      ctor: launched.service,
      ...(launched.relay !== undefined && { relay: launched.relay }),
      binding,
      declaration: {
        name,
        replicas: launched.replicas ?? 1,
        tags: launched.tags ?? [],
        services: [declaration],
        config: launched.config ?? config[name] ?? {},
        use: [],
        ...(launched.labels !== undefined && { labels: launched.labels }),
      },
    }
  })
  const names = planned.map(({ declaration }) => declaration.name)
  const stray = Object.keys(config).find((name) => !names.includes(name))
  if (stray !== undefined) throw unknownNode(stray, names)
  return planned
}

/** The key is not for topologies, which are shown: that there is one is what counts. */
function groupDeclared([name, { key, voters, storage, evictAfterMs }]: [
  string,
  GroupSettings,
]): GroupDeclaration {
  return {
    name,
    ...(key !== undefined && { key: {} }),
    ...(voters !== undefined && { voters }),
    ...(storage !== undefined && { storage }),
    ...(evictAfterMs !== undefined && { evictAfterMs }),
  }
}

/** The first node is the one that the others contact first; gossip brings the rest. */
function startReplica(
  options: LaunchOptions & { readonly groups: Readonly<Record<string, GroupSettings>> },
  { declaration, binding, relay = options.relay }: PlannedNode,
  replica: number,
  first: RunningNode | undefined,
): Promise<RunningNode> {
  const { network, listen, secret, discovery, data, groups, clock, logger = silentLogger, display } = options
  const { name, tags, labels, config } = declaration
  const label = `${name}-${replica}`
  const identity = founderIdentity({ network, secret }, { node: name, replica }, groups)
  return startNode({
    network,
    name,
    replica,
    tags,
    config,
    services: [binding],
    groups,
    ...(identity !== undefined && { identity }),
    seeds: [...(first?.host.addresses.value ?? []), ...(options.seeds ?? [])],
    ...(secret !== undefined && { secret }),
    ...(discovery !== undefined && { discovery }),
    ...(relay !== undefined && { relay }),
    ...(data !== undefined && { data: join(data, label) }),
    ...(labels !== undefined && { labels }),
    logger: logger.child({ node: label }),
    ...(listen !== undefined && { listen }),
    ...(clock !== undefined && { clock }),
    ...(display !== undefined && { display: (text: string) => display(label, text) }),
  })
}
