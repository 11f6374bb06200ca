// What a subscription costs that carries nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { ManyStreamsPeer } from './many-streams-peer.ts'

/** A node can announce some four hundred streams: what makes a thousand subscriptions is several consumers of each. */
const streamCount = 250
const consumersOfEach = 4
const subscriptionCount = streamCount * consumersOfEach
/**
 * What opening has set going is over, and V8 has given back most of the room that it had taken for new objects, which it
 * does only when little was allocated for some ten seconds.
 */
const settlingMs = 15_000

interface Many {
  readonly openMs: number
  readonly connections: number
  readonly producer: Memory
  readonly consumer: Memory
}

/** In bytes: of a process, or by how much that grew for each subscription. */
interface Memory {
  readonly resident: number
  readonly heap: number
}

export const benchmark: Benchmark = {
  method: `Two processes over QUIC on loopback, one of which produces ${streamCount} streams and the other has ${consumersOfEach} consumers of each, which are ${subscriptionCount} streams of the transport. The time from the first consume() until all are subscribed, how many connections that took, and by how much the resident set of each process, and what is in use of its JavaScript heap, grew from just before until ${settlingMs / 1_000} s after, each after a forced collection, divided by ${subscriptionCount}. Two new processes for each run.`,
  runs: 3,
  async run({ runs, say }) {
    const all: Many[] = []
    for (let run = 0; run < runs; run++) all.push(await measure())
    const column = (of: (many: Many) => number, digits: number): string => spread(all.map(of), digits)
    say(
      table([
        ['subscriptions', 'open ms', 'connections', 'producer KB', 'of it heap', 'consumer KB', 'of it heap'],
        [
          String(subscriptionCount),
          column(({ openMs }) => openMs, 0),
          column(({ connections }) => connections, 0),
          column(({ producer }) => producer.resident / 1e3, 1),
          column(({ producer }) => producer.heap / 1e3, 1),
          column(({ consumer }) => consumer.resident / 1e3, 1),
          column(({ consumer }) => consumer.heap / 1e3, 1),
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
  const before = await Promise.all([producer, consumer].map(memoryOf))
  const openMs = await consumer.call('consume', streamCount, consumersOfEach)
  await sleep(settlingMs)
  const after = await Promise.all([producer, consumer].map(memoryOf))
  const growth = (side: 0 | 1): Memory => ({
    resident: (after[side]!.resident - before[side]!.resident) / subscriptionCount,
    heap: (after[side]!.heap - before[side]!.heap) / subscriptionCount,
  })
  return {
    openMs,
    connections: await consumer.call('connectionCount'),
    producer: growth(0),
    consumer: growth(1),
  }
}

async function memoryOf(peer: Callable<ManyStreamsPeer>): Promise<Memory> {
  return { heap: await peer.call('heapBytes'), resident: await peer.residentBytes() }
}
