// How much memory a producer takes while a consumer reads nothing.
import { type Benchmark, median, spread } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { Offer, SlowConsumerPeer, SlowConsumerReport } from './slow-consumer-peer.ts'

const totalBytes = 2 ** 30
const ways: readonly Pick<Offer, 'overflow' | 'by'>[] = [
  { overflow: 'block', by: 'send' },
  { overflow: 'block', by: 'trySend' },
  { overflow: 'drop-oldest', by: 'trySend' },
  { overflow: 'drop-newest', by: 'trySend' },
]

export const benchmark: Benchmark = {
  method: `A producer process offers ${totalBytes / 2 ** 20} MiB in datums of 1 KiB and 64 KiB to a consumer in another process that subscribes and never takes a datum: under the default policy with send() and a deadline of 2 ms for up to 256 datums or 1 MiB at a time, and with trySend() under each policy that does not end the subscription. Growth is the highest resident set size sampled every 5 ms minus the one before the first datum, after a forced collection. The young generation of V8 is held at its smallest (--max-semi-space-size=1): otherwise it takes some 20 MiB while anything makes garbage quickly, as the benchmark does with its million promises. A process of its own for each measurement.`,
  runs: 3,
  async run({ runs, say }) {
    const results = []
    for (const way of ways) {
      for (const datumBytes of [1024, 64 * 1024]) {
        const figures: number[] = []
        for (let run = 0; run < runs; run++) {
          const { growthBytes, sentCount, refusedCount } = await measure({ ...way, datumBytes, totalBytes })
          figures.push(growthBytes / 2 ** 20)
          if (run === 0) say(`${sentCount} datums accepted, ${refusedCount} refused or withdrawn`)
        }
        results.push({ ...way, datumBytes, growthMebibytes: median(figures), figures })
        const name = `${way.overflow}, ${way.by}`.padEnd(20)
        say(`${name} ${String(datumBytes).padStart(6)} B   growth ${spread(figures, 1)} MiB\n`)
      }
    }
    return results
  },
}

async function measure(offer: Offer): Promise<SlowConsumerReport> {
  await using consumer = new Callable<SlowConsumerPeer>('slow-consumer-peer.ts')
  const flags = ['--expose-gc', '--max-semi-space-size=1']
  await using producer = new Callable<SlowConsumerPeer>('slow-consumer-peer.ts', { execArgv: flags })
  return await producer.call('offer', await consumer.call('consume'), offer)
}
