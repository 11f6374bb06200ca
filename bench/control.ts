// What a request takes beside a stream that sends all it can over the same connection.
import { type Benchmark, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import type { ControlPeer } from './control-peer.ts'
import type { Percentiles } from './samples.ts'

const defaultSeconds = 3

export const benchmark: Benchmark = {
  method: `Two processes on loopback with one connection. On a link of its own one request of a few bytes at a time, answered at once, with 5 ms between an answer and the next: for ${defaultSeconds} s (--seconds) alone, then as long beside a stream of 1 KiB datums that is sent as fast as the consumer takes it. Milliseconds; of each run the median, the 99th percentile and the longest. First run not counted.`,
  runs: 5,
  async run({ runs, seconds = defaultSeconds, say }) {
    const rows = [['', 'p50 ms', 'p99 ms', 'max ms', 'MB/s beside it', 'connections']]
    const results = []
    for (const transport of ['quic', 'tls'] as const) {
      await using server = new Callable<ControlPeer>('control-peer.ts')
      await using asker = new Callable<ControlPeer>('control-peer.ts')
      await asker.call('connect', transport, await server.call('serve', transport))
      const alone: Percentiles[] = []
      const beside: Percentiles[] = []
      const megabytes: number[] = []
      for (let run = -1; run < runs; run++) {
        const quiet = await asker.call('ask', seconds * 1_000)
        await asker.call('saturate')
        const busy = await asker.call('ask', seconds * 1_000)
        const bytes = await asker.call('rest')
        if (run < 0) continue
        alone.push(quiet)
        beside.push(busy)
        megabytes.push(bytes / 1e6 / seconds)
      }
      const connections = await asker.call('connectionCount')
      results.push({ transport, connections, alone, beside, megabytes })
      rows.push(
        [`${transport}, alone`, ...columns(alone), '', String(connections)],
        [`${transport}, beside a stream`, ...columns(beside), spread(megabytes), String(connections)],
      )
    }
    say(table(rows))
    return results
  },
}

function columns(all: readonly Percentiles[]): string[] {
  return [
    spread(
      all.map(({ p50 }) => p50),
      2,
    ),
    spread(
      all.map(({ p99 }) => p99),
      2,
    ),
    spread(
      all.map(({ max }) => max),
      1,
    ),
  ]
}
