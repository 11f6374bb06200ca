import { parentPort } from 'node:worker_threads'
import { runJob, type Job } from './job.js'

parentPort!.on('message', (job: Job) => {
  // What is thrown ends the thread, which whoever has started it notices.
  void runJob(job).then((result) => parentPort!.postMessage(result))
})
