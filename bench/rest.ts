// What a node of a network in which nothing happens sends.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, table } from './benchmark.ts'
import { countGossipKinds, gossipKinds } from './gossip-kinds.ts'
import { MemoryNetwork } from './memory-network.ts'
import { averageOf, totalOf, trafficBetween, trafficOf } from './traffic.ts'

const sizes = [25, 50, 100]
/** After a network is complete, what its forming has set going comes to an end: syncs that brought news, for one. */
const settlingSeconds = 90
const observedSeconds = 120

export const benchmark: Benchmark = {
  method: `Nodes in one process over libp2p's memory transport, with default settings. ${settlingSeconds} s (a third of what --seconds says, if that is less) after every node knows all others, what they send is counted for ${observedSeconds} s (--seconds): the average of all nodes, in bytes per second, links and gossip with their framing, not the transport under them.`,
  runs: 1,
  minutesMax: 60,
  async run({ nodes = sizes, seconds = observedSeconds, say }) {
    const gossip = await countGossipKinds()
    const rows = [
      ['nodes', 'B/s sent', 'sync', 'hello', 'gossip', ...gossipKinds, 'connections', 'neighbours'],
    ]
    const results = []
    for (const size of nodes) {
      await using network = await MemoryNetwork.start(size)
      await sleep(1_000 * Math.min(settlingSeconds, Math.max(15, seconds / 3)))
      const before = network.nodes.map(({ host }) => trafficOf(host))
      const gossipBefore = { ...gossip }
      await sleep(1_000 * seconds)
      const { sent } = averageOf(
        network.nodes.map(({ host }, i) => trafficBetween(before[i]!, trafficOf(host))),
      )
      const perSecond = (bytes: number | undefined): number => Math.round((bytes ?? 0) / seconds)
      const kinds = gossipKinds.map((kind) => perSecond((gossip[kind] - gossipBefore[kind]) / size))
      const gaugeMean = (name: string, labels?: Record<string, string>): number =>
        network.nodes.reduce((sum, { host }) => sum + (host.metrics.value(name, labels) ?? 0), 0) / size
      const connections = gaugeMean('mosaik_connections', { state: 'admitted' })
      const neighbours = gaugeMean('mosaik_gossip_neighbours')
      const figures = [
        perSecond(totalOf(sent)),
        ...['sync', 'hello', 'gossip'].map((kind) => perSecond(sent[kind])),
      ]
      rows.push([size, ...figures, ...kinds, connections.toFixed(1), neighbours.toFixed(1)].map(String))
      results.push({
        nodes: size,
        bytesPerSecond: Object.fromEntries(
          Object.entries(sent).map(([kind, bytes]) => [kind, perSecond(bytes)]),
        ),
        gossipBytesPerSecond: Object.fromEntries(gossipKinds.map((kind, i) => [kind, kinds[i]])),
        connections,
        neighbours,
      })
    }
    say(table(rows))
    return results
  },
}
