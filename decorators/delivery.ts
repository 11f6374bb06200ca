import type { Consumer } from '#framework/streams'

export interface DeliveryOptions {
  /** How many calls may be in flight at once, at least 1. */
  readonly concurrency: number
  /** What to do about a call that failed. Throwing ends the delivery with that error. */
  readonly onError: (error: unknown) => void
  /** Ends the delivery. */
  readonly signal: AbortSignal
}

/** What a delivery needs of a consumer: with a concurrency of 1 one with `ack: 'taken'`, otherwise one with `ack: 'manual'`. */
export type DeliverySource<T> = Pick<Consumer<T>, 'recv' | 'tryRecv' | 'envelopes' | 'ack'>

/** How many datums are handed to a handler that does not wait before the consumer is asked whether others must have a turn. */
const datumsPerAsk = 4096

/**
 * Hands each datum to a handler, beginning in the order in which they arrive. With a concurrency of 1 a call begins when
 * the one before has ended, so that the datums of a producer are handled strictly in order. A datum is acknowledged when
 * its call has ended, unless that failed for good.
 *
 * Resolves when the consumer has ended; rejects with the signal's reason when that aborts, or with what a call failed
 * with for good; in each case after the calls in flight have ended. With a concurrency of 1, a handler that returns no
 * promise costs none.
 */
export async function deliver<T>(
  consumer: DeliverySource<T>,
  handle: (datum: T) => unknown,
  options: DeliveryOptions,
): Promise<void> {
  const { signal } = options
  const calls = new Calls(handle, options)
  const onAbort = (): void => calls.stop(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    await (options.concurrency === 1 ? oneByOne(consumer, calls) : overlapping(consumer, calls))
  } catch (error) {
    // Waiting for a datum failed. When that is because a call did, the call is what there is to report.
    calls.fail(error)
  }
  signal.removeEventListener('abort', onAbort)
  await calls.allEnded()
  calls.throwFailure()
}

/** A datum is acknowledged when its call has ended, and not by asking for the next one: there may be no next one. */
async function oneByOne<T>(consumer: DeliverySource<T>, calls: Calls<T>): Promise<void> {
  const onEnded = (): void => consumer.ack()
  for (let asked = 1; !calls.signal.aborted; asked++) {
    let datum = asked % datumsPerAsk === 0 ? undefined : consumer.tryRecv()
    if (datum === undefined) datum = await consumer.recv({ signal: calls.signal })
    if (datum === undefined) return
    if (calls.begin(datum, onEnded) > 0) await calls.oneEnded()
  }
}

/** Calls may end in any order, so each datum is acknowledged by itself. */
async function overlapping<T>(consumer: DeliverySource<T>, calls: Calls<T>): Promise<void> {
  for await (const envelope of consumer.envelopes({ signal: calls.signal })) {
    const runningCount = calls.begin(envelope.datum, () => consumer.ack(envelope))
    if (runningCount >= calls.concurrency) await calls.oneEnded()
  }
}

/** The calls of one handler: which are in flight, and what became of them. */
class Calls<T> {
  readonly concurrency: number
  readonly #handle: (datum: T) => unknown
  readonly #onError: (error: unknown) => void
  readonly #stopping = new AbortController()
  #runningCount = 0
  #failure: { readonly cause: unknown } | undefined
  /** Who waits for a call to end. */
  #waiting: PromiseWithResolvers<void> | undefined

  constructor(handle: (datum: T) => unknown, { concurrency, onError }: DeliveryOptions) {
    this.concurrency = concurrency
    this.#handle = handle
    this.#onError = onError
  }

  /** Aborts when no more calls are to begin. */
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  stop(reason: unknown): void {
    this.#stopping.abort(reason)
  }

  /** The first failure is the one that is reported. */
  fail(cause: unknown): void {
    this.#failure ??= { cause }
  }

  /**
   * @param onEnded The call has ended, and not failed for good.
   * @returns How many calls are in flight now.
   */
  begin(datum: T, onEnded?: () => void): number {
    let result: unknown
    try {
      result = this.#handle(datum)
    } catch (error) {
      if (this.#isSurvived(error)) onEnded?.()
      return this.#runningCount
    }
    if (isPromiseLike(result)) void this.#follow(result, onEnded)
    else onEnded?.()
    return this.#runningCount
  }

  /** Resolves when one of the calls in flight has ended, of which there is one. */
  oneEnded(): Promise<void> {
    this.#waiting ??= Promise.withResolvers()
    return this.#waiting.promise
  }

  async allEnded(): Promise<void> {
    while (this.#runningCount > 0) await this.oneEnded()
  }

  /** @throws What a call failed with, or the reason for which this was stopped. */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.cause
    this.signal.throwIfAborted()
  }

  async #follow(call: PromiseLike<unknown>, onEnded: (() => void) | undefined): Promise<void> {
    this.#runningCount++
    let isOver = true
    try {
      await call
    } catch (error) {
      isOver = this.#isSurvived(error)
    }
    if (isOver) onEnded?.()
    this.#runningCount--
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  /** Whether the delivery goes on after a call has failed. */
  #isSurvived(error: unknown): boolean {
    try {
      this.#onError(error)
      return true
    } catch (cause) {
      this.fail(cause)
      this.stop(cause)
      return false
    }
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
