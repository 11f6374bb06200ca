import { TimeoutError, type Clock, type Deadline, type Timer } from '#framework/primitives'
import type { Timeline } from '../environment/timeline.js'
import type { Process } from './process.js'

export interface ProcessClockOptions {
  readonly timeline: Timeline
  readonly process: Process
  /** How fast the host's clock is, in terms of true time. */
  readonly speed: number
  /** What the host's wall clock says, in Unix milliseconds. */
  readonly wallClockMs: () => number
  /** How long the process has stood still, as far as it does not notice. */
  readonly unnoticedMs: () => number
}

/** So much later than it is due, so that no rounding makes a timer early. */
const LATE_MS = 1e-6

/** The time of a host, as one process sees it. */
export class ProcessClock implements Clock {
  readonly #options: ProcessClockOptions

  constructor(options: ProcessClockOptions) {
    this.#options = options
  }

  now(): number {
    return this.#options.wallClockMs()
  }

  monotonic(): number {
    const { timeline, speed, unnoticedMs } = this.#options
    return (timeline.nowMs - unnoticedMs()) * speed
  }

  after(ms: number, run: () => void): Timer {
    if (ms === Infinity) return { cancel: () => undefined }
    let isCancelled = false
    this.#options.process.after(Math.max(ms, 0) / this.#options.speed + LATE_MS, 'timers', () => {
      if (!isCancelled) run()
    })
    return { cancel: () => (isCancelled = true) }
  }

  sleep(ms: number, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const onAbort = (): void => {
        timer.cancel()
        reject(signal?.reason as Error)
      }
      const timer = this.after(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  deadline(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Deadline {
    const controller = new AbortController()
    const aborted = signals.find((signal) => signal?.aborted)
    if (aborted) controller.abort(aborted.reason)
    const over = (reason: unknown): void => {
      cancel()
      controller.abort(reason)
    }
    const listeners = aborted
      ? []
      : signals.map((signal) => ({ signal, onAbort: () => over(signal?.reason) }))
    for (const { signal, onAbort } of listeners) signal?.addEventListener('abort', onAbort)
    const timer = aborted
      ? undefined
      : this.after(ms, () => over(new TimeoutError(`not done within ${ms} ms`)))
    const cancel = (): void => {
      timer?.cancel()
      for (const { signal, onAbort } of listeners) signal?.removeEventListener('abort', onAbort)
    }
    return { signal: controller.signal, cancel, [Symbol.dispose]: cancel }
  }
}
