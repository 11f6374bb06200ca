// How much memory a producer takes while a consumer reads nothing.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Benchmark, median, spread } from './benchmark.ts'
import type { SlowConsumerReport } from './slow-consumer-peer.ts'

const offeredBytes = 2 ** 30

export const benchmark: Benchmark = {
  method: `A producer process offers ${offeredBytes / 2 ** 20} MiB in datums of 1 KiB and 64 KiB to a consumer in another process that subscribes and never takes a datum, once per overflow policy that does not wait or end the subscription, and with trySend under "block". Growth is the highest resident set size sampled every 5 ms minus the one before the first datum, after a forced collection. A process of its own for each measurement.`,
  runs: 3,
  async run({ runs, say }) {
    const results: { policy: string; datumBytes: number; growthMebibytes: number; figures: number[] }[] = []
    for (const policy of ['block', 'drop-oldest', 'drop-newest'] as const) {
      for (const datumBytes of [1024, 64 * 1024]) {
        const figures: number[] = []
        for (let run = 0; run < runs; run++) {
          const { growthBytes, sentCount, refusedCount } = await measure(policy, datumBytes)
          figures.push(growthBytes / 2 ** 20)
          if (run === 0)
            say(`${policy}, ${datumBytes} B: ${sentCount} datums accepted, ${refusedCount} refused`)
        }
        results.push({ policy, datumBytes, growthMebibytes: median(figures), figures })
        say(`${policy.padEnd(12)} ${String(datumBytes).padStart(6)} B   growth ${spread(figures, 1)} MiB\n`)
      }
    }
    return results
  },
}

async function measure(policy: string, datumBytes: number): Promise<SlowConsumerReport> {
  const entry = fileURLToPath(new URL('./slow-consumer-peer.ts', import.meta.url))
  const consumer = fork(entry, ['consumer'])
  try {
    const [addresses] = (await once(consumer, 'message')) as [readonly string[]]
    const producer = fork(
      entry,
      ['producer', policy, String(datumBytes), String(offeredBytes), ...addresses],
      { execArgv: ['--expose-gc'] },
    )
    const [report] = (await once(producer, 'message')) as [SlowConsumerReport]
    producer.kill('SIGKILL')
    return report
  } finally {
    consumer.kill('SIGKILL')
  }
}
