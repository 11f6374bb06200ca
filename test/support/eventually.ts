/** By how much every deadline in the tests is longer, for slow and busy machines. */
const TIME_FACTOR = Number(process.env.TIME_FACTOR ?? 1)

const POLL_MS_MIN = 1
const POLL_MS_MAX = 25

/**
 * Polls a condition on the event loop until it holds: until `fn` neither throws, nor returns or resolves to false. A
 * function that only makes assertions will do.
 *
 * @param options.timeoutMs Default 5000, times TIME_FACTOR.
 * @throws What `fn` threw last, or an error that quotes it, when it does not hold in time.
 */
export async function eventually(
  fn: () => boolean | void | Promise<boolean | void>,
  { timeoutMs = 5_000 }: { timeoutMs?: number } = {},
): Promise<void> {
  const dueMs = performance.now() + timeoutMs * TIME_FACTOR
  let reason: unknown = new Error(`not true within ${timeoutMs} ms: ${fn.toString()}`)
  for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(2 * pollMs, POLL_MS_MAX)) {
    try {
      if ((await fn()) !== false) return
    } catch (error) {
      reason = error
    }
    if (performance.now() >= dueMs) throw reason
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/**
 * The result of a promise that must settle in time.
 *
 * @param ms Times TIME_FACTOR.
 */
export async function within<T>(ms: number, promise: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not settled within ${ms} ms`)), ms * TIME_FACTOR)
  })
  try {
    return await Promise.race([promise, deadline])
  } finally {
    clearTimeout(timer)
  }
}
