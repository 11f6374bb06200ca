// A consensus group of three processes and a client of it: commands and reads, beside etcd.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { transports, type Transport } from './transports.ts'
import { type Benchmark, median, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import { EtcdCluster } from './etcd-cluster.ts'
import type { EtcdPeer } from './etcd-peer.ts'
import type { GroupsPeer } from './groups-peer.ts'
import type { Load } from './load.ts'
import { nodeOptions } from './node-options.ts'

const etcdName = 'etcd'
const roundMs = 2_000
const bytes = 128
const memberCount = 3
const batch = 64
const count = 200
/** So many single calls it takes until V8 has compiled what each of them runs through, in all processes. */
const warmUpCount = 4_000

export const benchmark: Benchmark = {
  method: `Three member processes and a client process on loopback, with the options and threads that node processes have and the default timing (elections after 2 to 2.5 s), once in memory and once in LMDB, where an entry counts when it is synced at a majority, both over QUIC and over TCP+tls (--transport: over one of them); and three nodes of etcd with the same timing, of which a client process asks the one that leads through etcd3, without encryption. All of them run all the time, data is on the same disk, and each figure is taken of one after the other in each run. Ours: execute, executeMany and query on a client that is a learner, which applies everything as well; the machine keeps the last ${bytes} B it was given. etcd: put, a transaction of puts, and linearizable get, of one key. Throughput: so many calls at a time for ${roundMs} ms. Latency: ${count} calls one after the other, after ${warmUpCount} of each kind that are not counted, as processes are compiled that have run for a minute; the first ${count} of them are in the first row. First run not counted.`,
  runs: 5,
  async run({ runs, transport, say }) {
    await using stack = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'mosaik-groups-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const contenders: Contender[] = []
    for (const over of transport === undefined ? transports : [transport]) {
      contenders.push(
        { name: `memory, ${over}`, client: await ourClient(stack, over, undefined) },
        { name: `lmdb, ${over}`, client: await ourClient(stack, over, join(folder, over)) },
      )
    }
    const etcd = await etcdClient(stack, folder)
    if (etcd === undefined) say('etcd is not installed: going on without it\n')
    else contenders.push({ name: etcdName, client: etcd })

    const results = measures.map(({ title, digits }) => ({
      title,
      digits,
      samples: new Map<string, number[]>(contenders.map(({ name }) => [name, []])),
    }))
    const first = {
      title: 'one writer, its first calls, p50 ms',
      digits: 2,
      samples: new Map<string, number[]>(),
    }
    for (const { name, client } of contenders) first.samples.set(name, [await warmUp(client)])
    for (let run = -1; run < runs; run++) {
      for (const [row, { of }] of measures.entries()) {
        for (const { name, client } of contenders) {
          const figure = await of(client)
          if (run >= 0) results[row]!.samples.get(name)!.push(figure)
        }
      }
    }
    const rows = [first, ...results]
    say(
      table([
        ['', ...contenders.map(({ name }) => name)],
        ...rows.map(({ title, digits, samples }) => [title, ...cells(samples, digits)]),
      ]),
    )
    return rows.map(({ title, samples }) => ({ title, ...Object.fromEntries(samples) }))
  },
}

interface Contender {
  readonly name: string
  readonly client: Callable<Load>
}

interface Measure {
  readonly title: string
  readonly digits: number
  readonly of: (client: Callable<Load>) => Promise<number>
}

const measures: readonly Measure[] = [
  {
    title: 'commands/s, 256 at a time',
    digits: 0,
    of: (client) => client.call('write', { bytes, inFlight: 256, ms: roundMs }),
  },
  {
    title: `commands/s, ${batch} in each of 16 calls at a time`,
    digits: 0,
    of: (client) => client.call('writeBatches', { bytes, batch, inFlight: 16, ms: roundMs }),
  },
  {
    title: 'one writer, p50 ms',
    digits: 2,
    of: async (client) => median(await client.call('writeEach', { bytes, count })),
  },
  {
    title: 'strong reads/s, 256 at a time',
    digits: 0,
    of: (client) => client.call('read', { inFlight: 256, ms: roundMs }),
  },
  {
    title: 'strong reads/s, 4096 at a time',
    digits: 0,
    of: (client) => client.call('read', { inFlight: 4_096, ms: roundMs }),
  },
  {
    title: 'one reader, p50 ms',
    digits: 2,
    of: async (client) => median(await client.call('readEach', { count })),
  },
]

/** @returns The median of the first calls of a writer, in milliseconds. */
async function warmUp(client: Callable<Load>): Promise<number> {
  const first = await client.call('writeEach', { bytes, count })
  await client.call('writeEach', { bytes, count: warmUpCount })
  await client.call('readEach', { count: warmUpCount })
  return median(first)
}

/** Ours with what it makes of etcd's. */
function cells(samples: ReadonlyMap<string, number[]>, digits: number): string[] {
  const etcd = samples.get(etcdName)
  return [...samples].map(([name, figures]) => {
    const isCompared = etcd !== undefined && name !== etcdName
    const ratio = isCompared ? ` ×${(median(figures) / median(etcd)).toFixed(2)}` : ''
    return spread(figures, digits) + ratio
  })
}

/** @param folder Where members store; undefined: in memory. */
async function ourClient(
  stack: AsyncDisposableStack,
  transport: Transport,
  folder: string | undefined,
): Promise<Callable<GroupsPeer>> {
  const peers: Callable<GroupsPeer>[] = []
  let addresses: readonly string[] = []
  for (let place = 0; place <= memberCount; place++) {
    const peer = stack.use(new Callable<GroupsPeer>('groups-peer.ts', nodeOptions(memberCount + 1)))
    const own = await peer.call('join', {
      transport,
      addresses,
      folder: folder && join(folder, String(place)),
    })
    if (place === 0) addresses = own
    peers.push(peer)
    // The client comes last, when there is no place for another voter.
    if (place === memberCount - 1) await peers[0]!.call('ready', memberCount)
  }
  const client = peers.at(-1)!
  await client.call('ready', memberCount)
  return client
}

/** Nothing, when etcd is not installed. */
async function etcdClient(
  stack: AsyncDisposableStack,
  folder: string,
): Promise<Callable<EtcdPeer> | undefined> {
  const cluster = await EtcdCluster.start(folder)
  if (cluster === undefined) return undefined
  stack.use(cluster)
  const client = stack.use(new Callable<EtcdPeer>('etcd-peer.ts'))
  await client.call('connect', cluster.urls)
  return client
}
