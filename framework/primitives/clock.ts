import { InvariantError, TimeoutError, invariant } from './errors.js'

/** A call that is to happen later. */
export interface Timer {
  /** The call will not happen. Harmless when it has happened already. */
  cancel(): void
}

/** A signal that aborts by itself. Disposing it cancels it. */
export interface Deadline extends Disposable {
  /** Aborts with a {@link TimeoutError}, or with the reason of the first signal that aborts earlier. */
  readonly signal: AbortSignal
  /** The signal will not abort any more; its timer and its listeners are gone. */
  cancel(): void
}

/** Where time comes from: the only source of it for everything else, so that a test can be the one who says so. */
export interface Clock {
  /** Wall-clock time, in milliseconds since 1970 (Unix). May jump either way when the machine's clock is set. */
  now(): number

  /** Milliseconds since an arbitrary moment. Never goes back, and never jumps: use it for every duration. */
  monotonic(): number

  /**
   * Calls `run` once, when {@link monotonic} has advanced by at least `ms`. What is due already runs in a later turn of
   * the event loop, never before this returns; `Infinity` never comes. A pending call keeps the process alive.
   */
  after(ms: number, run: () => void): Timer

  /**
   * Resolves after at least `ms`. A pending sleep keeps the process alive.
   *
   * @throws The signal's reason, when it aborts first. The timer is then gone.
   */
  sleep(ms: number, options?: { signal?: AbortSignal | undefined }): Promise<void>

  /**
   * A signal for a wait that must come to an end: it aborts with a {@link TimeoutError} after `ms` (`Infinity`: never),
   * or with the reason of the first of `signals` that aborts. A deadline does not keep the process alive: whatever is
   * waited for under it does, or nothing is. Cancel it when the wait is over; `using` does.
   */
  deadline(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Deadline
}

/** The longest delay that `setTimeout` takes; it turns anything longer into one millisecond. */
const DELAY_MS_MAX = 2 ** 31 - 1

/** Time as the machine has it. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, run) => new SystemTimer(ms, run, true),
  sleep: (ms, options) => sleepFor(systemClock, ms, options?.signal),
  deadline: (ms, ...signals) => startDeadline((run) => new SystemTimer(ms, run, false), ms, signals),
}

class SystemTimer implements Timer {
  readonly #dueMs: number
  readonly #run: () => void
  readonly #keepsAlive: boolean
  #timeout: NodeJS.Timeout | undefined

  constructor(ms: number, run: () => void, keepsAlive: boolean) {
    assertDelay(ms)
    this.#dueMs = performance.now() + ms
    this.#run = run
    this.#keepsAlive = keepsAlive
    if (ms !== Infinity) this.#arm(ms)
  }

  cancel(): void {
    clearTimeout(this.#timeout)
    this.#timeout = undefined
  }

  #arm(ms: number): void {
    this.#timeout = setTimeout(() => this.#onTimeout(), Math.min(Math.max(Math.ceil(ms), 0), DELAY_MS_MAX))
    if (!this.#keepsAlive) this.#timeout.unref()
  }

  #onTimeout(): void {
    // The event loop counts whole milliseconds from when its turn began and can be early by almost one of ours, and a
    // long delay comes in pieces: either way there is a rest to wait for.
    const restMs = this.#dueMs - performance.now()
    if (restMs > 0) return this.#arm(restMs)
    this.#timeout = undefined
    this.#run()
  }
}

interface ManualTimer {
  readonly dueMs: number
  readonly run: () => void
}

/**
 * Time that passes only when told to, for tests and simulations. Deadlines, sleeps and calls run inside
 * {@link ManualClock.advance} in the order of their times; what promises do in between is the caller's business,
 * because no microtask runs during `advance`.
 */
export class ManualClock implements Clock {
  /** By time, then by when they were made. */
  readonly #timers: ManualTimer[] = []
  #monotonicMs = 0
  #wallOffsetMs: number
  #advancing = false

