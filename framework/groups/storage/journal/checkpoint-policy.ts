/** How much waits in memory for a checkpoint until one is due. */
const CHECKPOINT_BYTES = 4 * 1024 * 1024

/** How long something waits for a checkpoint at most. */
const CHECKPOINT_AGE_MS = 1_000

/** Writers wait for a checkpoint when this much waits already. */
const BACKLOG_BYTES_MAX = 16 * 1024 * 1024

export interface CheckpointFacts {
  /** What is in the journal and not in the database, in bytes of memory. */
  readonly backlogBytes: number
  /** Since the oldest of it was written. */
  readonly ageMs: number
  /** The journal has gone on in its other file, which it can leave only when this one is checkpointed. */
  readonly hasTurned: boolean
}

/** In how many milliseconds what the journal has is to be written to the database: 0 means now. Pure. */
export function checkpointDueInMs({ backlogBytes, ageMs, hasTurned }: CheckpointFacts): number {
  if (hasTurned || backlogBytes >= CHECKPOINT_BYTES) return 0
  return Math.max(0, CHECKPOINT_AGE_MS - ageMs)
}

/** Whether the checkpoint has to catch up before more is written. Pure. */
export function mustAwaitCheckpoint(backlogBytes: number): boolean {
  return backlogBytes >= BACKLOG_BYTES_MAX
}
