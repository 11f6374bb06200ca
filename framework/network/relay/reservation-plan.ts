import { Backoff, type PeerId, type Random } from '#framework/primitives'

/** A relay that may be asked for a place. */
export interface RelayTarget {
  readonly peer: PeerId
  /** Where it can be dialled, with or without its peer id at the end; none when it is connected or known. */
  readonly addresses: readonly string[]
}

/** A place at a relay. */
export interface HeldReservation {
  /** Addresses at which this node can be reached over the relay, without this node's peer id. */
  readonly addresses: readonly string[]
  /** Monotonic milliseconds. */
  readonly expiresAt: number
}

/** Relays at which a node keeps a place: when one of them dies, the other one is there already. */
const HELD_MAX = 2
/** Relays considered at once; the first ones count. */
const TARGETS_MAX = 32
/** A reservation is renewed when one part in so many of its life is left. */
const RENEW_PARTS = 3
/** But not more often than this. */
const RENEW_MS_MIN = 1_000

interface Held extends HeldReservation {
  readonly renewAt: number
}

interface Failing {
  readonly backoff: Backoff
  notBefore: number
}

/**
 * At which relays to reserve, and when. Pure: is told what happened and says what to do next. Relays are tried in the
 * order in which they are given; one that refused or was lost waits longer each time.
 */
export class ReservationPlan {
  readonly #random: Random
  #targets: readonly RelayTarget[] = []
  readonly #held = new Map<PeerId, Held>()
  readonly #failing = new Map<PeerId, Failing>()
  #isWanted = false

  constructor(random: Random) {
    this.#random = random
  }

  /** What is held now, in the order of the targets. */
  get held(): readonly (HeldReservation & { readonly peer: PeerId })[] {
    return this.#targets.flatMap(({ peer }) => {
      const held = this.#held.get(peer)
      return held === undefined ? [] : [{ peer, addresses: held.addresses, expiresAt: held.expiresAt }]
    })
  }

  isHeld(relay: PeerId): boolean {
    return this.#held.has(relay)
  }

  /** Whether relays are needed at all. Not needed, everything held is let go. */
  want(isWanted: boolean): void {
    this.#isWanted = isWanted
    if (!isWanted) this.#held.clear()
  }

  /** The relays there are. What is held at a relay that is no longer among them is let go. */
  setTargets(targets: readonly RelayTarget[]): void {
    this.#targets = targets.slice(0, TARGETS_MAX)
    const peers = new Set(this.#targets.map(({ peer }) => peer))
    for (const peer of this.#held.keys()) if (!peers.has(peer)) this.#held.delete(peer)
    for (const peer of this.#failing.keys()) if (!peers.has(peer)) this.#failing.delete(peer)
  }

  /** A relay has granted a place, or renewed it. False when that is no longer wanted. */
  granted(relay: PeerId, addresses: readonly string[], ttlMs: number, nowMs: number): boolean {
    if (!this.#isWanted || !this.#targets.some(({ peer }) => peer === relay)) return false
    this.#failing.delete(relay)
    const renewAt = nowMs + Math.max(RENEW_MS_MIN, Math.floor(ttlMs - ttlMs / RENEW_PARTS))
    this.#held.set(relay, { addresses, expiresAt: nowMs + ttlMs, renewAt })
    return true
  }

  /** A relay refused, could not be reached, or the connection to it is gone. */
  lost(relay: PeerId, nowMs: number): void {
    this.#held.delete(relay)
    if (!this.#targets.some(({ peer }) => peer === relay)) return
    const failing = this.#failing.get(relay) ?? {
      backoff: new Backoff({ initialMs: 1_000, factor: 2, maxMs: 120_000 }, this.#random),
      notBefore: 0,
    }
    failing.notBefore = nowMs + failing.backoff.next()
    this.#failing.set(relay, failing)
  }

  /** The relay to ask now, to renew or to gain a place; nothing when all is well or nobody can be asked yet. */
  due(nowMs: number): RelayTarget | undefined {
    if (!this.#isWanted) return undefined
    const renewing = this.#targets.find(({ peer }) => (this.#held.get(peer)?.renewAt ?? Infinity) <= nowMs)
    if (renewing !== undefined) return renewing
    if (this.#held.size >= HELD_MAX) return undefined
    return this.#targets.find(
      ({ peer }) => !this.#held.has(peer) && (this.#failing.get(peer)?.notBefore ?? 0) <= nowMs,
    )
  }

  /** When `due` should be asked again, in monotonic milliseconds; nothing when only news can change its answer. */
  get nextAt(): number | undefined {
    if (!this.#isWanted) return undefined
    const renewals = [...this.#held.values()].map(({ renewAt }) => renewAt)
    const retries =
      this.#held.size >= HELD_MAX
        ? []
        : this.#targets.flatMap(({ peer }) => {
            const failing = this.#failing.get(peer)
            return failing === undefined || this.#held.has(peer) ? [] : [failing.notBefore]
          })
    const times = [...renewals, ...retries]
    return times.length === 0 ? undefined : Math.min(...times)
  }
}
