import { Worker } from 'node:worker_threads'
import type { WorldResult } from '../world/referee.js'
import type { Job } from './job.js'

/** Four times the default: worlds make much garbage that dies young, and collecting it took a tenth of their time. */
const resourceLimits = { maxYoungGenerationSizeMb: 64 }

/** A worker thread that runs worlds, one at a time. If the simulator itself fails, the next world gets another thread. */
export class SimThread implements AsyncDisposable {
  readonly #script: URL
  #worker: Worker | undefined

  /** @param folder Of the bundle. */
  constructor(folder: URL) {
    this.#script = new URL('worker.mjs', folder)
  }

  run(job: Job): Promise<WorldResult> {
    const worker = (this.#worker ??= new Worker(this.#script, { resourceLimits }))
    return new Promise((resolve, reject) => {
      const onError = (error: Error): void => {
        this.#worker = undefined
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate()
  }
}
