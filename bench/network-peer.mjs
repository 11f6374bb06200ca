// A process of the discover and idle benchmarks: one node or several, without services, on QUIC and loopback. Plain
// JavaScript, as the processes of users are: stripping types costs 17 MiB of memory, which would be measured too.
import { setTimeout as sleep } from 'node:timers/promises'
import { startNode } from '#framework/topology'

/** @type {import('#framework/topology').RunningNode[]} */
const nodes = []

/** @param {import('./peer-messages.ts').FromPeer} message */
const tell = (message) => void process.send?.(message)
const now = () => performance.timeOrigin + performance.now()

process.on('message', (/** @type {import('./peer-messages.ts').ToPeer} */ message) => {
  void (message.type === 'start' ? start(message.order) : observe(message.seconds))
})
// Whoever started this process is gone. Exiting in order lets Node write a profile, when it was told to make one.
process.on('disconnect', () => process.exit())

/** @param {import('./peer-messages.ts').PeerOrder} order */
async function start({ network, count, totals, port, seeds }) {
  for (let i = 0; i < count; i++) {
    const node = await startNode({
      network,
      name: 'bench',
      replica: 0,
      tags: [],
      config: {},
      services: [],
      listen: [`/ip4/127.0.0.1/udp/${i === 0 ? port : 0}/quic-v1`],
      seeds: seeds.length > 0 ? seeds : (nodes[0]?.host.addresses.value ?? []),
    })
    nodes.push(node)
  }
  tell({ type: 'listening', at: now(), addresses: nodes[0].host.addresses.value })
  for (const total of totals) {
    await Promise.all(nodes.map(async ({ discovery }) => await discovery.when().peers(total - 1)))
    tell({ type: 'complete', total, at: now() })
  }
}

/** @param {number} seconds */
async function observe(seconds) {
  const before = { cpu: process.cpuUsage(), main: process.threadCpuUsage(), wakeups: wakeups() }
  const startedAt = performance.now()
  await sleep(1_000 * seconds)
  const microseconds = 1_000 * (performance.now() - startedAt)
  const percent = ({ user, system }) => (100 * (user + system)) / microseconds
  const { rss, heapUsed } = process.memoryUsage()
  const gauge = (name, labels) => nodes[0].host.metrics.value(name, labels) ?? 0
  tell({
    type: 'observed',
    idle: {
      cpuPercent: percent(process.cpuUsage(before.cpu)),
      mainThreadPercent: percent(process.threadCpuUsage(before.main)),
      wakeupsPerSecond: (wakeups() - before.wakeups) / (microseconds / 1e6),
      residentBytes: rss,
      heapBytes: heapUsed,
      connections: gauge('mosaik_connections', { state: 'admitted' }),
      neighbours: gauge('mosaik_gossip_neighbours'),
    },
  })
}

function wakeups() {
  return process.resourceUsage().voluntaryContextSwitches
}
