/**
 * Waits for work that cannot be called off, or that others share, until the signal aborts. When the work succeeds too
 * late its result goes to `discard`; its late failure is of no interest.
 *
 * @throws The signal's reason, or what the work failed with.
 */
export function raceSignal<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  discard: (late: T) => void = () => {},
): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    let isGivenUp = false
    const onAbort = (): void => {
      isGivenUp = true
      reject(signal.reason as Error)
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    work.then(
      (result) => {
        signal.removeEventListener('abort', onAbort)
        if (isGivenUp) discard(result)
        else resolve(result)
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort)
        reject(error as Error)
      },
    )
  })
}
