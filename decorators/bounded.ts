import type { Clock } from '#framework/primitives'

/**
 * Runs what a user wrote, for so long and no longer. Resolves with whether it ended in time; rejects with what it threw
 * in time. What it does after that is nobody's any more: a late rejection is dropped.
 */
export async function within(
  clock: Clock,
  timeoutMs: number,
  run: (signal: AbortSignal) => Promise<unknown>,
): Promise<boolean> {
  const deadline = clock.deadline(timeoutMs)
  const late = new Promise<boolean>((resolve) => {
    deadline.signal.addEventListener('abort', () => resolve(false), { once: true })
  })
  try {
    return await Promise.race([run(deadline.signal).then(() => true), late])
  } finally {
    deadline.cancel()
  }
}
