import { invariant } from '#framework/primitives'

/** What is known of the round trip to a peer. Times are in milliseconds. */
export interface RttEstimate {
  /** The smoothed round trip: SRTT of RFC 6298. */
  readonly smoothedMs: number
  /** How far round trips are from it on average: RTTVAR of RFC 6298. */
  readonly variationMs: number
  /** When the last one was measured, on the monotonic clock. */
  readonly sampledAtMs: number
}

/** The share of a new round trip in the smoothed one, and of a new deviation in the variation (RFC 6298 §2.3). */
const SMOOTHED_GAIN = 1 / 8
const VARIATION_GAIN = 1 / 4

/**
 * How far apart measurements are for which those shares are meant, in milliseconds. The RFC counts measurements, one a
 * round trip. Ours come a thousand a second over a busy stream and every quarter of a minute over an idle connection; so
 * that both remember the same stretch of time, about forty seconds, the share depends on the time since the last one.
 */
const SPACING_MS = 5_000

/**
 * The estimate after one more round trip was measured. Pure. Many measurements of one moment weigh together as much as
 * one of them; the estimate is never beyond the shortest and the longest one it was made from.
 *
 * @param before Nothing, or an estimate of another path, when this is the first one.
 * @param sampleMs The round trip, in milliseconds; not negative.
 */
export function estimateAfter(before: RttEstimate | undefined, sampleMs: number, nowMs: number): RttEstimate {
  invariant(sampleMs >= 0 && sampleMs < Infinity, `a round trip does not take ${sampleMs} ms`)
  if (before === undefined) return { smoothedMs: sampleMs, variationMs: sampleMs / 2, sampledAtMs: nowMs }
  const passed = Math.max(0, nowMs - before.sampledAtMs) / SPACING_MS
  const { smoothedMs, variationMs } = before
  return {
    // The RFC computes the variation first, from the smoothed round trip as it was before.
    variationMs: mixed(variationMs, Math.abs(smoothedMs - sampleMs), gainAfter(VARIATION_GAIN, passed)),
    smoothedMs: mixed(smoothedMs, sampleMs, gainAfter(SMOOTHED_GAIN, passed)),
    sampledAtMs: Math.max(nowMs, before.sampledAtMs),
  }
}

/** The share of the new after so many spacings: what one share for each of them makes in all. */
function gainAfter(gain: number, spacings: number): number {
  return 1 - (1 - gain) ** spacings
}

/** Between the two, also where rounding would lead beyond. */
function mixed(before: number, now: number, share: number): number {
  const value = before + share * (now - before)
  return Math.min(Math.max(value, Math.min(before, now)), Math.max(before, now))
}
