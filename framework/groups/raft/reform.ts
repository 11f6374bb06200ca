import { isMember } from './configuration.js'
import type { CoreFaults } from './faults.js'
import { originsAfter } from './lineage.js'
import { majorityOf } from './quorum.js'
import type { ClusterId, ClusterOrigin, Configuration, Index, MemberId, Term } from './types.js'

/** The end of a log: the later term is ahead, and of two of one term the longer one (Raft, §5.4.1). */
export interface LogEnd {
  readonly lastTerm: Term
  readonly lastIndex: Index
}

/** A bonded member that belongs to a cluster, as it says itself. Readers are none. */
export interface KnownMember {
  readonly member: MemberId
  readonly clusterId: ClusterId
  readonly lineage: readonly ClusterOrigin[]
  /** Where its log ends, if it too has given the majority up for lost and may go on without. */
  readonly survivor: LogEnd | undefined
}

/** What a member knows of its cluster. */
export interface ReformFacts {
  readonly self: MemberId
  readonly clusterId: ClusterId
  readonly configuration: Configuration
  readonly end: LogEnd
  /** Whether somebody leads whom a majority follows. */
  readonly hasLeader: boolean
  readonly bonded: readonly KnownMember[]
}

export type ReformDecision =
  | { readonly do: 'wait' }
  /** Make another cluster of this one, with this member's log. */
  | { readonly do: 'reform'; readonly learners: readonly MemberId[] }
  /** Go over to the one that another member has made. */
  | { readonly do: 'adopt'; readonly clusterId: ClusterId }

const WAIT: ReformDecision = { do: 'wait' }

/**
 * What a member does about a majority that is gone for good, once its patience is over. Of the survivors that have bonds
 * with each other, the one whose log is ahead makes another cluster, when all of them have given up waiting; by Raft's rule
 * for elections it has everything that any of them has and that was committed, so the others can go over to it. Whoever is
 * next does it when the one before has not for as long again. Pure; one for each cluster that the member is in.
 */
export class QuorumLoss {
  readonly #afterTicks: number
  readonly #faults: CoreFaults
  #lostTicks = 0
  /** For how long all survivors have said that it is lost. Undefined: not all do. */
  #agreedTicks: number | undefined

  /** @param afterTicks For how long neither a leader nor bonds with a majority must have been there. */
  constructor(afterTicks: number, faults: CoreFaults = {}) {
    this.#afterTicks = afterTicks
    this.#faults = faults
  }

  /** Whether this member has given the majority up for lost. */
  get isLost(): boolean {
    return this.#lostTicks >= this.#afterTicks
  }

  /** So much time has passed, and this is how it is. */
  onTick(ticks: number, facts: ReformFacts): ReformDecision {
    this.#lostTicks = facts.hasLeader || seesMajority(facts) ? 0 : this.#lostTicks + ticks
    const others = facts.bonded.filter(({ clusterId }) => clusterId === facts.clusterId)
    const isAgreed = this.isLost && others.every(({ survivor }) => survivor !== undefined)
    if (!isAgreed) this.#agreedTicks = undefined
    else this.#agreedTicks = this.#agreedTicks === undefined ? 0 : this.#agreedTicks + ticks
    if (!this.isLost) return WAIT

    const adopted = successorOf(facts, this.#faults)
    if (adopted !== undefined) return { do: 'adopt', clusterId: adopted }
    // Whom the others have taken out has no say, though it may be good enough to follow.
    if (this.#agreedTicks === undefined || !isMember(facts.configuration, facts.self)) return WAIT
    const aheadCount = others.filter((other) => isAhead(other, facts, this.#faults)).length
    if (this.#agreedTicks < aheadCount * this.#afterTicks) return WAIT
    return { do: 'reform', learners: others.map(({ member }) => member) }
  }
}

/** Below 0 when `a` is ahead of `b`. */
function compareLogEnds(a: LogEnd, b: LogEnd): number {
  return b.lastTerm - a.lastTerm || b.lastIndex - a.lastIndex
}

/** Whether a majority of the voters, this member included, is in its cluster and has bonds with it. */
function seesMajority({ self, clusterId, configuration, bonded }: ReformFacts): boolean {
  const here = new Set(bonded.filter((other) => other.clusterId === clusterId).map(({ member }) => member))
  const reached = configuration.voters.filter((voter) => voter === self || here.has(voter))
  return reached.length >= majorityOf(configuration.voters.length)
}

function isAhead(
  { member, survivor }: KnownMember,
  { self, end }: ReformFacts,
  { reformIgnoresLogEnds }: CoreFaults,
): boolean {
  const order = survivor === undefined || reformIgnoresLogEnds ? 0 : compareLogEnds(survivor, end)
  return order < 0 || (order === 0 && member < self)
}

/** The cluster of a bonded member that came of this one, through logs that had all that is committed here. */
function successorOf(
  { clusterId, configuration, end, bonded }: ReformFacts,
  { reformIgnoresLogEnds = false }: CoreFaults,
): ClusterId | undefined {
  // What the log is of: another cluster than that of the member, if it has gone over and got nothing yet.
  const own = configuration.lineage?.at(-1)?.clusterId
  if (own === undefined) return undefined
  const successors = bonded.filter((other) => {
    if (other.clusterId === clusterId) return false
    const origins = originsAfter(own, other.lineage)
    const isOfOther = origins?.at(-1)?.clusterId === other.clusterId
    return isOfOther && (reformIgnoresLogEnds || origins?.every((origin) => compareLogEnds(origin, end) <= 0))
  })
  return successors.map((other) => other.clusterId).sort()[0]
}
