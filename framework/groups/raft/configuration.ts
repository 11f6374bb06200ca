import { decode, encode } from '#framework/primitives'
import { lineageOfTuples, lineageToTuples } from './lineage.js'
import type { Configuration, MemberId } from './types.js'
import { verdictsOfTuples, verdictsToTuples } from './verdicts.js'

/** Before the first one: nobody counts, so nobody is elected. */
export const NO_CONFIGURATION: Configuration = Object.freeze({
  voters: Object.freeze([]),
  learners: Object.freeze([]),
})

/** The same members in order, each once; who is both a voter and a learner is a voter. */
export function configurationOf(
  voters: Iterable<MemberId>,
  learners: Iterable<MemberId> = [],
): Configuration {
  const voterSet = new Set(voters)
  const learnerSet = new Set([...learners].filter((member) => !voterSet.has(member)))
  return { voters: [...voterSet].sort(), learners: [...learnerSet].sort() }
}

/** The payload of an entry. Equal configurations have equal payloads. */
export function encodeConfiguration({
  voters,
  learners,
  lineage = [],
  verdicts = [],
}: Configuration): Uint8Array {
  const fields = [voters, learners, lineageToTuples(lineage), verdictsToTuples(verdicts)]
  // What is empty at the end is left out.
  return encode(fields.slice(0, verdicts.length > 0 ? 4 : lineage.length > 0 ? 3 : 2))
}

/** Undefined when these are not the bytes of a configuration in order. */
export function decodeConfiguration(payload: Uint8Array): Configuration | undefined {
  let value: unknown
  try {
    value = decode(payload)
  } catch {
    return undefined
  }
  if (!Array.isArray(value) || value.length < 2 || value.length > 4) return undefined
  const [voters, learners, origins = [], decisions = []] = value as readonly unknown[]
  if (!isMemberList(voters) || !isMemberList(learners)) return undefined
  const lineage = lineageOfTuples(origins)
  const verdicts = verdictsOfTuples(decisions)
  if (lineage === undefined || verdicts === undefined) return undefined
  const configuration = {
    voters,
    learners,
    ...(lineage.length > 0 && { lineage }),
    ...(verdicts.length > 0 && { verdicts }),
  }
  return isWellFormed(configuration) ? configuration : undefined
}

export function isMember({ voters, learners }: Configuration, member: MemberId): boolean {
  return voters.includes(member) || learners.includes(member)
}

/** What somebody is who gets the log. */
export function roleOf(
  { voters, learners }: Configuration,
  member: MemberId,
): 'voter' | 'learner' | 'observer' {
  if (voters.includes(member)) return 'voter'
  return learners.includes(member) ? 'learner' : 'observer'
}

/** Whether it has a voter, both lists are in order, and nobody is in it twice. */
export function isWellFormed({ voters, learners }: Configuration): boolean {
  return (
    voters.length > 0 &&
    isAscending(voters) &&
    isAscending(learners) &&
    !learners.some((learner) => voters.includes(learner))
  )
}

/**
 * Whether any majority of the one has a member in common with any majority of the other: at most one voter more, or one
 * fewer (Ongaro 2014, §4.1). Learners do not matter.
 */
export function isSingleStep(from: Configuration, to: Configuration): boolean {
  const added = to.voters.filter((voter) => !from.voters.includes(voter)).length
  const removed = from.voters.filter((voter) => !to.voters.includes(voter)).length
  return added + removed <= 1
}

/** Whether the same majorities decide by either. */
export function haveSameVoters(a: Configuration, b: Configuration): boolean {
  return a.voters.length === b.voters.length && a.voters.every((voter, at) => voter === b.voters[at])
}

function isMemberList(value: unknown): value is MemberId[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'string')
}

function isAscending(members: readonly MemberId[]): boolean {
  return members.every((member, at) => at === 0 || members[at - 1]! < member)
}
