// What a subscription costs that carries nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { ManyStreamsPeer } from './many-streams-peer.ts'

/** A node can announce some four hundred streams, and have some thousand links to another: three producers, and several consumers of each stream. */
const producerCount = 3
const streamCount = 125
const consumersOfEach = 8
const subscriptionCount = streamCount * consumersOfEach
/** What opening has set going is over. */
const settlingMs = 6_000
/** V8's room for new objects, which opening would make it take up to 48 MB of, is held at its smallest. */
const execArgv = ['--expose-gc', '--max-semi-space-size=1']

interface Many {
  readonly openMs: number
  readonly connections: number
  readonly producer: Memory
  /** Of the subscriptions to the first producer: with what the process takes once, to compile the code for instance. */
  readonly first: Memory
  /** Of those to the others. */
  readonly further: Memory
}

/** In bytes: of a process, or by how much that grew for each subscription. */
interface Memory {
  readonly resident: number
  readonly heap: number
}

export const benchmark: Benchmark = {
  method: `Processes over QUIC on loopback: ${producerCount} that produce ${streamCount} streams each, and one with ${consumersOfEach} consumers of each of these, which are ${subscriptionCount} streams of the transport to each producer. All definitions are made before. The time from the first consume() of the first producer's streams until all are subscribed, how many connections that took, and by how much the resident set of that producer and of the consumer, and what is in use of the JavaScript heap, grew from just before until ${settlingMs / 1_000} s after, each after a forced collection, divided by ${subscriptionCount}; then the same at the consumer for the ${(producerCount - 1) * subscriptionCount} subscriptions to the other producers. The young generation of V8 is held at its smallest (--max-semi-space-size=1): otherwise what it takes for opening hides what stays. New processes for each run.`,
  runs: 2,
  async run({ runs, say }) {
    const all: Many[] = []
    for (let run = 0; run < runs; run++) all.push(await measure())
    const column = (of: (many: Many) => number, digits: number): string => spread(all.map(of), digits)
    const row = (name: string, of: (many: Many) => Memory): string[] => [
      name,
      column((many) => of(many).resident / 1e3, 1),
      column((many) => of(many).heap / 1e3, 1),
    ]
    say(
      table([
        ['a subscription takes', 'KB', 'of it heap'],
        row(`at the producer, of ${subscriptionCount}`, ({ producer }) => producer),
        row(`at the consumer, of the first ${subscriptionCount}`, ({ first }) => first),
        row(`at the consumer, of ${(producerCount - 1) * subscriptionCount} more`, ({ further }) => further),
      ]),
    )
    say(`\nopen after ms: ${column(({ openMs }) => openMs, 0)}`)
    say(`connections to a producer: ${column(({ connections }) => connections, 0)}`)
    return all
  },
}

async function measure(): Promise<Many> {
  await using stack = new AsyncDisposableStack()
  const start = (): Callable<ManyStreamsPeer> =>
    stack.use(new Callable<ManyStreamsPeer>('many-streams-peer.ts', { execArgv }))
  const producers = Array.from({ length: producerCount }, start)
  const consumer = start()
  const addresses: string[] = []
  for (const [set, producer] of producers.entries()) {
    addresses.push(...(await producer.call('start', addresses)))
    await producer.call('define', streamCount, set)
    await producer.call('produce', set)
    await consumer.call('define', streamCount, set)
  }
  await consumer.call('start', addresses)
  await sleep(settlingMs)
  const [first] = producers
  const before = await Promise.all([first!, consumer].map(memoryOf))
  const openMs = await consumer.call('consume', consumersOfEach, 0)
  await sleep(settlingMs)
  const after = await Promise.all([first!, consumer].map(memoryOf))
  const connections = await first!.call('connectionCount')
  for (let set = 1; set < producerCount; set++) await consumer.call('consume', consumersOfEach, set)
  await sleep(settlingMs)
  const atLast = await memoryOf(consumer)
  return {
    openMs,
    // To the consumer: all others are connected as well.
    connections: connections - (producerCount - 1),
    producer: growth(before[0]!, after[0]!, subscriptionCount),
    first: growth(before[1]!, after[1]!, subscriptionCount),
    further: growth(after[1]!, atLast, (producerCount - 1) * subscriptionCount),
  }
}

function growth(before: Memory, after: Memory, count: number): Memory {
  return {
    resident: (after.resident - before.resident) / count,
    heap: (after.heap - before.heap) / count,
  }
}

async function memoryOf(peer: Callable<ManyStreamsPeer>): Promise<Memory> {
  return { heap: await peer.call('heapBytes'), resident: await peer.residentBytes() }
}
