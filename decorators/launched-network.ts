import { Condition, EndedError, MosaikError, Watch, type ReadonlyWatch } from '#framework/primitives'
import {
  expectedEdges,
  type ExpectedEdge,
  type JoinOptions,
  type NodeDeclaration,
  type RunningNode,
  type ServiceBinding,
  type Topology,
} from '#framework/topology'
import type { Class } from './records.js'
import { RunningService } from './running-service.js'

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

/** A declared node, and what it is made of. */
export interface PlannedNode {
  readonly ctor: Class
  readonly declaration: NodeDeclaration
  readonly binding: ServiceBinding
  readonly relay?: JoinOptions['relay']
}

/** The nodes of a network that runs in this process, all of them started. */
export class LocalNetwork implements LaunchedNetwork {
  readonly topology: Topology
  readonly nodes: readonly RunningNode[]
  readonly missing: ReadonlyWatch<readonly ExpectedEdge[]>
  readonly closed: Promise<unknown>
  readonly #planned: readonly PlannedNode[]
  readonly #missing: Watch<readonly ExpectedEdge[]>
  #closing: Promise<void> | undefined
  readonly #closed = Promise.withResolvers<unknown>()

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

/** Names the nodes that there are. */
export function unknownNode(name: string, names: readonly string[]): MosaikError {
  return new MosaikError('NODE_UNKNOWN', `there is no node "${name}", only ${names.join(', ')}`)
}
