import { rethrowLater, type Clock, type PeerId, type Timer } from '#framework/primitives'
import { estimateAfter, type RttEstimate } from './rtt-estimate.js'

export interface RttTrackerOptions {
  readonly clock: Clock
  /** Of how many peers estimates are kept; the one that was measured longest ago goes first. */
  readonly peersMax: number
  /** After how long without a measurement a round trip counts as unknown, in milliseconds. Default 300 000. */
  readonly expiryMs?: number
}

/** What a subscriber of an {@link RttTracker} is told of besides large changes. */
export interface RttSubscription {
  /** Crossing one of these, in either direction, is told however small the change; in milliseconds. Default: none. */
  readonly thresholdsMs?: readonly number[]
}

const EXPIRY_MS = 300_000

/** Nobody is woken for less: a fifth of the round trip, and this many milliseconds. */
const SIGNIFICANT_PART = 0.2
const SIGNIFICANT_MS = 5

/** Estimates expire one by one, and are swept up together: at most this often, in milliseconds. */
const SWEEP_SPACING_MS = 1_000

interface Tracked {
  readonly estimate: RttEstimate
  readonly path: string
  /** The smoothed round trip that subscribers know of. */
  readonly toldMs: number
}

interface Subscriber {
  readonly fn: (peer: PeerId) => void
  readonly thresholdsMs: readonly number[]
}

/**
 * The round trips to peers, as far as they have been measured: by the signs of life on connections, and by whoever else
 * has measured one and says so with {@link note}. Bounded; an estimate that is not renewed is forgotten, because a path
 * that nobody has used for minutes may have become any other.
 */
export class RttTracker {
  readonly #clock: Clock
  readonly #peersMax: number
  readonly #expiryMs: number
  /** In the order of the last measurement. */
  readonly #tracked = new Map<PeerId, Tracked>()
  readonly #subscribers = new Set<Subscriber>()
  readonly #observers = new Set<(peer: PeerId, sampleMs: number) => void>()
  #sweep: Timer | undefined
  #closed = false

  constructor({ clock, peersMax, expiryMs = EXPIRY_MS }: RttTrackerOptions) {
    this.#clock = clock
    this.#peersMax = peersMax
    this.#expiryMs = expiryMs
  }

  /** Of how many peers the round trip is known. */
  get size(): number {
    return this.#tracked.size
  }

  /** What is known of the round trip to a peer; nothing when it was never measured, or too long ago. */
  get(peer: PeerId): RttEstimate | undefined {
    const estimate = this.#tracked.get(peer)?.estimate
    return estimate && !this.#isExpired(estimate) ? estimate : undefined
  }

  /** The smoothed round trip to a peer, in milliseconds. */
  ms(peer: PeerId): number | undefined {
    return this.get(peer)?.smoothedMs
  }

  /**
   * Takes in a round trip that was measured just now.
   *
   * @param sampleMs In milliseconds; not negative. Not a figure that was smoothed already.
   * @param path By which way it went, for example the id of a connection. What was measured on another path is
   *   forgotten: a relayed round trip says nothing of the direct one.
   */
  note(peer: PeerId, sampleMs: number, path = ''): void {
    if (this.#closed) return
    for (const observer of this.#observers) observer(peer, sampleMs)
    const before = this.#tracked.get(peer)
    const earlier = before && !this.#isExpired(before.estimate) ? before : undefined
    const same = earlier?.path === path ? earlier.estimate : undefined
    const estimate = estimateAfter(same, sampleMs, this.#clock.monotonic())
    const known = earlier?.estimate.smoothedMs
    const isNews = !earlier || isSignificant(earlier.toldMs, estimate.smoothedMs)
    this.#tracked.delete(peer)
    this.#tracked.set(peer, {
      estimate,
      path,
      toldMs: isNews ? estimate.smoothedMs : earlier.toldMs,
    })
    if (this.#tracked.size > this.#peersMax) this.#forgetStalest()
    this.#sweep ??= this.#clock.after(this.#expiryMs, () => this.#sweepUp())
    this.#tell(peer, (thresholdsMs) => isNews || isCrossing(thresholdsMs, known, estimate.smoothedMs))
  }

  /** Forgets what is known of a peer. */
  remove(peer: PeerId): void {
    if (this.#tracked.delete(peer)) this.#tell(peer, () => true)
  }

  /**
   * Calls `fn` synchronously when the round trip to a peer becomes known or unknown, when it differs by a fifth and 5 ms
   * from what was told last, or when it crosses a threshold; until the returned function is called. Not for every
   * measurement, which there may be thousands of a second. What `fn` throws surfaces as an uncaught exception.
   */
  subscribe(fn: (peer: PeerId) => void, { thresholdsMs = [] }: RttSubscription = {}): () => void {
    const subscriber = { fn, thresholdsMs }
    this.#subscribers.add(subscriber)
    return () => void this.#subscribers.delete(subscriber)
  }

  /**
   * Calls `fn` synchronously with each single measurement, in milliseconds, until the returned function is called. For
   * tools that show them; whoever chooses between peers wants {@link subscribe}. `fn` must not throw.
   */
  observe(fn: (peer: PeerId, sampleMs: number) => void): () => void {
    this.#observers.add(fn)
    return () => void this.#observers.delete(fn)
  }

  /** Forgets everything, and takes in no more. Idempotent. */
  close(): void {
    this.#closed = true
    this.#sweep?.cancel()
    this.#sweep = undefined
    this.#subscribers.clear()
    this.#tracked.clear()
  }

  #isExpired({ sampledAtMs }: RttEstimate): boolean {
    return this.#clock.monotonic() - sampledAtMs >= this.#expiryMs
  }

  #forgetStalest(): void {
    const [stalest] = this.#tracked.keys()
    if (stalest !== undefined) this.remove(stalest)
  }

  #sweepUp(): void {
    this.#sweep = undefined
    for (const [peer, { estimate }] of this.#tracked) {
      if (!this.#isExpired(estimate)) {
        // The others were measured later still.
        const restMs = estimate.sampledAtMs + this.#expiryMs - this.#clock.monotonic()
        this.#sweep = this.#clock.after(Math.max(restMs, SWEEP_SPACING_MS), () => this.#sweepUp())
        return
      }
      this.remove(peer)
    }
  }

  #tell(peer: PeerId, concerns: (thresholdsMs: readonly number[]) => boolean): void {
    for (const { fn, thresholdsMs } of this.#subscribers) {
      if (!concerns(thresholdsMs)) continue
      try {
        fn(peer)
      } catch (error) {
        rethrowLater(error)
      }
    }
  }
}

function isSignificant(fromMs: number, toMs: number): boolean {
  return Math.abs(toMs - fromMs) > Math.max(SIGNIFICANT_PART * fromMs, SIGNIFICANT_MS)
}

function isCrossing(thresholdsMs: readonly number[], fromMs: number | undefined, toMs: number): boolean {
  return fromMs !== undefined && thresholdsMs.some((limit) => fromMs > limit !== toMs > limit)
}
