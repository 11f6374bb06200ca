// Many nodes in this process, over libp2p's memory transport: what they say to each other is what they would say over
// any transport, and a machine can have hundreds of them.
import { randomUUID } from 'node:crypto'
import { digestOf } from '#framework/primitives'
import { Host } from '#framework/network'
import { Discovery, seeds } from '#framework/discovery'
import { inTime } from './benchmark.ts'

/** Nodes that start at a time: each costs some handshakes, and all share one core. */
const STARTING_MAX = 10
const COMPLETE_MS_MAX = 300_000

export interface MemoryNode {
  readonly host: Host
  readonly discovery: Discovery
}

/** A network of nodes that all know each other through the first one. */
export class MemoryNetwork implements AsyncDisposable {
  readonly nodes: MemoryNode[] = []
  readonly #name = randomUUID()
  #count = 0

  static async start(size: number): Promise<MemoryNetwork> {
    const network = new MemoryNetwork()
    await network.add()
    while (network.nodes.length < size) {
      const missing = Math.min(STARTING_MAX, size - network.nodes.length)
      const added = await Promise.all(Array.from({ length: missing }, () => network.add()))
      // All come to the first node: were they to come at once, it would not answer in time.
      const connected = added.map(async ({ discovery }) => await discovery.when().connected())
      await inTime(COMPLETE_MS_MAX, 'nodes reach the first one', Promise.all(connected))
    }
    await inTime(COMPLETE_MS_MAX, 'every node knows all others', network.complete())
    return network
  }

  /** Starts one more node. */
  async add(): Promise<MemoryNode> {
    const seed = this.nodes[0]?.host.addresses.value ?? []
    const host = await Host.start({
      network: digestOf(this.#name),
      listen: [`/memory/${this.#name}-${this.#count++}`],
    })
    const discovery = await Discovery.start({ host, bootstrap: [seeds(seed)] })
    const node = { host, discovery }
    this.nodes.push(node)
    return node
  }

  /** Closes a node, which says goodbye. */
  async remove(node: MemoryNode): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    await node.discovery.close()
    await node.host.close()
  }

  /** Resolves when every node knows every other one. */
  async complete(): Promise<void> {
    await Promise.all(
      this.nodes.map(async ({ discovery }) => await discovery.when().peers(this.nodes.length - 1)),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // All at once, and without goodbyes, which would be heard by as many as there are nodes.
    await Promise.all(this.nodes.map(({ host }) => host.close()))
  }
}
