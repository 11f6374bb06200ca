import { BLOCK_BYTES } from './batch.js'

/** How much is written inline at most: a longer batch is of many writers, who gain nothing by it. */
const INLINE_BYTES_MAX = BLOCK_BYTES

/** How many writes have to be timed before one is inline. */
const TIMED_MIN = 8

/** What a write takes on average, in milliseconds, on a disk that is too slow to wait for. */
const AVERAGE_MS_MAX = 2

/** The weight of one write in the average. */
const AVERAGE_WEIGHT = 1 / 8

/** An inline write of so many milliseconds was a standstill. */
const STANDSTILL_MS = 20

/** For how long none is inline after a standstill, in milliseconds; each that follows soon doubles it. */
const PAUSE_MS_MIN = 10_000
const PAUSE_MS_MAX = 600_000

/** How much of the time of the event loop may go to other things than inline writes. */
const BUSY_SHARE_MAX = 0.75

/** Over which time that is looked at, in milliseconds, at least. */
const SAMPLE_MS = 20

export interface EndedWrite {
  readonly isInline: boolean
  readonly startedMs: number
  readonly endedMs: number
}

/**
 * Says which batches of a journal are written by the thread that asks for them, which stands still meanwhile. Others are
 * handed to a thread of the pool, and back when they are durable; where a processor has to be woken for each of that, it
 * takes as long again as a fifth of the sync.
 *
 * Only who has nothing else to do stands still: one small batch, behind which nothing is likely to wait, on a disk that has been
 * quick, in an event loop that is mostly idle. Pure: the times are passed in.
 */
export class InlineWrites {
  readonly #idleMs: () => number
  #timedCount = 0
  #averageMs = 0
  #lastTookMs = 0
  #lastEndedMs = -Infinity
  #pauseMs = PAUSE_MS_MIN
  #pausedUntilMs = -Infinity
  #sampledMs: number | undefined
  #sampledIdleMs = 0
  #inlineMsSinceSample = 0
  #isLoopBusy = false

  /** @param idleMs For how long the event loop has waited for something to happen, since any moment. */
  constructor(idleMs: () => number) {
    this.#idleMs = idleMs
  }

  /** Whether a batch of so many bytes is to be written inline now. */
  allows(bytes: number, nowMs: number): boolean {
    if (bytes > INLINE_BYTES_MAX) return false
    if (this.#timedCount < TIMED_MIN || this.#averageMs > AVERAGE_MS_MAX) return false
    if (nowMs < this.#pausedUntilMs) return false
    // Who writes again at once has company: what comes while a thread writes this shares the next sync.
    if (nowMs - this.#lastEndedMs < this.#lastTookMs / 2) return false
    this.#sample(nowMs)
    return !this.#isLoopBusy
  }

  ended({ isInline, startedMs, endedMs }: EndedWrite): void {
    const tookMs = endedMs - startedMs
    this.#averageMs += (tookMs - this.#averageMs) * (this.#timedCount === 0 ? 1 : AVERAGE_WEIGHT)
    if (this.#timedCount < TIMED_MIN) this.#timedCount++
    this.#lastTookMs = tookMs
    this.#lastEndedMs = endedMs
    if (!isInline) return
    this.#inlineMsSinceSample += tookMs
    if (tookMs >= STANDSTILL_MS) this.#pause(endedMs)
  }

  #pause(nowMs: number): void {
    const isSoonAfterLast = nowMs - this.#pausedUntilMs < PAUSE_MS_MAX
    this.#pauseMs = isSoonAfterLast ? Math.min(2 * this.#pauseMs, PAUSE_MS_MAX) : PAUSE_MS_MIN
    this.#pausedUntilMs = nowMs + this.#pauseMs
  }

  #sample(nowMs: number): void {
    const elapsedMs = nowMs - (this.#sampledMs ?? nowMs)
    if (this.#sampledMs !== undefined && elapsedMs < SAMPLE_MS) return
    const idleMs = this.#idleMs()
    const busyMs = elapsedMs - (idleMs - this.#sampledIdleMs) - this.#inlineMsSinceSample
    this.#isLoopBusy = busyMs > BUSY_SHARE_MAX * elapsedMs
    this.#sampledMs = nowMs
    this.#sampledIdleMs = idleMs
    this.#inlineMsSinceSample = 0
  }
}

/** Since the event loop of this thread has started. */
export function eventLoopIdleMs(): number {
  return performance.eventLoopUtilization().idle
}
