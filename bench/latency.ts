// How long a datum takes from send() to the consumer's application when there is time.
import { type Benchmark, median, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { LatencyPeer } from './latency-peer.ts'
import { nodeOptions } from './node-options.ts'
import type { Percentiles } from './samples.ts'

const defaultSeconds = 3
const file = 'latency-peer.ts'

export const benchmark: Benchmark = {
  method: `Two processes on loopback with the options and threads that node processes have, 1000 datums of 128 B a second for ${defaultSeconds} s (--seconds), each stamped before send() and again when the consumer's loop has it, by the machine's monotonic clock. Beside it in turn, over one bare libp2p stream of the same transport, as many echoes of as many bytes: half of a round trip, and by the same clock the way there alone. Half of a 99th percentile is not that of a way, because what is slow is rarely slow both ways: compare that of the way there. Microseconds; of each run the median and the 99th percentile. First run not counted.`,
  runs: 5,
  async run({ runs, seconds = defaultSeconds, say }) {
    await using stack = new AsyncDisposableStack()
    const cases = []
    for (const transport of ['quic', 'tls'] as const) {
      const start = (): Callable<LatencyPeer> => stack.use(new Callable<LatencyPeer>(file, nodeOptions(2)))
      const [echoer, asker, consumer, producer] = [start(), start(), start(), start()]
      await asker.call('openEcho', transport, await echoer.call('echo', transport))
      await producer.call('produce', transport, await consumer.call('consume', transport))
      const peers = { echoer, asker, consumer, producer }
      cases.push({ transport, peers, halves: noSamples(), ways: noSamples(), datums: noSamples() })
    }
    for (let run = -1; run < runs; run++) {
      for (const { peers, halves, ways, datums } of cases) {
        const { echoer, asker, consumer, producer } = peers
        await echoer.call('takeSamples')
        const echo = await asker.call('measureEcho', seconds * 1_000)
        const way = await echoer.call('takeSamples')
        await consumer.call('takeSamples')
        await producer.call('measureStream', seconds * 1_000)
        const datum = await consumer.call('takeSamples')
        if (run < 0) continue
        add(halves, { ...echo, p50: echo.p50 / 2, p99: echo.p99 / 2 })
        add(ways, way)
        add(datums, datum)
      }
    }
    say(
      table([
        ['', 'half an echo p50 µs', 'bare way p50', 'p99', 'datum p50', 'p99', 'over half an echo'],
        ...cases.map(({ transport, halves, ways, datums }) => [
          transport,
          spread(halves.p50),
          spread(ways.p50),
          spread(ways.p99),
          spread(datums.p50),
          spread(datums.p99),
          (median(datums.p50) - median(halves.p50)).toFixed(0),
        ]),
      ]),
    )
    return cases.map(({ transport, halves, ways, datums }) => ({ transport, halves, ways, datums }))
  },
}

interface Samples {
  readonly p50: number[]
  readonly p99: number[]
}

function noSamples(): Samples {
  return { p50: [], p99: [] }
}

function add(samples: Samples, { p50, p99 }: Percentiles): void {
  samples.p50.push(p50)
  samples.p99.push(p99)
}
