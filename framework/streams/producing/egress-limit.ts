import { TokenBucket } from '#framework/primitives'
import type { EgressOptions } from '../producer.js'

/** How many seconds of its rate a producer may send at once after it has sent nothing for so long. */
const burstSeconds = 0.1
/** What is shared out in one round of turns, as a part of the burst: better longer frames a little later than many short ones. */
const roundPart = 0.25

/** How much one frame may hold. At least one datum, however long: what is too much is made up for by waiting longer. */
export interface EgressAllowance {
  readonly datums: number
  readonly bytes: number
}

/**
 * What a producer may send in all. In any span of time that is at most the rate times the span, a burst of a tenth of a
 * second (but one datum at least), and one datum. Pure: is told the time.
 */
export class EgressLimit {
  readonly #datums: Bucket
  readonly #bytes: Bucket

  constructor({ datumsPerSecond, bytesPerSecond }: EgressOptions, nowMs: number) {
    this.#datums = new Bucket(datumsPerSecond, nowMs)
    this.#bytes = new Bucket(bytesPerSecond, nowMs)
  }

  /**
   * What may be sent now by one of those that want to; undefined when there is not enough for that.
   *
   * @param claimants How many want to. Each gets the same, whatever there is: the rest of it is not worth a turn, and
   *   would go to the same one again and again.
   */
  allowance(nowMs: number, claimants: number): EgressAllowance | undefined {
    const datums = this.#datums.share(claimants)
    const bytes = this.#bytes.share(claimants)
    return this.#datums.has(nowMs, datums) && this.#bytes.has(nowMs, bytes) ? { datums, bytes } : undefined
  }

  /** Counts what was sent. */
  spend(nowMs: number, datums: number, bytes: number): void {
    this.#datums.spend(nowMs, datums)
    this.#bytes.spend(nowMs, bytes)
  }

  /** After how many milliseconds sending is worth while again. */
  waitMs(nowMs: number): number {
    return Math.max(this.#datums.waitMs(nowMs), this.#bytes.waitMs(nowMs))
  }
}

/** One of the two rates; none at all gives out what one likes. */
class Bucket {
  readonly #bucket: TokenBucket | undefined
  /** What is shared out in one round. */
  readonly #round: number

  constructor(perSecond: number | undefined, nowMs: number) {
    const burst = Math.max(1, (perSecond ?? Infinity) * burstSeconds)
    this.#round = Math.max(1, burst * roundPart)
    this.#bucket =
      perSecond === undefined ? undefined : new TokenBucket({ capacity: burst, perSecond }, nowMs)
  }

  share(claimants: number): number {
    return Math.max(1, Math.floor(this.#round / claimants))
  }

  has(nowMs: number, count: number): boolean {
    return this.#bucket === undefined || this.#bucket.available(nowMs) + roundingError >= count
  }

  spend(nowMs: number, count: number): void {
    this.#bucket?.take(nowMs, count)
  }

  waitMs(nowMs: number): number {
    return this.#bucket?.waitMs(nowMs, this.#round) ?? 0
  }
}

/** Who has waited for exactly one token must not find a little less than one. */
const roundingError = 1e-6
