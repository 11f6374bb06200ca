import { MosaikError } from '#framework/primitives'
import type { PeerInfo } from '../peer-info.js'

/** Which peers are wanted. Whatever is not said does not matter. */
export interface PreferenceOptions {
  /** How many peers to choose. Default: all that may be chosen. */
  readonly k?: number
  /** Whether a shorter round trip is better. Default: true. */
  readonly latency?: boolean
  /** Words that peers had better declare of themselves. */
  readonly tags?: readonly string[]
  /** The region (label `region`) that peers had better be in; `true` is the one of this node. */
  readonly region?: string | true
  /** The zone (label `zone`) that peers had better be in; `true` is the one of this node, in its region. */
  readonly zone?: string | true
  /** What each missing property counts. */
  readonly weights?: Partial<PreferenceWeights>
  /** Peers that are known to be further away are not chosen; in milliseconds. Default: as discovery's `maxRttMs`. */
  readonly maxRttMs?: number
  /** Peers for which it returns false are not chosen. It must be quick, and must depend on nothing but the peer. */
  readonly require?: (info: PeerInfo) => boolean
  /** How reluctantly a peer that was chosen is given up for a better one. */
  readonly hysteresis?: Partial<Hysteresis>
}

/**
 * What it counts when a peer lacks something that is preferred: as much as so many milliseconds of round trip. All that is
 * preferred is thereby of one unit, and a ranking can be explained as a sum.
 */
export interface PreferenceWeights {
  /** For each tag that the peer lacks. Default 100. */
  readonly tagMs: number
  /** Default 50. */
  readonly regionMs: number
  /** Default 10: more than the margin of the hysteresis, or who is in another zone would never be replaced. */
  readonly zoneMs: number
}

/** A peer that is chosen is replaced by one that is better by a margin, and has been without a pause for some time. */
export interface Hysteresis {
  /** The margin as a part of the score of the peer to be replaced. Default 0.2. */
  readonly marginPart: number
  /** The least margin, in milliseconds. Default 5. */
  readonly marginMs: number
  /** How long, in milliseconds. Default 10 000. */
  readonly holdMs: number
}

/** A preference in which nothing is left open. */
export interface Preference {
  /** Infinity is all. */
  readonly k: number
  readonly latency: boolean
  readonly tags: readonly string[]
  readonly region: string | true | undefined
  readonly zone: string | true | undefined
  readonly weights: PreferenceWeights
  /** Infinity is no limit. */
  readonly maxRttMs: number
  readonly require: ((info: PeerInfo) => boolean) | undefined
  readonly hysteresis: Hysteresis
}

const WEIGHTS: PreferenceWeights = { tagMs: 100, regionMs: 50, zoneMs: 10 }
const HYSTERESIS: Hysteresis = { marginPart: 0.2, marginMs: 5, holdMs: 10_000 }

/**
 * Peers that have what is preferred, as far as there are any: `prefer({ zone: true, tags: ['gpu'], k: 3 })`.
 *
 * @throws MosaikError `PREFERENCE_INVALID`, naming the field.
 */
export function prefer(options: PreferenceOptions = {}): Preference {
  const preference: Preference = {
    k: options.k ?? Infinity,
    latency: options.latency ?? true,
    tags: [...new Set(options.tags)],
    region: options.region,
    zone: options.zone,
    weights: { ...WEIGHTS, ...options.weights },
    maxRttMs: options.maxRttMs ?? Infinity,
    require: options.require,
    hysteresis: { ...HYSTERESIS, ...options.hysteresis },
  }
  const { k, maxRttMs, weights, hysteresis } = preference
  check('k', k, k >= 1 && (k === Infinity || Number.isSafeInteger(k)), 'a whole number, 1 or greater')
  check('maxRttMs', maxRttMs, maxRttMs > 0, 'greater than 0')
  for (const [name, value] of Object.entries({ ...weights, ...hysteresis })) {
    check(name, value, value >= 0 && value < Infinity, '0 or greater, and finite')
  }
  return Object.freeze(preference)
}

/**
 * The `k` peers with the shortest round trips, of all or of those that `options` leave.
 *
 * @throws MosaikError `PREFERENCE_INVALID`, naming the field.
 */
export function nearest(
  k = 1,
  options: Pick<PreferenceOptions, 'maxRttMs' | 'require' | 'hysteresis'> = {},
): Preference {
  return prefer({ ...options, k, latency: true })
}

function check(field: string, value: unknown, holds: boolean, must: string): void {
  if (holds) return
  throw new MosaikError('PREFERENCE_INVALID', `"${field}" of a preference must be ${must}`, {
    details: { field, value },
  })
}
