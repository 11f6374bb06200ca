/** How many threads the runtime of QUIC (tokio) has; without it, one for each processor of the machine. */
const quicThreads = 'TOKIO_WORKER_THREADS'

/** Of the machine that the node processes of a run share. */
export interface SharedMachine {
  /** What may run at the same time. */
  readonly processors: number
  /** How many node processes there are. */
  readonly processes: number
}

/**
 * The environment of node processes: that of this process, and no more threads for QUIC than there are processors for. Each
 * node process needs one for JavaScript, and QUIC gets what is left of its share. Threads beyond that hand packets to each other
 * and wake each other for it, which takes the processor from whoever has work. `docs/performance.md` has figures.
 *
 * @param environment Of this process. What it says of these threads itself stays.
 */
export function nodeEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  { processors, processes }: SharedMachine,
): Record<string, string | undefined> {
  const share = Math.floor(processors / Math.max(1, processes))
  return { [quicThreads]: String(Math.max(1, share - 1)), ...environment }
}
