import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import type { WorldResult } from '../world/referee.js'
import { replayCommand, type Job } from './job.js'
import { runAll } from './pool.js'

/** Runs worlds and says what became of them. @returns 1 when an invariant was broken, 0 otherwise. */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '200' },
      minutes: { type: 'string', default: '5' },
      from: { type: 'string', default: '1' },
      fault: { type: 'string' },
      members: { type: 'string', default: 'core' },
      story: { type: 'string' },
      threads: { type: 'string', default: String(availableParallelism()) },
      trace: { type: 'string', default: '60' },
    },
  })
  const { fault, members, story } = values
  if (members !== 'core' && members !== 'production') throw new Error('--members is core or production')
  if (story !== undefined && story !== 'islands' && story !== 'reform')
    throw new Error('--story is islands or reform')
  const from = Number(values.from)
  const minutes = Number(values.minutes)
  const jobs = Array.from({ length: Number(values.seeds) }, (_, i): Job => ({
    seed: from + i,
    minutes,
    fault,
    members,
    story,
  }))
  const startedAt = performance.now()
  const results: WorldResult[] = []
  await runAll(new URL('./', import.meta.url), Number(values.threads), jobs, (job, result) => {
    results.push(result)
    if (result.violation !== undefined) report(job, result, Number(values.trace))
  })
  const seconds = (performance.now() - startedAt) / 1000
  if (jobs.length === 1) console.log(JSON.stringify({ ...results[0], traceTail: undefined }, undefined, 2))
  console.log(summary(results, minutes, seconds))
  return results.some(({ violation }) => violation !== undefined) ? 1 : 0
}

function report(job: Job, result: WorldResult, lineCount: number): void {
  const lines = lineCount === 0 ? [] : ['the last events:', ...result.traceTail.slice(-lineCount), '']
  console.log([...lines, `seed ${job.seed}: ${result.violation}`, `  ${replayCommand(job)}`, ''].join('\n'))
}

function summary(results: readonly WorldResult[], minutes: number, seconds: number): string {
  const sum = (of: (result: WorldResult) => number): string =>
    results.reduce((total, result) => total + of(result), 0).toLocaleString('en')
  const violationCount = results.filter(({ violation }) => violation !== undefined).length
  return [
    `${results.length} seeds of ${minutes} simulated minutes in ${seconds.toFixed(1)} s:`,
    `${violationCount} violations, ${sum(({ isStalled }) => Number(isStalled))} stalled;`,
    `${sum(({ eventCount }) => eventCount)} events,`,
    `${sum(({ completedCount }) => completedCount)} operations done and ${sum(({ unknownCount }) => unknownCount)} unknown,`,
    `${sum(({ committedIndex }) => committedIndex)} entries committed in ${sum(({ lastTerm }) => lastTerm)} terms`,
  ].join(' ')
}
