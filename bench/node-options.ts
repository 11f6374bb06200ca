import { availableParallelism } from 'node:os'
import type { ProcessOptions } from './calls.ts'

/**
 * What `mosaik up` gives its node processes (cli/supervisor/node-arguments.ts and node-environment.ts), for what is measured
 * in processes like them.
 *
 * @param processes How many of them share the machine.
 */
export function nodeOptions(processes: number): ProcessOptions {
  const share = Math.floor(availableParallelism() / processes)
  return {
    execArgv: [
      '--max-semi-space-size=4',
      '--heap-growing-percent=100',
      '--invocation-count-for-maglev=100',
      '--invocation-count-for-turbofan=1000',
      '--minimum-invocations-after-ic-update=100',
    ],
    env: { TOKIO_WORKER_THREADS: String(Math.max(1, share - 1)) },
  }
}
