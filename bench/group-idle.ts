// What groups in which nothing happens cost a node.
import type { PeerId } from '#framework/primitives'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { GroupIdlePeer } from './group-idle-peer.ts'

const groupCount = 100
const memberCount = 3
const settlingMs = 15_000
const observedSeconds = 60

/** Of one process. */
interface IdleGroups {
  readonly ledCount: number
  readonly withoutPercent: number
  readonly withPercent: number
  readonly kibibytesPerGroup: number
}

export const benchmark: Benchmark = {
  method: `${memberCount} processes over QUIC on loopback, each with one node; and then with ${groupCount} groups of which all of them are members, in memory, with the default timing. Processor time of each over all threads as a part of one core, observed for ${observedSeconds} s (--seconds) from ${settlingMs / 1_000} s after they had connected, and again from ${settlingMs / 1_000} s after all groups had a leader; memory (RSS) after a collection of garbage, before and after, for each group. New processes for each run.`,
  runs: 2,
  async run({ runs, seconds = observedSeconds, say }) {
    const all: IdleGroups[] = []
    for (let run = 0; run < runs; run++) all.push(...(await measure(seconds)))
    const column = (of: (idle: IdleGroups) => number, digits: number): string => spread(all.map(of), digits)
    say(
      table([
        ['of each process', 'median'],
        ['groups that it leads', column(({ ledCount }) => ledCount, 0)],
        ['CPU % without groups', column(({ withoutPercent }) => withoutPercent, 2)],
        [`CPU % with ${groupCount} groups`, column(({ withPercent }) => withPercent, 2)],
        ['difference', column(({ withoutPercent, withPercent }) => withPercent - withoutPercent, 2)],
        ['RSS for each group, KiB', column(({ kibibytesPerGroup }) => kibibytesPerGroup, 0)],
      ]),
    )
    return all
  },
}

async function measure(seconds: number): Promise<readonly IdleGroups[]> {
  await using stack = new AsyncDisposableStack()
  const peers = Array.from({ length: memberCount }, () =>
    stack.use(new Callable<GroupIdlePeer>('group-idle-peer.ts', { execArgv: ['--expose-gc'] })),
  )
  let addresses: readonly string[] = []
  const founders: PeerId[] = []
  for (const peer of peers) {
    const own = await peer.call('start', addresses)
    addresses = [...addresses, ...own.addresses]
    founders.push(own.peer)
  }
  const withoutPercents = await percentsOfACore(peers, seconds)
  const withoutBytes = await Promise.all(peers.map((peer) => peer.residentBytes()))
  await Promise.all(peers.map((peer) => peer.call('join', groupCount, founders)))
  const withPercents = await percentsOfACore(peers, seconds)
  // Collecting garbage may take as long as leaders may be silent, on a busy machine: so the last.
  const led = await Promise.all(peers.map((peer) => peer.call('ledCount')))
  const withBytes = await Promise.all(peers.map((peer) => peer.residentBytes()))
  return peers.map((_, place) => ({
    ledCount: led[place]!,
    withoutPercent: withoutPercents[place]!,
    withPercent: withPercents[place]!,
    kibibytesPerGroup: (withBytes[place]! - withoutBytes[place]!) / groupCount / 1_024,
  }))
}

async function percentsOfACore(
  peers: readonly Callable<GroupIdlePeer>[],
  seconds: number,
): Promise<readonly number[]> {
  await sleep(settlingMs)
  const before = await Promise.all(peers.map((peer) => peer.cpuSeconds()))
  await sleep(seconds * 1_000)
  const after = await Promise.all(peers.map((peer) => peer.cpuSeconds()))
  return peers.map((_, place) => (after[place]! - before[place]!) / (seconds / 100))
}
