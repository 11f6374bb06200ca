import type { Consumer } from '#framework/streams'

export interface DeliveryOptions {
  /** How many calls may be in flight at once, at least 1. */
  readonly concurrency: number
  /** What to do about a call that failed. Throwing ends the delivery with that error. */
  readonly onError: (error: unknown) => void
  /** Ends the delivery. */
  readonly signal: AbortSignal
}

/**
 * Hands each datum to a handler, beginning in the order in which they arrive. With a concurrency of 1 a call begins when
 * the one before has ended, so that the datums of a producer are handled strictly in order.
 *
 * Resolves when the consumer has ended; rejects with the signal's reason when that aborts, or with what a call failed
 * with for good; in each case after the calls in flight have ended. A handler that returns no promise costs no turn of
 * the event loop: what has arrived is bounded, and nothing more arrives meanwhile.
 */
export async function deliver<T>(
  consumer: Pick<Consumer<T>, 'recv' | 'tryRecv'>,
  handle: (datum: T) => unknown,
  { concurrency, onError, signal }: DeliveryOptions,
): Promise<void> {
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })

  let failure: { readonly cause: unknown } | undefined
  const onCallFailed = (error: unknown): void => {
    try {
      onError(error)
    } catch (cause) {
      failure ??= { cause }
      stop.abort(cause)
    }
  }

  const running = new Set<Promise<void>>()
  try {
    while (!stop.signal.aborted) {
      let datum = consumer.tryRecv()
      if (datum === undefined) datum = await consumer.recv({ signal: stop.signal })
      if (datum === undefined) break
      let result: unknown
      try {
        result = handle(datum)
      } catch (error) {
        onCallFailed(error)
        continue
      }
      if (!isPromiseLike(result)) continue
      const call: Promise<void> = Promise.resolve(result)
        .then(() => undefined, onCallFailed)
        .then(() => void running.delete(call))
      running.add(call)
      if (running.size >= concurrency) await Promise.race(running)
    }
  } catch (error) {
    // Waiting for a datum failed. When that is because a call did, the call is what there is to report.
    failure ??= { cause: error }
  }
  signal.removeEventListener('abort', onAbort)
  await Promise.all(running)
  if (failure !== undefined) throw failure.cause
  stop.signal.throwIfAborted()
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
