import type { PeerId } from '#framework/primitives'
import { configurationOf } from './configuration.js'
import { peerIdOf } from './member-id.js'
import type { MemberProgress } from './ready.js'
import type { Configuration, Index, MemberId } from './types.js'

export interface MembershipLimits {
  /** Default 5. */
  readonly maxVoters: number
  /** How long a voter may be out of reach before it loses its vote, in ticks. Default 600 (30 s). */
  readonly evictAfterTicks: number
}

export const DEFAULT_MEMBERSHIP: MembershipLimits = { maxVoters: 5, evictAfterTicks: 600 }

/** A peer with which there is a bond at the moment. */
export interface BondedMember {
  readonly member: MemberId
  /** Readers get the log and never become members. */
  readonly isReader: boolean
}

/** What the leader knows. */
export interface MembershipFacts {
  readonly self: MemberId
  readonly configuration: Configuration
  readonly lastIndex: Index
  readonly progress: readonly MemberProgress[]
  readonly bonded: readonly BondedMember[]
  /** Members that have said that they leave. */
  readonly leaving: readonly MemberId[]
}

/** What the leader is to do next. */
export type MembershipStep =
  | { readonly do: 'change'; readonly configuration: Configuration }
  /** It is the leader itself that leaves: somebody else should lead first. */
  | { readonly do: 'transfer'; readonly target: MemberId }

/**
 * The next step towards the right members, one voter at a time: who leaves goes first, then former incarnations, then
 * voters that are out of reach; caught-up learners take their places. Undefined when nothing is to be done. Pure; the
 * leader asks again when the last step is committed.
 */
export function nextMembershipStep(
  facts: MembershipFacts,
  limits: MembershipLimits = DEFAULT_MEMBERSHIP,
): MembershipStep | undefined {
  const { self, configuration, leaving, progress } = facts
  const { voters, learners } = configuration
  const others = voters.filter((voter) => voter !== self)
  const of = new Map(progress.map((known) => [known.member, known]))

  const bondedPeers = new Map<PeerId, MemberId>(
    facts.bonded.filter(({ isReader }) => !isReader).map(({ member }) => [peerIdOf(member), member]),
  )
  // A new incarnation proves that the former one is gone for good.
  const isReplaced = (member: MemberId): boolean => (bondedPeers.get(peerIdOf(member)) ?? member) !== member
  const isBonded = (member: MemberId): boolean => bondedPeers.get(peerIdOf(member)) === member

  if (leaving.includes(self) && voters.includes(self) && others.length > 0) {
    const target = successorOf(facts)
    if (target) return { do: 'transfer', target }
  }
  // Of two voters, the other is of no use without a bond, and cannot be elected without this one.
  const patience = voters.length === 2 ? 0 : limits.evictAfterTicks
  const isGone = (member: MemberId): boolean =>
    !isBonded(member) && (of.get(member)?.silentTicks ?? 0) >= patience

  // Who leaves must not leave behind voters of whom no majority can be reached: one that is out of reach goes first.
  const canGoOn = (rest: readonly MemberId[]): boolean =>
    rest.filter((voter) => voter === self || isBonded(voter)).length > rest.length / 2
  const leaver = others.find((voter) => leaving.includes(voter))
  const isLeaverNeeded = leaver !== undefined && !canGoOn(voters.filter((voter) => voter !== leaver))
  const lost =
    (isLeaverNeeded ? others.find((voter) => !isBonded(voter)) : undefined) ??
    leaver ??
    others.find((voter) => isReplaced(voter)) ??
    others.find((voter) => isGone(voter))
  const wantedLearners = new Set([
    ...learners.filter((learner) => !leaving.includes(learner) && !isReplaced(learner) && !isGone(learner)),
    ...[...bondedPeers.values()].filter((member) => !voters.includes(member) && !leaving.includes(member)),
  ])
  wantedLearners.delete(self)
  if (lost !== undefined) {
    return {
      do: 'change',
      configuration: configurationOf(
        voters.filter((voter) => voter !== lost),
        wantedLearners,
      ),
    }
  }

  const ready = [...wantedLearners]
    .map((member) => of.get(member))
    .filter((known) => known !== undefined && known.role === 'learner' && isCaughtUp(known, facts.lastIndex))
  const promoted = voters.length < limits.maxVoters ? bestOf(ready) : undefined
  const next =
    promoted === undefined
      ? configurationOf(voters, wantedLearners)
      : configurationOf([...voters, promoted], wantedLearners)
  return isSame(next, configuration) ? undefined : { do: 'change', configuration: next }
}

/** Who should lead when this leader goes: of the voters that are in reach and stay, the one with the longest log. */
export function successorOf({
  self,
  configuration,
  progress,
  bonded,
  leaving,
}: MembershipFacts): MemberId | undefined {
  const inReach = new Set(bonded.filter(({ isReader }) => !isReader).map(({ member }) => member))
  const candidates = configuration.voters.filter(
    (voter) => voter !== self && inReach.has(voter) && !leaving.includes(voter),
  )
  return bestOf(candidates.map((voter) => progress.find(({ member }) => member === voter)))
}

/** For two rounds, so that it is not by chance; or all of it. */
function isCaughtUp({ caughtUpRounds, matchIndex }: MemberProgress, lastIndex: Index): boolean {
  return caughtUpRounds >= 2 || matchIndex === lastIndex
}

/** The one whose log is the longest; of several, the first. */
function bestOf(candidates: readonly (MemberProgress | undefined)[]): MemberId | undefined {
  let best: MemberProgress | undefined
  for (const candidate of candidates)
    if (candidate && (!best || candidate.matchIndex > best.matchIndex)) best = candidate
  return best?.member
}

function isSame(a: Configuration, b: Configuration): boolean {
  return a.voters.join() === b.voters.join() && a.learners.join() === b.learners.join()
}
