// npm run bench -- <name> [--runs n] [--json]
// Benchmarks print the machine, the commit and the method with every figure. They are never part of the tests.
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import type { Benchmark } from './benchmark.ts'

const names = ['up', 'stream', 'slow-consumer'] as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string' }, json: { type: 'boolean', default: false } },
})
const name = names.find((known) => known === positionals[0])
if (name === undefined) {
  console.error(`usage: npm run bench -- <${names.join(' | ')}> [--runs n] [--json]`)
  process.exit(2)
}

const { benchmark } = (await import(`./${name}.ts`)) as { benchmark: Benchmark }
const runs = values.runs === undefined ? benchmark.runs : Number(values.runs)
if (!Number.isInteger(runs) || runs < 1) {
  console.error(`--runs takes a whole number above zero, not "${values.runs}"`)
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
const result = await benchmark.run({ runs, say })
if (values.json) console.log(JSON.stringify({ ...context, result }))

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
