import type { PeerId } from '#framework/primitives'
import type { Hysteresis } from './preference.js'
import type { Reason } from './result.js'

/** A peer that may be chosen. */
export interface Eligible {
  readonly peer: PeerId
  readonly scoreMs: number
  /** Whether the score rests on an assumption where there is nothing measured. */
  readonly assumed: boolean
}

/** What a choice has to remember of the one before. Immutable. */
export interface ChoiceState {
  readonly chosen: ReadonlySet<PeerId>
  /** Since when, on the monotonic clock, a peer that is not chosen has been better by the margin than one that is. */
  readonly betterSince: ReadonlyMap<PeerId, number>
}

export const noChoice: ChoiceState = { chosen: new Set(), betterSince: new Map() }

/** A choice, what to remember of it, and what is to be said about it. */
export interface Choice {
  readonly state: ChoiceState
  readonly reasons: ReadonlyMap<PeerId, readonly Reason[]>
  /** When, on the monotonic clock, the choice changes if nothing else does; Infinity when never. */
  readonly dueAtMs: number
}

/**
 * Chooses `k` peers, and keeps to the choice before as long as no other is clearly better: scores are made of round trips,
 * which are never quite the same twice, and each change of mind costs connections. Free places are filled at once. Pure.
 *
 * @param eligible The best first.
 */
export function choose(
  eligible: readonly Eligible[],
  k: number,
  before: ChoiceState,
  hysteresis: Hysteresis,
  nowMs: number,
): Choice {
  const incumbents = eligible.filter(({ peer }) => before.chosen.has(peer)).slice(0, k)
  const places = new Set(incumbents)
  const others = eligible.filter((each) => !before.chosen.has(each.peer))
  const newcomers = others.slice(0, k === Infinity ? others.length : Math.max(0, k - incumbents.length))
  for (const newcomer of newcomers) places.add(newcomer)

  const reasons = new Map<PeerId, readonly Reason[]>()
  const betterSince = new Map<PeerId, number>()
  let dueAtMs = Infinity
  const challengers = others.slice(newcomers.length)
  // The best of the others against the worst of those that were chosen, and so on.
  for (const [i, incumbent] of incumbents.toReversed().entries()) {
    const challenger = challengers[i]
    if (challenger === undefined || challenger.scoreMs >= incumbent.scoreMs) break
    const aheadMs = incumbent.scoreMs - challenger.scoreMs
    const marginMs = Math.max(hysteresis.marginPart * incumbent.scoreMs, hysteresis.marginMs)
    if (aheadMs > marginMs) {
      const sinceMs = before.betterSince.get(challenger.peer) ?? nowMs
      // What was only assumed need not be waited for when something is measured.
      const holdMs = incumbent.assumed && !challenger.assumed ? 0 : hysteresis.holdMs
      const remainingMs = sinceMs + holdMs - nowMs
      if (remainingMs <= 0) {
        places.delete(incumbent)
        places.add(challenger)
        continue
      }
      betterSince.set(challenger.peer, sinceMs)
      dueAtMs = Math.min(dueAtMs, nowMs + remainingMs)
      const against = incumbent.peer
      reasons.set(challenger.peer, [{ kind: 'challenging', against, aheadMs, remainingMs }])
    }
    reasons.set(incumbent.peer, [{ kind: 'kept', against: challenger.peer, aheadMs, marginMs }])
  }
  const chosen = new Set([...places].map(({ peer }) => peer))
  return { state: { chosen, betterSince }, reasons, dueAtMs }
}
