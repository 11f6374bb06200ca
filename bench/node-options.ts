/** What `mosaik up` gives its node processes (cli/supervisor/node-arguments.ts), for what is measured in processes like them. */
export const nodeOptions = [
  '--max-semi-space-size=4',
  '--heap-growing-percent=100',
  '--invocation-count-for-maglev=100',
  '--invocation-count-for-turbofan=1000',
  '--minimum-invocations-after-ic-update=100',
]
