// A process of the discover and idle benchmarks: one node or several, without services, on QUIC and loopback.
import { setTimeout as sleep } from 'node:timers/promises'
import { startNode, type RunningNode } from '#framework/topology'

export interface PeerOrder {
  readonly network: string
  /** How many nodes this process runs. */
  readonly count: number
  /** For how many nodes in all to say when they all are known. */
  readonly totals: readonly number[]
  /** Port of the first node; 0 for one that is free. */
  readonly port: number
  readonly seeds: readonly string[]
}

export type ToPeer =
  | { readonly type: 'start'; readonly order: PeerOrder }
  | { readonly type: 'observe'; readonly seconds: number }

/** Moments are of the wall clock, in milliseconds with fractions, so that those of several processes can be compared. */
export type FromPeer =
  | { readonly type: 'listening'; readonly at: number; readonly addresses: readonly string[] }
  | { readonly type: 'complete'; readonly total: number; readonly at: number }
  | { readonly type: 'observed'; readonly idle: Idle }

/** What a process has used while it was observed. */
export interface Idle {
  /** Of one core, user and system together, over all threads. */
  readonly cpuPercent: number
  /** The part of it that the thread of JavaScript has used. */
  readonly mainThreadPercent: number
  /** How often a thread went to sleep, per second. */
  readonly wakeupsPerSecond: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly connections: number
  readonly neighbours: number
}

const nodes: RunningNode[] = []

const tell = (message: FromPeer): void => void process.send?.(message)
const now = (): number => performance.timeOrigin + performance.now()

process.on('message', (message: ToPeer) => {
  void (message.type === 'start' ? start(message.order) : observe(message.seconds))
})
// Whoever started this process is gone. Exiting in order lets Node write a profile, when it was told to make one.
process.on('disconnect', () => process.exit())

async function start({ network, count, totals, port, seeds }: PeerOrder): Promise<void> {
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
  tell({ type: 'listening', at: now(), addresses: nodes[0]!.host.addresses.value })
  for (const total of totals) {
    await Promise.all(nodes.map(async ({ discovery }) => await discovery.when().peers(total - 1)))
    tell({ type: 'complete', total, at: now() })
  }
}

async function observe(seconds: number): Promise<void> {
  const before = { cpu: process.cpuUsage(), main: process.threadCpuUsage(), wakeups: wakeups() }
  const startedAt = performance.now()
  await sleep(1_000 * seconds)
  const microseconds = 1_000 * (performance.now() - startedAt)
  const percent = ({ user, system }: NodeJS.CpuUsage): number => (100 * (user + system)) / microseconds
  const { rss, heapUsed } = process.memoryUsage()
  const gauge = (name: string, labels?: Record<string, string>): number =>
    nodes[0]!.host.metrics.value(name, labels) ?? 0
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

function wakeups(): number {
  return process.resourceUsage().voluntaryContextSwitches
}
