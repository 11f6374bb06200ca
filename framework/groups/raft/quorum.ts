import type { CoreFaults } from './faults.js'
import type { Configuration, MemberId } from './types.js'

/** Who is counted, and how many of them decide. */
export interface Electorate {
  readonly members: readonly MemberId[]
  /** At least 1. */
  readonly needed: number
}

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1
}

/** A majority of the configured voters. Who can be reached at the moment does not matter. */
export function electorateOf(
  configuration: Configuration,
  faults: CoreFaults,
  isReachable: (member: MemberId) => boolean,
): Electorate {
  const { voters, learners } = configuration
  if (faults.quorumByReachability) {
    const members = voters.filter((voter) => isReachable(voter))
    return { members, needed: majorityOf(members.length) }
  }
  const members = faults.learnerCounts ? [...voters, ...learners] : voters
  return { members, needed: majorityOf(voters.length) }
}

/** The highest value that enough members have reached: at least `needed` of them are there or beyond. */
export function reachedByQuorum(
  { members, needed }: Electorate,
  valueOf: (member: MemberId) => number,
): number {
  if (members.length < needed) return -Infinity
  const values = members.map(valueOf).sort((a, b) => b - a)
  return values[needed - 1]!
}
