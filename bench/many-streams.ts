// What a subscription costs that carries nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { ManyStreamsPeer } from './many-streams-peer.ts'

/** A node can announce some four hundred streams: what makes a thousand subscriptions is several consumers of each. */
const streamCount = 250
const consumersOfEach = 4
const subscriptionCount = streamCount * consumersOfEach
/** What opening has set going is over, and its garbage can be collected. */
const settlingMs = 3_000

interface Many {
  readonly openMs: number
  readonly connections: number
  readonly producerKilobytes: number
  readonly consumerKilobytes: number
}

export const benchmark: Benchmark = {
  method: `Two processes over QUIC on loopback, one of which produces ${streamCount} streams and the other has ${consumersOfEach} consumers of each, which are ${subscriptionCount} streams of the transport. The time from the first consume() until all are subscribed, how many connections that took, and the growth of each process's resident set from just before until ${settlingMs / 1_000} s after, each after a forced collection, divided by ${subscriptionCount}. Two new processes for each run.`,
  runs: 3,
  async run({ runs, say }) {
    const all: Many[] = []
    for (let run = 0; run < runs; run++) all.push(await measure())
    const column = (of: (many: Many) => number, digits: number): string => spread(all.map(of), digits)
    say(
      table([
        ['subscriptions', 'open ms', 'connections', 'KB at the producer', 'KB at the consumer'],
        [
          String(subscriptionCount),
          column(({ openMs }) => openMs, 0),
          column(({ connections }) => connections, 0),
          column(({ producerKilobytes }) => producerKilobytes, 1),
          column(({ consumerKilobytes }) => consumerKilobytes, 1),
        ],
      ]),
    )
    return all
  },
}

async function measure(): Promise<Many> {
  const start = (): Callable<ManyStreamsPeer> =>
    new Callable<ManyStreamsPeer>('many-streams-peer.ts', ['--expose-gc'])
  await using producer = start()
  await using consumer = start()
  const addresses = await producer.call('start', [])
  await producer.call('produce', streamCount)
  await consumer.call('start', addresses)
  await sleep(settlingMs)
  const before = await Promise.all([producer.residentBytes(), consumer.residentBytes()])
  const openMs = await consumer.call('consume', streamCount, consumersOfEach)
  await sleep(settlingMs)
  const after = await Promise.all([producer.residentBytes(), consumer.residentBytes()])
  const kilobytes = (side: 0 | 1): number => (after[side] - before[side]) / subscriptionCount / 1e3
  return {
    openMs,
    connections: await consumer.call('connectionCount'),
    producerKilobytes: kilobytes(0),
    consumerKilobytes: kilobytes(1),
  }
}
