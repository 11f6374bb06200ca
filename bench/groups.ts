// A consensus group of three processes and a client of it: commands and reads.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Benchmark, median, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { GroupsPeer } from './groups-peer.ts'

const roundMs = 2_000
const bytes = 128
const memberCount = 3

export const benchmark: Benchmark = {
  method: `Three member processes and a client process over QUIC on loopback, with the default timing (elections after 2 to 2.5 s); the client is a learner, which applies everything as well. The machine keeps the last ${bytes} B it was given. Throughput: so many calls of execute or query at a time for ${roundMs} ms. Latency: one call after the other. Durable: LMDB on this machine's disk, each entry synced at a majority before it counts. First run not counted.`,
  runs: 5,
  async run({ runs, say }) {
    const results = []
    for (const isDurable of [false, true]) {
      const figures = await measured(isDurable, runs)
      results.push({ storage: isDurable ? 'lmdb' : 'memory', ...figures })
    }
    say(
      table([
        ['', ...results.map(({ storage }) => storage)],
        ['commands/s, 256 at a time', ...results.map(({ writes }) => spread(writes))],
        ['one writer, p50 ms', ...results.map(({ writeMs }) => spread(writeMs, 2))],
        ['strong reads/s, 256 at a time', ...results.map(({ reads }) => spread(reads))],
        ['one strong read, p50 ms', ...results.map(({ readMs }) => spread(readMs, 2))],
      ]),
    )
    return results
  },
}

interface Figures {
  readonly writes: number[]
  readonly writeMs: number[]
  readonly reads: number[]
  readonly readMs: number[]
}

async function measured(isDurable: boolean, runs: number): Promise<Figures> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'mosaik-groups-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const peers: Callable<GroupsPeer>[] = []
  let addresses: readonly string[] = []
  for (let place = 0; place <= memberCount; place++) {
    const peer = stack.use(new Callable<GroupsPeer>('groups-peer.ts'))
    const joined = await peer.call('join', {
      addresses,
      folder: isDurable ? join(folder, String(place)) : undefined,
    })
    if (place === 0) addresses = joined.addresses
    peers.push(peer)
    // The client comes last, when there is no place for another voter.
    if (place === memberCount - 1) await peers[0]!.call('ready', memberCount)
  }
  const client = peers.at(-1)!
  await client.call('ready', memberCount)
  const figures: Figures = { writes: [], writeMs: [], reads: [], readMs: [] }
  for (let run = -1; run < runs; run++) {
    const writes = await client.call('write', { bytes, inFlight: 256, ms: roundMs })
    const writeMs = median(await client.call('writeEach', { bytes, count: 200 }))
    const reads = await client.call('read', { inFlight: 256, ms: roundMs })
    const readMs = median(await client.call('readEach', { count: 200 }))
    if (run < 0) continue
    figures.writes.push(writes)
    figures.writeMs.push(writeMs)
    figures.reads.push(reads)
    figures.readMs.push(readMs)
  }
  return figures
}
