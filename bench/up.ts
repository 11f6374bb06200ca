// How long it takes from typing `mosaik up` to a network in which every declared edge is up.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Benchmark, median, spread } from './benchmark.ts'

const deadlineMs = 30_000

export const benchmark: Benchmark = {
  method:
    'Wall time from spawning the process `mosaik up apps/telemetry/mosaik.yaml --json` until it prints "converged" (4 node processes, every edge of the graph observed by its consumer); then SIGINT, and the time until it has exited. First run not counted.',
  runs: 7,
  async run({ runs, say }) {
    const convergedMs: number[] = []
    const stoppedMs: number[] = []
    for (let run = -1; run < runs; run++) {
      const figures = await measure()
      if (run < 0) continue
      convergedMs.push(figures.convergedMs)
      stoppedMs.push(figures.stoppedMs)
      say(
        `run ${run + 1}: converged after ${figures.convergedMs.toFixed(0)} ms, stopped ${figures.stoppedMs.toFixed(0)} ms after SIGINT`,
      )
    }
    say(`\nmedian: converged ${spread(convergedMs)} ms, stopped ${spread(stoppedMs)} ms`)
    return {
      convergedMs,
      convergedMsMedian: median(convergedMs),
      stoppedMs,
      stoppedMsMedian: median(stoppedMs),
    }
  },
}

async function measure(): Promise<{ convergedMs: number; stoppedMs: number }> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['bin/mosaik.js', 'up', 'apps/telemetry/mosaik.yaml', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const deadline = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.includes('"event":"converged"')) continue
      const convergedAt = performance.now()
      child.stdout.resume()
      child.kill('SIGINT')
      const [code] = (await exited) as [number | null]
      if (code !== 0) throw new Error(`mosaik up ended with ${code}`)
      return { convergedMs: convergedAt - startedAt, stoppedMs: performance.now() - convergedAt }
    }
    throw new Error('mosaik up ended before it converged')
  } finally {
    clearTimeout(deadline)
  }
}
