import { messageOf } from '#framework/primitives'
import type { PeerEntry } from '../entry.js'
import type { PeerInfo } from '../peer-info.js'
import type { Latencies } from './latency.js'
import type { Preference } from './preference.js'
import type { Exclusion, Reason } from './result.js'

/** What a preference makes of one peer. */
export interface Score {
  /** Less is better. */
  readonly scoreMs: number
  readonly reasons: readonly Reason[]
}

/** What a peer counts, in milliseconds, and what that is the sum of. Pure. */
export function scoreOf(info: PeerInfo, preference: Preference, me: PeerEntry, latencies: Latencies): Score {
  const reasons = [
    ...latencyReason(info, preference, latencies),
    ...localityReasons(info, preference, me),
    ...preference.tags.map((tag) => {
      const present = info.tags.includes(tag)
      return { kind: 'tag', tag, present, costMs: present ? 0 : preference.weights.tagMs } as const
    }),
  ]
  return { scoreMs: reasons.reduce((sum, { costMs }) => sum + costMs, 0), reasons }
}

/**
 * Why a peer may not be chosen, if so. Pure, as far as the predicate is.
 *
 * @param maxRttMs How far away a peer may be.
 */
export function exclusionOf(info: PeerInfo, preference: Preference, maxRttMs: number): Exclusion | undefined {
  const { rttMs } = info
  if (rttMs !== undefined && rttMs > maxRttMs) {
    return { kind: 'excluded', because: 'max-rtt', rttMs, maxRttMs }
  }
  try {
    if (preference.require?.(info) === false) return { kind: 'excluded', because: 'require' }
  } catch (error) {
    return failedWith(error)
  }
  return undefined
}

/** What to say of a peer when a predicate of the user throws: that is no reason to choose it, nor to fail. */
export function failedWith(error: unknown): Exclusion {
  return { kind: 'excluded', because: 'predicate-failed', message: messageOf(error) }
}

type CostReason = Extract<Reason, { readonly costMs: number }>

function latencyReason(info: PeerInfo, { latency }: Preference, latencies: Latencies): CostReason[] {
  if (!latency) return []
  const { ms, basis } = latencies.of(info)
  return [{ kind: 'latency', costMs: ms, basis }]
}

/** Where this node does not say where it is itself, its own region or zone is nothing to prefer. */
function localityReasons({ labels }: PeerInfo, preference: Preference, me: PeerEntry): CostReason[] {
  const { weights } = preference
  const reasons: CostReason[] = []
  const region = preference.region === true ? me.labels.region : preference.region
  if (region !== undefined) {
    const same = labels.region === region
    const costMs = same ? 0 : weights.regionMs
    reasons.push({ kind: 'region', wanted: region, actual: labels.region, same, costMs })
  }
  const zone = preference.zone === true ? me.labels.zone : preference.zone
  if (zone !== undefined) {
    const inRegion = preference.zone !== true || labels.region === me.labels.region
    const same = inRegion && labels.zone === zone
    reasons.push({
      kind: 'zone',
      wanted: zone,
      actual: labels.zone,
      same,
      costMs: same ? 0 : weights.zoneMs,
    })
  }
  return reasons
}
