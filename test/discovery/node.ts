import { Discovery, type DiscoveryEvent, type DiscoveryOptions, seeds } from '#framework/discovery'
import { Host, type HostOptions, type Identity } from '#framework/network'
import { systemClock, type Clock, type NetworkId, type PeerId } from '#framework/primitives'
import { network } from './support.js'

export interface TestNodeOptions extends Omit<Partial<DiscoveryOptions>, 'host' | 'bootstrap'> {
  readonly seeds?: readonly string[]
  readonly identity?: Identity
  readonly network?: NetworkId
  readonly listen?: HostOptions['listen']
}

/** A host with discovery on loopback QUIC, and every event that discovery has reported. */
export class TestNode implements AsyncDisposable {
  readonly events: DiscoveryEvent[] = []

  private constructor(
    readonly host: Host,
    readonly discovery: Discovery,
  ) {}

  static async start(options: TestNodeOptions = {}): Promise<TestNode> {
    const host = await TestNode.host(options)
    try {
      const discovery = await Discovery.start({
        ...options,
        host,
        bootstrap: [seeds(options.seeds ?? [])],
      })
      const node = new TestNode(host, discovery)
      void node.#record()
      return node
    } catch (error) {
      // A host that is still up when a test fails would keep the test runner from ever ending.
      await host.close()
      throw error
    }
  }

  /** A host alone, for peers that do not play by the rules. */
  static host(options: Pick<TestNodeOptions, 'identity' | 'network' | 'listen'> = {}): Promise<Host> {
    return Host.start({
      network: options.network ?? network,
      listen: options.listen ?? ['/ip4/127.0.0.1/udp/0/quic-v1'],
      ...(options.identity && { identity: options.identity }),
    })
  }

  get peerId(): PeerId {
    return this.host.peerId
  }

  get addresses(): readonly string[] {
    return this.host.addresses.value
  }

  /** How many other peers are known. */
  get count(): number {
    return this.discovery.catalog.value.size
  }

  knows(peer: PeerId): boolean {
    return this.discovery.catalog.value.peers.has(peer)
  }

  metric(name: string, labels?: Record<string, string>): number {
    return this.host.metrics.value(`mosaik_discovery_${name}`, labels) ?? 0
  }

  /** Ends without a word, as if the process had been killed. */
  async vanish(): Promise<void> {
    await this.host.close()
    await this.discovery.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close()
    await this.host.close()
  }

  async #record(): Promise<void> {
    try {
      for await (const event of this.discovery.events()) this.events.push(event)
    } catch {
      // Discovery has failed, which the test sees at its `closed`.
    }
  }
}

/** Several nodes, closed together. */
export class TestNodes implements AsyncDisposable {
  readonly all: TestNode[] = []

  async add(options?: TestNodeOptions): Promise<TestNode> {
    const node = await TestNode.start(options)
    this.all.push(node)
    return node
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((node) => node[Symbol.asyncDispose]()))
  }
}

/** The machine's clock, wrong by so much. */
export function skewedClock(byMs: number): Clock {
  return { ...systemClock, now: () => systemClock.now() + byMs }
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const host = await TestNode.host()
  const [address = ''] = host.addresses.value
  await host.close()
  return Number(/\/udp\/(\d+)\//.exec(address)?.[1])
}
