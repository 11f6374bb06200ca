import type { Random } from '#framework/primitives'

/** Messages that several hosts may send at the same time wait between these, in milliseconds (RFC 6762 §5.2, §6). */
const SPREAD_MS_MIN = 20
const SPREAD_MS_MAX = 120

/** The shortest time between two queries, and between two announcements, on a link, in milliseconds (RFC 6762 §5.2, §6). */
const PAUSE_MS_MIN = 1_000

/** What has to be sent on a link now, and when to ask again at the latest. */
export interface MdnsTurn {
  readonly query: boolean
  readonly announce: boolean
  readonly atMs: number
}

/**
 * When to ask and when to announce on one link. Pure; times are on the monotonic clock.
 *
 * Queries come quickly at first and then at a long interval, and one that somebody else has asked need not be asked
 * again: everybody hears the answers. An announcement is made twice at the beginning, because multicast loses packets,
 * and after that on request: however many ask, and however often, once a second at most.
 */
export class MdnsSchedule {
  readonly #intervalMs: number
  readonly #random: Random
  #queryAtMs: number
  #queryPauseMs = PAUSE_MS_MIN
  #announceAtMs: number
  #announcedAtMs = -Infinity
  #repeats = 1

  constructor(options: { intervalMs: number; random: Random }, nowMs: number) {
    this.#intervalMs = options.intervalMs
    this.#random = options.random
    this.#queryAtMs = nowMs + this.#spreadMs()
    this.#announceAtMs = nowMs + this.#spreadMs()
  }

  /** Somebody else has asked. */
  onQuery(nowMs: number): void {
    this.#announceSoon(nowMs)
    if (this.#queryPauseMs >= this.#intervalMs) this.#queryAtMs = nowMs + this.#jittered(this.#intervalMs)
  }

  /** What there is to announce has changed. */
  onChange(nowMs: number): void {
    this.#repeats = 1
    this.#announceSoon(nowMs)
  }

  /** What is due counts as done. */
  next(nowMs: number): MdnsTurn {
    const query = nowMs >= this.#queryAtMs
    if (query) {
      this.#queryAtMs = nowMs + this.#jittered(this.#queryPauseMs)
      this.#queryPauseMs = Math.min(2 * this.#queryPauseMs, this.#intervalMs)
    }
    const announce = nowMs >= this.#announceAtMs
    if (announce) {
      this.#announcedAtMs = nowMs
      this.#announceAtMs = this.#repeats-- > 0 ? nowMs + PAUSE_MS_MIN : Infinity
    }
    return { query, announce, atMs: Math.min(this.#queryAtMs, this.#announceAtMs) }
  }

  #announceSoon(nowMs: number): void {
    const atMs = Math.max(nowMs + this.#spreadMs(), this.#announcedAtMs + PAUSE_MS_MIN)
    this.#announceAtMs = Math.min(this.#announceAtMs, atMs)
  }

  #spreadMs(): number {
    return SPREAD_MS_MIN + (SPREAD_MS_MAX - SPREAD_MS_MIN) * this.#random.float()
  }

  /** Up to a quarter longer, so that hosts that were started together do not go on asking together. */
  #jittered(ms: number): number {
    return ms * (1 + 0.25 * this.#random.float())
  }
}
