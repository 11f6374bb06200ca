import { Patience } from './patience.js'

const POLL_MS_MIN = 1
const POLL_MS_MAX = 25

/**
 * Polls a condition on the event loop until it holds: until `fn` neither throws, nor returns or resolves to false. A
 * function that only makes assertions will do.
 *
 * @param options.timeoutMs Default 5000, as {@link Patience} counts them.
 * @throws What `fn` threw last, or an error that quotes it, when it does not hold in time.
 */
export async function eventually(
  fn: () => boolean | void | Promise<boolean | void>,
  { timeoutMs = 5_000 }: { timeoutMs?: number } = {},
): Promise<void> {
  using patience = new Patience(timeoutMs)
  let reason: unknown = new Error(`not true within ${timeoutMs} ms: ${fn.toString()}`)
  for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(2 * pollMs, POLL_MS_MAX)) {
    // So that it is tried once more after a wait that was too long.
    const { isOver } = patience
    try {
      if ((await fn()) !== false) return
    } catch (error) {
      reason = error
    }
    if (isOver) throw reason
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/**
 * The result of a promise that must settle in time.
 *
 * @param ms As {@link Patience} counts them.
 */
export async function within<T>(ms: number, promise: PromiseLike<T>): Promise<T> {
  using patience = new Patience(ms)
  const deadline = patience.over.then(() => {
    throw new Error(`not settled within ${ms} ms`)
  })
  // Only then is the patience over.
  return await Promise.race([promise, deadline])
}
