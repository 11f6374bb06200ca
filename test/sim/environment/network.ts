import type { Random } from '#framework/primitives'
import type { Timeline } from './timeline.js'

/** How a network treats messages. Rates are between 0 and 1. */
export interface NetworkConditions {
  readonly dropRate: number
  readonly duplicateRate: number
  /** The least that a message takes. */
  readonly delayMs: number
  /** What chance adds to the delay at most. */
  readonly jitterMs: number
  /** Whether a message may overtake another of the same link. Without, a link is a stream. */
  readonly reorders: boolean
}

export interface NetworkCounts {
  sent: number
  delivered: number
  dropped: number
  duplicated: number
  blocked: number
}

/**
 * Messages between hosts, which are numbers. Each direction between two hosts is a link of its own and can be blocked or
 * slow by itself, so that partitions may be symmetric, one-way or partial. What is under way when a link is blocked is
 * lost. Messages are handed over as they are: whoever gets one must not change it.
 */
export class SimNetwork<Message> {
  readonly counts: NetworkCounts = { sent: 0, delivered: 0, dropped: 0, duplicated: 0, blocked: 0 }
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #deliver: (from: number, to: number, message: Message) => void
  /** How many reasons there are for a link to be blocked. */
  readonly #blocked = new Map<number, number>()
  readonly #slowMs = new Map<number, number>()
  /** When the last message of each link arrives, for those that must not overtake it. */
  readonly #lastArrivalMs = new Map<number, number>()
  #conditions: NetworkConditions

  constructor(
    timeline: Timeline,
    random: Random,
    conditions: NetworkConditions,
    deliver: (from: number, to: number, message: Message) => void,
  ) {
    this.#timeline = timeline
    this.#random = random
    this.#conditions = conditions
    this.#deliver = deliver
  }

  setConditions(conditions: NetworkConditions): void {
    this.#conditions = conditions
  }

  /** One more reason for this link to carry nothing. */
  block(from: number, to: number): void {
    const link = linkOf(from, to)
    this.#blocked.set(link, (this.#blocked.get(link) ?? 0) + 1)
  }

  /** One reason less. */
  unblock(from: number, to: number): void {
    const link = linkOf(from, to)
    const count = this.#blocked.get(link) ?? 0
    if (count > 1) this.#blocked.set(link, count - 1)
    else this.#blocked.delete(link)
  }

  /** Every message on this link takes so much longer. 0: no longer than on others. */
  slowDown(from: number, to: number, ms: number): void {
    this.#slowMs.set(linkOf(from, to), ms)
  }

  isBlocked(from: number, to: number): boolean {
    return this.#blocked.has(linkOf(from, to))
  }

  /** No link is blocked or slow any more. */
  heal(): void {
    this.#blocked.clear()
    this.#slowMs.clear()
  }

  /**
   * How long something takes that is sent now over a connection, where what is lost is sent again. Whether the link is
   * blocked is to be asked when it arrives.
   */
  transitMs(from: number, to: number): number {
    const { dropRate, delayMs, jitterMs } = this.#conditions
    let ms = delayMs + (this.#slowMs.get(linkOf(from, to)) ?? 0) + jitterMs * this.#random.float()
    for (let waitMs = RETRANSMIT_MS; this.#random.float() < dropRate; waitMs *= 2) ms += waitMs
    return ms
  }

  send(from: number, to: number, message: Message): void {
    this.counts.sent++
    if (this.#random.float() < this.#conditions.dropRate) {
      this.counts.dropped++
      return
    }
    this.#carry(from, to, message)
    if (this.#random.float() < this.#conditions.duplicateRate) {
      this.counts.duplicated++
      this.#carry(from, to, message)
    }
  }

  #carry(from: number, to: number, message: Message): void {
    const link = linkOf(from, to)
    if (this.#blocked.has(link)) {
      this.counts.blocked++
      return
    }
    this.#timeline.after(this.#arrivalMs(link) - this.#timeline.nowMs, () => {
      if (this.#blocked.has(link)) {
        this.counts.blocked++
        return
      }
      this.counts.delivered++
      this.#deliver(from, to, message)
    })
  }

  #arrivalMs(link: number): number {
    const { delayMs, jitterMs, reorders } = this.#conditions
    const slowMs = this.#slowMs.get(link) ?? 0
    const arrivalMs = this.#timeline.nowMs + delayMs + slowMs + jitterMs * this.#random.float()
    if (reorders) return arrivalMs
    const inOrderMs = Math.max(arrivalMs, this.#lastArrivalMs.get(link) ?? 0)
    this.#lastArrivalMs.set(link, inOrderMs)
    return inOrderMs
  }
}

/** How long a connection waits for an acknowledgement at first, before it sends something again. */
const RETRANSMIT_MS = 200

/** More hosts than any world has. */
const HOSTS_MAX = 1024

function linkOf(from: number, to: number): number {
  return from * HOSTS_MAX + to
}
