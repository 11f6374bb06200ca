import { TokenBucket, type Random } from '#framework/primitives'

/** How fast we speak at most: half of what receivers put up with from one author, so that they never miss a word. */
const OWN_RATE = { capacity: 16, perSecond: 2 }

/** How long to wait before speaking again when there was no token, in milliseconds. */
const NEXT_TOKEN_MS = 1_000 / OWN_RATE.perSecond

/**
 * How soon to speak again because a neighbour has appeared, in milliseconds. Neighbours often appear together, and one
 * announcement serves them all. The first ends our isolation; later ones mostly know us already, from a sync.
 */
const FIRST_NEIGHBOUR_DELAY_MS = 200
const NEIGHBOUR_DELAY_MS = 5_000

/** How long to wait after an announcement that reached nobody, in milliseconds. */
const RETRY_MS = 1_000

/**
 * By how much each peer of the network lengthens the period of signs of life, in milliseconds: in a large network, where
 * everybody hears everybody, they are rarer, so that what a node hears at rest stays the same.
 */
const PERIOD_PER_PEER_MS = 1_500

/**
 * How many signs of life there are at least, on average, before others would take the silence for an end. Two are enough,
 * because whoever misses one learns of it by its next catalog sync.
 */
const BEATS_MIN = 2

export interface AnnouncePolicyOptions {
  /** The period of signs of life in a small network, in milliseconds. */
  readonly intervalMs: number
  /** How far a period may be from that, as a part of it. */
  readonly jitter: number
  /** After how much silence others let go of this node, in milliseconds. */
  readonly purgeAfterMs: number
  readonly random: Random
}

/**
 * When to announce. There is no queue of things to say, only the wish to say what is true now: however much changed while
 * this node was isolated, the first neighbour hears it once. Pure; all times are on the monotonic clock.
 */
export class AnnouncePolicy {
  readonly #intervalMs: number
  readonly #jitter: number
  readonly #purgeAfterMs: number
  readonly #random: Random
  readonly #allowance: TokenBucket
  #neighbourCount = 0
  /** When what has changed should be said; Infinity when nothing has. */
  #wantedAtMs: number
  /** When to give a sign of life although nothing has changed. */
  #beatAtMs = Infinity
  #notBeforeMs = -Infinity

  constructor(options: AnnouncePolicyOptions, nowMs: number) {
    this.#intervalMs = options.intervalMs
    this.#jitter = options.jitter
    this.#purgeAfterMs = options.purgeAfterMs
    this.#random = options.random
    this.#allowance = new TokenBucket(OWN_RATE, nowMs)
    this.#wantedAtMs = nowMs
  }

  /** When to announce next; Infinity while there is nobody to hear it. */
  get dueAtMs(): number {
    if (this.#neighbourCount === 0) return Infinity
    return Math.max(this.#notBeforeMs, Math.min(this.#wantedAtMs, this.#beatAtMs))
  }

  /** What we say about ourselves has changed. */
  onChange(nowMs: number): void {
    this.#wantedAtMs = Math.min(this.#wantedAtMs, nowMs)
  }

  /** Gossip has so many neighbours now, some of whom may have heard nothing from us yet. */
  onNeighbours(count: number, appeared: boolean, nowMs: number): void {
    const delayMs = this.#neighbourCount === 0 ? FIRST_NEIGHBOUR_DELAY_MS : NEIGHBOUR_DELAY_MS
    this.#neighbourCount = count
    if (appeared) this.#wantedAtMs = Math.min(this.#wantedAtMs, nowMs + delayMs)
  }

  /**
   * What to announce now, if anything: news, which others may not know, or only that we are alive. The announcement is
   * taken for made: see {@link onFailure}.
   *
   * @param peerCount How many other peers there are in the network.
   */
  tryAnnounce(nowMs: number, peerCount: number): 'news' | 'sign-of-life' | undefined {
    if (this.dueAtMs > nowMs) return undefined
    if (!this.#allowance.tryTake(nowMs)) {
      this.#notBeforeMs = nowMs + NEXT_TOKEN_MS
      return undefined
    }
    const isNews = this.#wantedAtMs <= nowMs
    this.#wantedAtMs = Infinity
    this.#beatAtMs = nowMs + this.#periodMs(peerCount) * (1 + this.#jitter * (2 * this.#random.float() - 1))
    return isNews ? 'news' : 'sign-of-life'
  }

  /** The announcement reached nobody. */
  onFailure(nowMs: number): void {
    this.#wantedAtMs = Math.min(this.#wantedAtMs, nowMs + RETRY_MS)
  }

  #periodMs(peerCount: number): number {
    const forSizeMs = Math.min(peerCount * PERIOD_PER_PEER_MS, this.#purgeAfterMs / BEATS_MIN)
    return Math.max(this.#intervalMs, forSizeMs)
  }
}
