// What it takes until a program can use mosaik.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Benchmark, spread, table } from './benchmark.ts'

const run = promisify(execFile)
const timeout = 30_000
const probe = fileURLToPath(new URL('./startup-probe.mjs', import.meta.url))
const mosaik = fileURLToPath(new URL('../bin/mosaik.js', import.meta.url))

interface Probed {
  readonly importMs: number
  readonly nodeMs: number
  readonly readyMs: number
  readonly importedBytes: number
  readonly readyBytes: number
}

export const benchmark: Benchmark = {
  method: `A process for each figure, one after the other and the kinds in turn: an empty program of Node (wall time); a program that imports mosaik and starts a node without services on QUIC and TCP (times within the process; "ready" counts from its beginning), as it is and with Node's cache of compiled code (NODE_COMPILE_CACHE); and \`mosaik --version\` (wall time; it uses that cache by itself). First run not counted: it fills the caches.`,
  runs: 15,
  async run({ runs, say }) {
    const cache = await mkdtemp(join(tmpdir(), 'mosaik-bench-'))
    const results = {
      emptyMs: [] as number[],
      plain: [] as Probed[],
      cached: [] as Probed[],
      versionMs: [] as number[],
    }
    try {
      for (let i = -1; i < runs; i++) {
        const figures = {
          emptyMs: await wallTime(['--eval', '']),
          plain: await probeWith({}),
          cached: await probeWith({ NODE_COMPILE_CACHE: cache }),
          versionMs: await wallTime([mosaik, '--version']),
        }
        if (i < 0) continue
        results.emptyMs.push(figures.emptyMs)
        results.plain.push(figures.plain)
        results.cached.push(figures.cached)
        results.versionMs.push(figures.versionMs)
      }
    } finally {
      await rm(cache, { recursive: true, force: true })
    }
    const { plain, cached } = results
    const row = (name: string, of: (probed: Probed) => number): string[] => [
      name,
      spread(plain.map(of)),
      spread(cached.map(of)),
    ]
    say(
      table([
        ['', 'plain', 'with compiled code kept'],
        row('import mosaik, ms', ({ importMs }) => importMs),
        row('start a node, ms', ({ nodeMs }) => nodeMs),
        row('ready since the process began, ms', ({ readyMs }) => readyMs),
        row('RSS when imported, MiB', ({ importedBytes }) => importedBytes / 2 ** 20),
        row('RSS when ready, MiB', ({ readyBytes }) => readyBytes / 2 ** 20),
        ['mosaik --version, ms', '', spread(results.versionMs)],
        ['an empty program, ms', spread(results.emptyMs), ''],
      ]),
    )
    return results
  },
}

async function wallTime(args: readonly string[]): Promise<number> {
  const startedAt = performance.now()
  await run(process.execPath, [...args], { timeout })
  return performance.now() - startedAt
}

async function probeWith(environment: Readonly<Record<string, string>>): Promise<Probed> {
  const env = { ...process.env, ...environment }
  const { stdout } = await run(process.execPath, [probe], { timeout, env })
  return JSON.parse(stdout) as Probed
}