  /** @param startMs What {@link now} says at first, in Unix milliseconds. Default: the beginning of 2025. */
  constructor(startMs: number = Date.UTC(2025, 0, 1)) {
    this.#wallOffsetMs = startMs
  }

  /** How many calls, sleeps and deadlines are still to come: what must be zero when everything has been closed. */
  get pendingCount(): number {
    return this.#timers.length
  }

  now(): number {
    return this.#wallOffsetMs + this.#monotonicMs
  }

  monotonic(): number {
    return this.#monotonicMs
  }

  /** Sets the wall clock, as an administrator or NTP would: no timer runs and {@link monotonic} does not move. */
  setNow(unixMs: number): void {
    this.#wallOffsetMs = unixMs - this.#monotonicMs
  }

  after(ms: number, run: () => void): Timer {
    assertDelay(ms)
    if (ms === Infinity) return { cancel: () => undefined }
    const timer: ManualTimer = { dueMs: this.#monotonicMs + Math.max(ms, 0), run }
    this.#timers.splice(this.#positionAfter(timer.dueMs), 0, timer)
    return { cancel: () => this.#remove(timer) }
  }

  sleep(ms: number, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    return sleepFor(this, ms, options?.signal)
  }

  deadline(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Deadline {
    return startDeadline((run) => this.after(ms, run), ms, signals)
  }

  /**
   * Lets `ms` pass and runs everything that comes due, also what those calls add within the time. Each call sees the
   * moment it was due. When one throws, the error comes out of here at that moment, and the rest is still to come.
   */
  advance(ms: number): void {
    invariant(ms >= 0 && ms < Infinity, `time cannot advance by ${ms} ms`)
    if (this.#advancing) throw new InvariantError('advance() was called from inside advance()')
    const targetMs = this.#monotonicMs + ms
    this.#advancing = true
    try {
      for (let next = this.#timers[0]; next && next.dueMs <= targetMs; next = this.#timers[0]) {
        this.#timers.shift()
        this.#monotonicMs = next.dueMs
        next.run()
      }
      this.#monotonicMs = targetMs
    } finally {
      this.#advancing = false
    }
  }

  /** Where a timer goes that is due then: behind all of the same time, found by bisection. */
  #positionAfter(dueMs: number): number {
    let low = 0
    let high = this.#timers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#timers[middle]!.dueMs <= dueMs) low = middle + 1
      else high = middle
    }
    return low
  }

  #remove(timer: ManualTimer): void {
    const index = this.#timers.indexOf(timer)
    if (index !== -1) this.#timers.splice(index, 1)
  }
}

/**
 * Resolves in a later turn of the event loop, after it has looked at sockets and files. A loop that would otherwise
 * only ever wait on resolved promises awaits this now and then, so that it does not starve them.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function assertDelay(ms: number): void {
  invariant(!Number.isNaN(ms), 'a delay must be a number of milliseconds, not NaN')
}

function sleepFor(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = (): void => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

function startDeadline(
  arm: (run: () => void) => Timer,
  ms: number,
  signals: readonly (AbortSignal | undefined)[],
): Deadline {
  const controller = new AbortController()
  let timer: Timer | undefined
  const cancel = (): void => {
    timer?.cancel()
    timer = undefined
    for (const signal of signals) signal?.removeEventListener('abort', onAbort)
  }
  const abort = (reason: unknown): void => {
    cancel()
    controller.abort(reason)
  }
  function onAbort(this: AbortSignal): void {
    abort(this.reason)
  }

  const aborted = signals.find((signal) => signal?.aborted)
  if (aborted) {
    controller.abort(aborted.reason)
  } else {
    timer = arm(() => abort(new TimeoutError(`not done within ${ms} ms`, { details: { timeoutMs: ms } })))
    for (const signal of signals) signal?.addEventListener('abort', onAbort)
  }
  return { signal: controller.signal, cancel, [Symbol.dispose]: cancel }
}
