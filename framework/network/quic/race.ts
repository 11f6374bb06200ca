/**
 * Waits for native work, which takes no signal, until the signal aborts. The work itself cannot be called off: when it
 * succeeds too late, its result goes to `discard`, and its failure is of no interest.
 *
 * @throws The signal's reason, or what the work failed with.
 */
export function raceNative<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  discard: (late: T) => void,
): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    let given = false
    const onAbort = (): void => {
      given = true
      reject(signal.reason as Error)
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    work.then(
      (result) => {
        signal.removeEventListener('abort', onAbort)
        if (given) discard(result)
        else resolve(result)
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort)
        reject(error as Error)
      },
    )
  })
}
