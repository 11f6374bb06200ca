import type { Connection, Stream } from '@libp2p/interface'
import {
  MetricsRegistry,
  silentLogger,
  systemClock,
  systemRandom,
  type NetworkId,
} from '#framework/primitives'
import { Identity, NetworkKey, defaultLimits, type GossipTopic, type NetworkLimits } from '#framework/network'
import { Connections } from '../../framework/network/connections.js'
import { Gossip } from '../../framework/network/gossip/gossip.js'
import { listenOn as listen, type Listening } from '../../framework/network/listening.js'
import { NetworkMetrics } from '../../framework/network/metrics.js'
import { RttTracker } from '../../framework/network/rtt/rtt-tracker.js'
import { startTransports, type Transports } from '../../framework/network/transports.js'
import { listenOn, network } from './hosts.js'

/** What a host is made of as far as gossip goes, with its inside open to a test's hands. */
export class GossipNode implements AsyncDisposable {
  readonly heard: string[] = []
  readonly topic: GossipTopic

  private constructor(
    readonly identity: Identity,
    readonly metrics: MetricsRegistry,
    readonly connections: Connections,
    private readonly transports: Transports,
    private readonly gossip: Gossip,
    private readonly listening: Listening,
  ) {
    this.topic = gossip.topic('topic', { validate: () => 'accept', messageBytesMax: 256 * 1024 })
    this.topic.messages((data) => this.heard.push(Buffer.from(data.subarray(0, 100)).toString()))
  }

  static async start(of: NetworkId = network, changes: Partial<NetworkLimits> = {}): Promise<GossipNode> {
    const identity = Identity.random()
    const limits = { ...defaultLimits, surplusGraceMs: 60_000, ...changes }
    const registry = new MetricsRegistry()
    const metrics = new NetworkMetrics(registry)
    const common = { identity, limits, clock: systemClock, logger: silentLogger }
    const transports = await startTransports({ ...common, knock: () => () => {} })
    const networkKey = new NetworkKey(of)
    const context = {
      ...common,
      network: of,
      networkKey,
      instance: 'test',
      random: systemRandom,
      metrics,
      transports,
      rtt: new RttTracker({ clock: systemClock, peersMax: 100 }),
    }
    const connections = new Connections(context)
    await connections.start()
    const gossip = new Gossip(context, connections)
    await gossip.start()
    const listening = await listen(transports, listenOn.quic, () => {})
    return new GossipNode(identity, registry, connections, transports, gossip, listening)
  }

  /** Makes one more connection, however many there are. */
  async dial(other: GossipNode): Promise<Connection> {
    const connection = await this.transports.dial(other.listening.addresses[0]!, AbortSignal.timeout(5_000))
    await this.connections.of(connection)?.admitted
    return connection
  }

  /** The libp2p connections, oldest first. */
  get libp2pConnections(): Connection[] {
    return this.transports.libp2p.getConnections()
  }

  gossipStreams(direction: 'inbound' | 'outbound'): Stream[] {
    return this.libp2pConnections
      .flatMap(({ streams }) => streams)
      .filter((stream) => stream.protocol === '/meshsub/1.2.0' && stream.direction === direction)
  }

  isNextTo(other: GossipNode): boolean {
    return this.topic.neighbours.value.has(other.identity.peerId)
  }

  async say(text: string): Promise<number> {
    return (await this.topic.publish(new TextEncoder().encode(text))).recipients
  }

  lost(cause: string): number {
    return this.metrics.value('mosaik_gossip_streams_lost_total', { cause }) ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gossip.close(AbortSignal.timeout(1_000))
    await this.connections.close()
    await this.listening.close()
    await this.transports.libp2p.stop()
  }
}
