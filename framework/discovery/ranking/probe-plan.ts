import { Backoff, TokenBucket, type PeerId, type Random } from '#framework/primitives'

/** How many probes run at a time. */
const CONCURRENT_MAX = 4

/** How many probes are started: four at once, then one every five seconds, so sixteen in the first minute. */
const RATE = { capacity: 4, perSecond: 0.2 }

/** A peer that could not be reached is not probed again at once: nobody needs to know how far away it would be. */
const RETRY = { initialMs: 60_000, factor: 2, maxMs: 1_800_000 }

interface Attempt {
  readonly backoff: Backoff
  notBeforeMs: number
  running: boolean
}

/** A round trip that is asked about and not known. */
export interface Wanted {
  readonly peer: PeerId
  /** Others are measured after this one: it was chosen, although its round trip was only assumed. */
  readonly isUrgent: boolean
}

/**
 * Which round trips to measure, and when: those that somebody asks about and that nothing else has measured, a few random
 * ones at a time. Never all of them, however many there are, because each costs a connection. Pure; all times are on the
 * monotonic clock.
 */
export class ProbePlan {
  readonly #random: Random
  readonly #rate: TokenBucket
  readonly #attempts = new Map<PeerId, Attempt>()
  #running = 0
  #rateAtMs = -Infinity

  constructor(random: Random, nowMs: number) {
    this.#random = random
    this.#rate = new TokenBucket(RATE, nowMs)
  }

  /** Before this {@link next} has nothing to start, whoever is wanted; Infinity when first one of those running must end. */
  get readyAtMs(): number {
    return this.#running >= CONCURRENT_MAX ? Infinity : this.#rateAtMs
  }

  /**
   * What to measure now, each to be reported by {@link onEnd}; and when to ask again at the latest.
   *
   * @param wanted By peer; without those that are connected, which will be measured without a probe.
   */
  next(wanted: ReadonlyMap<PeerId, Wanted>, nowMs: number): { probes: PeerId[]; atMs: number } {
    for (const [peer, { running }] of this.#attempts) {
      if (!running && !wanted.has(peer)) this.#attempts.delete(peer)
    }
    const probes: PeerId[] = []
    let atMs = Infinity
    for (const { peer } of this.#ordered([...wanted.values()])) {
      const attempt = this.#attempts.get(peer)
      if (attempt?.running) continue
      if (attempt && attempt.notBeforeMs > nowMs) {
        atMs = Math.min(atMs, attempt.notBeforeMs)
        continue
      }
      if (this.#running >= CONCURRENT_MAX) return { probes, atMs: Infinity }
      if (!this.#rate.tryTake(nowMs)) {
        this.#rateAtMs = nowMs + 1_000 / RATE.perSecond
        return { probes, atMs: this.#rateAtMs }
      }
      this.#start(peer, attempt)
      probes.push(peer)
    }
    return { probes, atMs }
  }

  /** @param measured Whether the round trip is known now. */
  onEnd(peer: PeerId, measured: boolean, nowMs: number): void {
    const attempt = this.#attempts.get(peer)
    if (!attempt?.running) return
    attempt.running = false
    this.#running--
    if (measured) this.#attempts.delete(peer)
    else attempt.notBeforeMs = nowMs + attempt.backoff.next()
  }

  #start(peer: PeerId, attempt: Attempt | undefined): void {
    this.#running++
    if (attempt) attempt.running = true
    else {
      const backoff = new Backoff(RETRY, this.#random)
      this.#attempts.set(peer, { backoff, notBeforeMs: -Infinity, running: true })
    }
  }

  /** The urgent ones first, otherwise at random: or all nodes would begin with the same peers. */
  #ordered(wanted: readonly Wanted[]): Wanted[] {
    return wanted
      .map((each) => ({ each, place: this.#random.float() + (each.isUrgent ? 0 : 1) }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ each }) => each)
  }
}
