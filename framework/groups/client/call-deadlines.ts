import { TimeoutError, type Clock, type Timer } from '#framework/primitives'

export interface Limited {
  /** From when it is added, in milliseconds. */
  readonly deadlineMs: number
}

/**
 * The deadlines of many calls by one timer. It stays set when calls end: setting it costs more than looking now and then
 * for nothing.
 */
export class CallDeadlines<T extends Limited> {
  readonly #clock: Clock
  readonly #onOver: (limited: T, reason: TimeoutError) => void
  /** And when each is over, by the monotonic clock. In the order in which they were added. */
  readonly #pending = new Map<T, number>()
  #timer: Timer | undefined
  #timerDueMs = Infinity

  constructor(clock: Clock, onOver: (limited: T, reason: TimeoutError) => void) {
    this.#clock = clock
    this.#onOver = onOver
  }

  add(limited: T): void {
    const dueMs = this.#clock.monotonic() + limited.deadlineMs
    this.#pending.set(limited, dueMs)
    if (dueMs < this.#timerDueMs) this.#arm(dueMs)
  }

  delete(limited: T): void {
    this.#pending.delete(limited)
  }

  /** In the order in which they were added. */
  [Symbol.iterator](): Iterator<T> {
    return this.#pending.keys()
  }

  /** No deadline is watched any more. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerDueMs = Infinity
  }

  #arm(dueMs: number): void {
    this.#timer?.cancel()
    this.#timerDueMs = dueMs
    if (dueMs === Infinity) return
    this.#timer = this.#clock.after(Math.max(dueMs - this.#clock.monotonic(), 0), () => this.#onTimer())
  }

  #onTimer(): void {
    this.stop()
    const nowMs = this.#clock.monotonic()
    let nextMs = Infinity
    for (const [limited, dueMs] of this.#pending) {
      if (dueMs > nowMs) nextMs = Math.min(nextMs, dueMs)
      else this.#onOver(limited, overdue(limited))
    }
    this.#arm(nextMs)
  }
}

function overdue({ deadlineMs }: Limited): TimeoutError {
  return new TimeoutError(`not done within ${deadlineMs} ms`, { details: { timeoutMs: deadlineMs } })
}
