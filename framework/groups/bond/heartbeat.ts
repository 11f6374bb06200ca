import type { Random } from '#framework/primitives'
import type { GroupTiming } from './group-timing.js'

export interface HeartbeatOptions {
  readonly timing: Pick<GroupTiming, 'heartbeatIntervalMs' | 'heartbeatJitterMs' | 'missedHeartbeatsMax'>
  readonly random: Random
}

/** What a tick asks for: to say something, because nothing else was said; to give the other side up; or nothing. */
export type Beat = 'ping' | 'dead' | 'idle'

/** A tick that comes later than this part of the interval shows that the event loop was busy. */
const LATE_PART = 0.5

/**
 * So many silent ticks in a row are no chance any more: two take longer than two words of the other side may lie apart, by
 * the default jitter.
 */
const DOUBTFUL_TICKS = 2

/**
 * Whether a peer is alive. Both sides see to it that something is said about every interval, on any of their bonds: a
 * ping, if there is nothing else. So silence means something, and nobody has to answer. Pure: is told the time.
 *
 * Timers run before the event loop looks at sockets. After it was blocked, the tick that is late would therefore find
 * silence where a word has long arrived: a late tick is not counted. As many in a row are excused as would have been
 * counted, so that on a machine that is always busy a dead peer is still found out.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  #dueMs: number
  /** By when something had last arrived, and when that was last looked at. */
  #heardMs: number
  #tickedMs: number
  #missed = 0
  #excused = 0
  #hasHeard = false
  #hasSpoken = false

  constructor(options: HeartbeatOptions, nowMs: number) {
    this.#options = options
    this.#heardMs = nowMs
    this.#tickedMs = nowMs
    this.#dueMs = nowMs + this.#period()
  }

  /** When the next tick is due, on the monotonic clock in milliseconds. */
  get dueMs(): number {
    return this.#dueMs
  }

  /** How many ticks in a row have counted as silent. */
  get missed(): number {
    return this.#missed
  }

  /** Whether the last tick was the one by which the other side became suspicious. */
  get isDoubtful(): boolean {
    return this.#missed === DOUBTFUL_TICKS
  }

  /** For how long nothing had arrived at the last tick, at least; in milliseconds. */
  get silentMs(): number {
    return this.#tickedMs - this.#heardMs
  }

  /** Anything has arrived. */
  onReceived(): void {
    this.#hasHeard = true
  }

  /** Anything was said, besides the pings that a tick asks for. */
  onSent(): void {
    this.#hasSpoken = true
  }

  tick(nowMs: number): Beat {
    const { timing } = this.#options
    const isLate = nowMs - this.#dueMs > LATE_PART * timing.heartbeatIntervalMs
    this.#dueMs = nowMs + this.#period()
    this.#tickedMs = nowMs
    if (this.#hasHeard) {
      this.#heardMs = nowMs
      this.#missed = 0
      this.#excused = 0
    } else if (isLate && this.#excused < timing.missedHeartbeatsMax) this.#excused++
    else this.#missed++
    const isQuiet = !this.#hasSpoken
    this.#hasHeard = false
    this.#hasSpoken = false
    if (this.#missed >= timing.missedHeartbeatsMax) return 'dead'
    return isQuiet ? 'ping' : 'idle'
  }

  #period(): number {
    const { timing, random } = this.#options
    return timing.heartbeatIntervalMs + timing.heartbeatJitterMs * (2 * random.float() - 1)
  }
}
