// What it costs a node to join a network, by the network's size.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, inTime, median, spread, table } from './benchmark.ts'
import { MemoryNetwork } from './memory-network.ts'
import { averageOf, totalOf, trafficBetween, trafficOf, type Traffic } from './traffic.ts'

const sizes = [25, 50, 100, 200]
const joinMsMax = 120_000
/** How long a network is left alone when it is complete, so that what its forming has set going is over. */
const restingMs = 30_000
/** How long a newcomer's traffic is counted after its start: syncs with each new neighbour go on after it knows all. */
const settledMs = 15_000

interface Join {
  readonly completeMs: number
  /** Until it knew everybody. */
  readonly untilComplete: Traffic
  /** Until everything that follows from joining is over, less what a node has that was there before. */
  readonly untilSettled: Traffic
}

export const benchmark: Benchmark = {
  method: `Nodes in one process over libp2p's memory transport, with default settings. ${restingMs / 1_000} s after a network of so many nodes is complete, one more starts with the address of the first: the time from the start of its host until its catalog holds everybody, and what it has sent and received until then (bytes of links and gossip with their framing, not of the transport under them). The last columns are what it has sent and received ${settledMs / 1_000} s after its start beyond what the others have on average in the same time. Then it leaves, and the next one joins.`,
  runs: 5,
  minutesMax: 60,
  async run({ runs, nodes = sizes, say }) {
    const rows = [['nodes', 'complete ms', 'KB', 'B an entry', 'of which sync KB', 'settled KB', 'sync KB']]
    const results = []
    for (const size of nodes) {
      await using network = await MemoryNetwork.start(size)
      await sleep(restingMs)
      const joins: Join[] = []
      for (let run = 0; run < runs; run++) joins.push(await join(network))
      const result = {
        nodes: size,
        completeMs: joins.map(({ completeMs }) => completeMs),
        completeBytes: joins.map(({ untilComplete }) => bothWays(untilComplete)),
        completeSyncBytes: joins.map(({ untilComplete }) => bothWays(untilComplete, 'sync')),
        settledBytes: joins.map(({ untilSettled }) => bothWays(untilSettled)),
        settledSyncBytes: joins.map(({ untilSettled }) => bothWays(untilSettled, 'sync')),
      }
      results.push(result)
      rows.push([
        String(size),
        spread(result.completeMs),
        inKilobytes(result.completeBytes),
        (median(result.completeBytes) / size).toFixed(0),
        inKilobytes(result.completeSyncBytes),
        inKilobytes(result.settledBytes),
        inKilobytes(result.settledSyncBytes),
      ])
    }
    say(table(rows))
    return results
  },
}

async function join(network: MemoryNetwork): Promise<Join> {
  const others = [...network.nodes]
  const before = others.map(({ host }) => trafficOf(host))
  const startedAt = performance.now()
  const node = await network.add()
  await inTime(joinMsMax, 'a newcomer knows everybody', node.discovery.when().peers(others.length))
  const completeMs = performance.now() - startedAt
  const untilComplete = trafficOf(node.host)
  await sleep(Math.max(0, settledMs - completeMs))
  const usual = averageOf(others.map(({ host }, i) => trafficBetween(before[i]!, trafficOf(host))))
  const untilSettled = trafficBetween(usual, trafficOf(node.host))
  await network.remove(node)
  return { completeMs, untilComplete, untilSettled }
}

/** Sent and received, of one kind or all. */
function bothWays({ sent, received }: Traffic, kind?: string): number {
  return kind === undefined ? totalOf(sent) + totalOf(received) : (sent[kind] ?? 0) + (received[kind] ?? 0)
}

function inKilobytes(bytes: readonly number[]): string {
  return spread(
    bytes.map((count) => count / 1_000),
    1,
  )
}
