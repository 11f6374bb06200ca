import { MosaikError } from '#framework/primitives'

/**
 * The times that all members of a group must have in common; in milliseconds. They are part of the group's id, so that
 * members that disagree are members of different groups and never meet (docs/decisions/0018).
 */
export interface GroupTiming {
  /** How often something is said on a bond, at least, and the period of the leader's heartbeats. Default 500. */
  readonly heartbeatIntervalMs: number
  /** How far a heartbeat of a bond may be from its time, either way; less than the interval. Default 150. */
  readonly heartbeatJitterMs: number
  /** After how many heartbeats in a row without a word of the other side a bond is dead. Default 10. */
  readonly missedHeartbeatsMax: number
  /** For how long a follower is patient with a silent leader, at least. Default 2000. */
  readonly electionTimeoutMs: number
  /** By how much more, at most; drawn anew each time. Default 500. */
  readonly electionJitterMs: number
}

export const defaultTiming: GroupTiming = Object.freeze({
  heartbeatIntervalMs: 500,
  heartbeatJitterMs: 150,
  missedHeartbeatsMax: 10,
  electionTimeoutMs: 2_000,
  electionJitterMs: 500,
})

/** What a jitter may be: none at all. */
const MAY_BE_ZERO: ReadonlySet<keyof GroupTiming> = new Set(['heartbeatJitterMs', 'electionJitterMs'])

/**
 * The defaults with these changes.
 *
 * @throws {MosaikError} `GROUP_TIMING_INVALID`, naming the first that is no whole number, is negative or zero (a jitter may
 *   be zero), or does not fit the others: heartbeats must be steady enough that none is negative, and so frequent that a
 *   follower hears two of them within its patience.
 */
export function timingOf(changes: Partial<GroupTiming> = {}): GroupTiming {
  const timing: GroupTiming = { ...defaultTiming, ...changes }
  for (const name of Object.keys(defaultTiming) as (keyof GroupTiming)[]) {
    const value = timing[name]
    if (!Number.isSafeInteger(value) || value < (MAY_BE_ZERO.has(name) ? 0 : 1)) {
      throw invalid(name, `a whole number of at least ${MAY_BE_ZERO.has(name) ? 0 : 1}, not ${value}`)
    }
  }
  if (timing.heartbeatJitterMs >= timing.heartbeatIntervalMs) {
    throw invalid('heartbeatJitterMs', `less than heartbeatIntervalMs (${timing.heartbeatIntervalMs})`)
  }
  if (timing.electionTimeoutMs < 2 * timing.heartbeatIntervalMs) {
    throw invalid('electionTimeoutMs', `at least twice heartbeatIntervalMs (${timing.heartbeatIntervalMs})`)
  }
  return Object.freeze(timing)
}

function invalid(name: keyof GroupTiming, expected: string): MosaikError {
  return new MosaikError('GROUP_TIMING_INVALID', `${name} must be ${expected}`, { details: { name } })
}
