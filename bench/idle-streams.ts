// What producers and consumers cost a node's processor while nothing is sent.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { ManyStreamsPeer } from './many-streams-peer.ts'

const streamCount = 100
/** Each of the two nodes is subscribed to itself and to the other one, and sees both ends of its own subscriptions. */
const endCount = 4 * streamCount
const settlingMs = 5_000
const observedSeconds = 30

interface IdleStreams {
  readonly withoutPercent: number
  readonly withPercent: number
}

export const benchmark: Benchmark = {
  method: `Two processes over QUIC on loopback, each with ${streamCount} producers and ${streamCount} consumers of the same streams: ${endCount} ends of subscriptions in each, half of them within the process. The processor time of one of them over all threads as a part of one core, observed for ${observedSeconds} s (--seconds) from ${settlingMs / 1_000} s after they had connected, and again from ${settlingMs / 1_000} s after they had subscribed. Two new processes for each run.`,
  runs: 3,
  async run({ runs, seconds = observedSeconds, say }) {
    const all: IdleStreams[] = []
    for (let run = 0; run < runs; run++) all.push(await measure(seconds))
    const column = (of: (idle: IdleStreams) => number): string => spread(all.map(of), 3)
    say(
      table([
        ['', 'CPU %'],
        ['without streams', column(({ withoutPercent }) => withoutPercent)],
        [`with ${endCount} ends of subscriptions`, column(({ withPercent }) => withPercent)],
        ['difference', column(({ withoutPercent, withPercent }) => withPercent - withoutPercent)],
      ]),
    )
    return all
  },
}

async function measure(seconds: number): Promise<IdleStreams> {
  await using other = new Callable<ManyStreamsPeer>('many-streams-peer.ts')
  await using observed = new Callable<ManyStreamsPeer>('many-streams-peer.ts')
  await observed.call('start', await other.call('start', []))
  const withoutPercent = await percentOfACore(observed, seconds)
  const both = [other, observed]
  for (const peer of both) {
    await peer.call('define', streamCount)
    await peer.call('produce')
  }
  await Promise.all(both.map((peer) => peer.call('consume', 1)))
  const withPercent = await percentOfACore(observed, seconds)
  const connected = await observed.call('connectedEndCount')
  if (connected !== endCount)
    throw new Error(`${connected} ends of subscriptions were connected, not ${endCount}`)
  return { withoutPercent, withPercent }
}

async function percentOfACore(peer: Callable<ManyStreamsPeer>, seconds: number): Promise<number> {
  await sleep(settlingMs)
  const before = await peer.cpuSeconds()
  await sleep(seconds * 1_000)
  return ((await peer.cpuSeconds()) - before) / (seconds / 100)
}
