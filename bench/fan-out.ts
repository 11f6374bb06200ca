// What a producer with eight consumers delivers in all, beside one with one.
import { type Benchmark, median, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { FanOutPeer } from './fan-out-peer.ts'
import { nodeOptions } from './node-options.ts'

const roundMs = 2_000
const size = 128
const consumerCounts = [1, 8]

export const benchmark: Benchmark = {
  method: `A producer process and 1 or 8 consumer processes over QUIC on loopback, with the options and threads that node processes have; the two networks take turns in each run. Datums of ${size} B, "block", consumers take batches. Each measurement sends for ${roundMs} ms and stops the clock when all consumers have confirmed everything; deliveries are datums times consumers. CPU is that of the producer, in seconds per million deliveries. First run not counted.`,
  runs: 5,
  async run({ runs, say }) {
    await using stack = new AsyncDisposableStack()
    const cases = []
    for (const consumers of consumerCounts) {
      const producer = stack.use(await network(stack, consumers))
      cases.push({ consumers, producer, deliveries: [] as number[], cpu: [] as number[] })
    }
    for (let run = -1; run < runs; run++) {
      for (const { consumers, producer, deliveries, cpu } of cases) {
        const before = await producer.cpuSeconds()
        const { count, seconds } = await producer.call('send', {
          size,
          ms: roundMs,
          take: 'batches',
          encoded: false,
        })
        if (run < 0) continue
        deliveries.push((count * consumers) / seconds)
        cpu.push((1e6 * ((await producer.cpuSeconds()) - before)) / (count * consumers))
      }
    }
    const toOne = median(cases[0]!.deliveries)
    const ratio = ({ deliveries }: { readonly deliveries: readonly number[] }): number =>
      median(deliveries) / toOne
    say(
      table([
        ['consumers', 'deliveries/s', 'producer CPU s/M', 'of 1 → 1'],
        ...cases.map((each) => [
          String(each.consumers),
          spread(each.deliveries),
          spread(each.cpu, 2),
          ratio(each).toFixed(2),
        ]),
      ]),
    )
    return cases.map((each) => ({
      consumers: each.consumers,
      deliveries: each.deliveries,
      cpu: each.cpu,
      ratio: ratio(each),
    }))
  },
}

async function network(stack: AsyncDisposableStack, consumers: number): Promise<Callable<FanOutPeer>> {
  const options = nodeOptions(1 + consumers)
  const producer = new Callable<FanOutPeer>('fan-out-peer.ts', options)
  const addresses = await producer.call('produce')
  for (let i = 0; i < consumers; i++) {
    await stack.use(new Callable<FanOutPeer>('fan-out-peer.ts', options)).call('consume', addresses)
  }
  return producer
}
