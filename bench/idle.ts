// What a node of a network in which nothing happens costs its machine.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, spread, table } from './benchmark.ts'
import type { Idle } from './peer-messages.ts'
import { PeerProcess } from './peer-process.ts'

const sizes = [2, 20]
const completeMsMax = 60_000
/** After the network is complete, surplus connections are closed and meshes formed. */
const settlingMs = 30_000
const observedSeconds = 60

export const benchmark: Benchmark = {
  method: `One process with one node without services, and all other nodes of its network in a second process, over QUIC on loopback with default settings. ${settlingMs / 1_000} s after all know each other the first process is observed for ${observedSeconds} s (--seconds): its processor time over all threads as a part of one core, how often one of its threads went to sleep, and its memory at the end. A network of its own for each run.`,
  runs: 3,
  minutesMax: 60,
  async run({ runs, nodes = sizes, seconds = observedSeconds, say }) {
    const rows = [
      ['nodes', 'CPU %', 'of JavaScript %', 'wakeups/s', 'RSS MiB', 'heap MiB', 'connections', 'neighbours'],
    ]
    const results = []
    for (const size of nodes) {
      const idles: Idle[] = []
      for (let run = 0; run < runs; run++) idles.push(await measure(size, seconds))
      results.push({ nodes: size, idles })
      const column = (of: (idle: Idle) => number, digits: number): string => spread(idles.map(of), digits)
      rows.push([
        String(size),
        column(({ cpuPercent }) => cpuPercent, 2),
        column(({ mainThreadPercent }) => mainThreadPercent, 2),
        column(({ wakeupsPerSecond }) => wakeupsPerSecond, 0),
        column(({ residentBytes }) => residentBytes / 2 ** 20, 0),
        column(({ heapBytes }) => heapBytes / 2 ** 20, 0),
        column(({ connections }) => connections, 0),
        column(({ neighbours }) => neighbours, 0),
      ])
    }
    say(table(rows))
    return results
  },
}

async function measure(size: number, seconds: number): Promise<Idle> {
  const common = { network: randomUUID(), totals: [size], port: 0 }
  await using others = new PeerProcess({ ...common, count: size - 1, seeds: [] })
  const { addresses } = await others.listening(completeMsMax)
  // For a profile of the node that is observed: `BENCH_EXEC_ARGV=--cpu-prof npm run bench -- idle`.
  const execArgv = process.env.BENCH_EXEC_ARGV?.split(' ') ?? []
  await using observed = new PeerProcess({ ...common, count: 1, seeds: addresses }, { execArgv })
  await Promise.all([others, observed].map((peer) => peer.complete(size, completeMsMax)))
  await sleep(settlingMs)
  return (await observed.observe(seconds)).idle
}
