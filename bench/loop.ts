// scratch: one cluster, one writer, for SECS seconds
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Callable } from './calls.ts'
import type { GroupsPeer } from './groups-peer.ts'
const [store, transport] = process.argv[2]!.split('-') as [string, 'quic' | 'tls']
const folder = await mkdtemp(join(tmpdir(), 'mosaik-groups-'))
const f = store === 'lmdb' ? join(folder, 'x') : undefined
const peers: Callable<GroupsPeer>[] = []
let addresses: readonly string[] = []
for (let place = 0; place <= 3; place++) {
  const peer = new Callable<GroupsPeer>('groups-peer.ts')
  const own = await peer.call('join', { transport, addresses, folder: f && join(f, String(place)) })
  if (place === 0) addresses = own
  peers.push(peer)
  if (place === 2) await peers[0]!.call('ready', 3)
}
await peers[3]!.call('ready', 3)
await peers[3]!.call('write', { bytes: 128, inFlight: 256, ms: 2000 })
const cpu = async () => Promise.all(peers.map((p) => p.cpuSeconds()))
const end = Date.now() + 1000 * Number(process.env.SECS ?? 15)
const c0 = await cpu(); let n = 0; const all: number[] = []
while (Date.now() < end) { const t = await peers[3]!.call('writeEach', { bytes: 128, count: 200 }); n += 200; all.push(...t); if (n % 1000 === 0) process.stdout.write(t.toSorted((a, b) => a - b)[100]!.toFixed(2) + " ") }
const c1 = await cpu()
all.sort((a, b) => a - b)
console.log('writes', n, 'p50', all[n >> 1]!.toFixed(2), 'cpu ms/write per process', c1.map((c, i) => (1000 * (c - c0[i]!) / n).toFixed(2)).join(' '))
await rm(folder, { recursive: true, force: true }); for (const p of peers) await p[Symbol.asyncDispose](); process.exit()
