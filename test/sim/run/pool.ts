import type { WorldResult } from '../world/referee.js'
import type { Job } from './job.js'
import { SimThread } from './thread.js'

/**
 * Runs the jobs on as many threads, and hands over each result as soon as it is there, in no order.
 *
 * @param folder Of the bundle.
 */
export async function runAll(
  folder: URL,
  threadCount: number,
  jobs: readonly Job[],
  onResult: (job: Job, result: WorldResult) => void,
): Promise<void> {
  const waiting = [...jobs]
  const threads = Array.from({ length: Math.min(threadCount, jobs.length) }, async () => {
    await using thread = new SimThread(folder)
    for (let job = waiting.shift(); job; job = waiting.shift()) onResult(job, await thread.run(job))
  })
  await Promise.all(threads)
}
