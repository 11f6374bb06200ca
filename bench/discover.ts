// How long processes take to find each other.
import { randomUUID } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Benchmark, spread, table } from './benchmark.ts'
import { PeerProcess } from './peer-process.ts'

const size = 10
const completeMsMax = 60_000
const compiled = join(tmpdir(), 'mosaik-bench-compiled')

interface Discovery {
  /** From spawning the first process until every node knew all others. */
  readonly fromSpawnMs: number
  /** From the moment when the last node listened: what is left when starting processes costs nothing. */
  readonly fromListeningMs: number
  /** From spawning one more process until it knew all, and all knew it. */
  readonly oneMoreMs: number
}

const cases = {
  'one seed': 0,
  'three seeds, two of them down': 2,
} as const

export const benchmark: Benchmark = {
  method: `${size} processes with one node each, over QUIC on loopback with default settings, spawned at once, with compiled code kept between runs as the command line does; all are given the same list of seeds, one of which is the first of them. Until every node has all others in its catalog: from spawning the first process (starting ${size} Nodes shares the machine's cores), and from the moment when the last one listens. Then one more process: from spawning it until it knows all and all know it. First run not counted.`,
  runs: 7,
  async run({ runs, say }) {
    const rows = [['', 'from spawn ms', 'from the last listening ms', 'one more, from spawn ms']]
    const results = []
    const measured = Object.entries(cases).map(([name, down]) => ({ name, down, all: [] as Discovery[] }))
    for (let run = -1; run < runs; run++) {
      for (const { down, all } of measured) {
        const discovery = await discover(down)
        if (run >= 0) all.push(discovery)
      }
    }
    for (const { name, all } of measured) {
      const figures = {
        fromSpawnMs: all.map(({ fromSpawnMs }) => fromSpawnMs),
        fromListeningMs: all.map(({ fromListeningMs }) => fromListeningMs),
        oneMoreMs: all.map(({ oneMoreMs }) => oneMoreMs),
      }
      results.push({ name, ...figures })
      rows.push([name, ...Object.values(figures).map((values) => spread(values))])
    }
    say(table(rows))
    return results
  },
}

async function discover(downCount: number): Promise<Discovery> {
  await using stack = new AsyncDisposableStack()
  const port = await freePort()
  const seeds = [port]
  for (let i = 0; i < downCount; i++) seeds.unshift(await freePort())
  const common = {
    network: randomUUID(),
    count: 1,
    seeds: seeds.map((each) => `/ip4/127.0.0.1/udp/${each}/quic-v1`),
  }
  const peers: PeerProcess[] = []
  const spawn = (totals: readonly number[]): PeerProcess => {
    const order = { ...common, totals, port: peers.length === 0 ? port : 0 }
    const peer = stack.use(new PeerProcess(order, { env: { NODE_COMPILE_CACHE: compiled } }))
    peers.push(peer)
    return peer
  }
  for (let i = 0; i < size; i++) spawn([size, size + 1])
  const listening = await Promise.all(peers.map((peer) => peer.listening(completeMsMax)))
  const complete = await Promise.all(peers.map((peer) => peer.complete(size, completeMsMax)))
  const oneMore = spawn([size + 1])
  const larger = await Promise.all(peers.map((peer) => peer.complete(size + 1, completeMsMax)))
  return {
    fromSpawnMs: latest(complete) - peers[0]!.spawnedAt,
    fromListeningMs: latest(complete) - latest(listening),
    oneMoreMs: latest(larger) - oneMore.spawnedAt,
  }
}

function latest(moments: readonly { readonly at: number }[]): number {
  return Math.max(...moments.map(({ at }) => at))
}

/** A UDP port that nobody listens on at the moment. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}
