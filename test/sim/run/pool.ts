import { Worker } from 'node:worker_threads'
import type { WorldResult } from '../world/world.js'
import type { Job } from './job.js'

/**
 * Runs the jobs on as many threads, and hands over each result as soon as it is there, in no order.
 *
 * @param script Of a worker that answers every job with its result.
 */
export async function runAll(
  script: URL,
  threadCount: number,
  jobs: readonly Job[],
  onResult: (job: Job, result: WorldResult) => void,
): Promise<void> {
  const waiting = [...jobs]
  const threads = Array.from({ length: Math.min(threadCount, jobs.length) }, async () => {
    const worker = new Worker(script)
    try {
      for (let job = waiting.shift(); job; job = waiting.shift()) onResult(job, await resultOf(worker, job))
    } finally {
      await worker.terminate()
    }
  })
  await Promise.all(threads)
}

function resultOf(worker: Worker, job: Job): Promise<WorldResult> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      reject(new Error(`the simulator failed in seed ${job.seed}`, { cause: error }))
    }
    worker.once('error', onError)
    worker.once('message', (result: WorldResult) => {
      worker.off('error', onError)
      resolve(result)
    })
    worker.postMessage(job)
  })
}
