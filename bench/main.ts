// npm run bench -- <name> [--runs n] [--nodes n,n…] [--seconds n] [--transport quic|tls] [--json]
// Benchmarks print the machine, the commit and the method with every figure. They are never part of the tests.
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import type { Benchmark } from './benchmark.ts'
import { transports } from './transports.ts'

const names = [
  'up',
  'codec',
  'stream',
  'fan-out',
  'latency',
  'control',
  'slow-consumer',
  'many-streams',
  'idle-streams',
  'raft-core',
  'group-storage',
  'group-catch-up',
  'groups',
  'group-failover',
  'group-idle',
  'discover',
  'join',
  'rest',
  'idle',
  'startup',
] as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string' },
    nodes: { type: 'string' },
    seconds: { type: 'string' },
    transport: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const name = names.find((known) => known === positionals[0])
if (name === undefined) {
  console.error(
    `usage: npm run bench -- <${names.join(' | ')}> [--runs n] [--nodes n,n…] [--seconds n] [--transport quic|tls] [--json]`,
  )
  process.exit(2)
}

const { benchmark } = (await import(`./${name}.ts`)) as { benchmark: Benchmark }
const [runs = benchmark.runs] = wholeNumbers('runs')
const nodes = wholeNumbers('nodes')
const [seconds] = wholeNumbers('seconds')
const transport = transports.find((known) => known === values.transport)
if (values.transport !== undefined && transport === undefined) {
  console.error(`--transport takes ${transports.join(' or ')}, not "${values.transport}"`)
  process.exit(2)
}

const context = {
  benchmark: name,
  machine: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown core'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${process.arch}`,
  node: process.version,
  commit: commit(),
  method: benchmark.method,
  runs,
}
const say = (text: string): void => {
  if (!values.json) console.log(text)
}
say(`${context.machine}, Node ${context.node}, commit ${context.commit}, ${runs} runs\n${context.method}\n`)
const minutesMax = benchmark.minutesMax ?? 30
setTimeout(() => {
  console.error(`the benchmark is not over after ${minutesMax} minutes`)
  process.exit(1)
}, minutesMax * 60_000).unref()
const result = await benchmark.run({
  runs,
  say,
  ...(nodes.length > 0 && { nodes }),
  ...(seconds !== undefined && { seconds }),
  ...(transport !== undefined && { transport }),
})
if (values.json) console.log(JSON.stringify({ ...context, result }))

function wholeNumbers(option: 'runs' | 'nodes' | 'seconds'): number[] {
  const texts = values[option]?.split(',') ?? []
  const numbers = texts.map(Number)
  if (numbers.every((number) => Number.isInteger(number) && number > 0)) return numbers
  console.error(`--${option} takes a whole number above zero, not "${values[option]}"`)
  process.exit(2)
}

function commit(): string {
  try {
    const head = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
    const dirty =
      execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], { encoding: 'utf8' }) !== ''
    return dirty ? `${head} with changes` : head
  } catch {
    return 'unknown'
  }
}
