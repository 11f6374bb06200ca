import type { RaftStatus } from '../../../framework/groups/raft/ready.js'
import type { Entry, Index, MemberId } from '../../../framework/groups/raft/types.js'
import { History } from '../clients/history.js'
import type { WatchedMember } from '../group/watched-member.js'
import { allInvariants } from '../invariants/index.js'
import { ViolationError, type Invariant } from '../invariants/invariant.js'
import type { WorldPlan } from './plan.js'
import { Trace } from './trace.js'

/** How a world ended. */
export interface WorldResult {
  readonly seed: number
  /** Undefined when all was well. */
  readonly violation: string | undefined
  /** Whether the voters that are left are too few for anything to go on, as chance would have it. */
  readonly isStalled: boolean
  readonly traceHash: string
  readonly traceTail: readonly string[]
  readonly eventCount: number
  readonly completedCount: number
  readonly unknownCount: number
  readonly committedIndex: Index
  readonly lastTerm: number
}

/** Who is in a place, and whether it runs. */
export interface Standing {
  readonly id: MemberId
  readonly member: WatchedMember | undefined
}

/** Keeps account of what happens in a world, whatever its members are made of, and says how it ended. */
export class Referee {
  readonly trace = new Trace()
  readonly history = new History()
  readonly invariants: readonly Invariant[]
  readonly #plan: WorldPlan
  /** Up to where somebody has committed. */
  #committedIndex: Index
  /** What was committed, by index. */
  readonly #committed: (Entry | undefined)[] = []
  #knownIndex: Index = 0
  /** Clients that did something since everything healed. */
  readonly #progressed = new Set<number>()

  /** @param committedIndex Up to where the log was committed when the account begins. */
  constructor(plan: WorldPlan, committedIndex: Index = 0) {
    this.#plan = plan
    this.#committedIndex = committedIndex
    this.invariants = allInvariants().filter(({ name }) => plan.invariants?.includes(name) ?? true)
  }

  get committedIndex(): Index {
    return this.#committedIndex
  }

  /** Undefined for what is not committed, or was before the account began. */
  committedAt(index: Index): Entry | undefined {
    return this.#committed[index]
  }

  /** The latest index that any client was told. */
  get knownIndex(): Index {
    return this.#knownIndex
  }

  learnIndex(index: Index): void {
    this.#knownIndex = Math.max(this.#knownIndex, index)
  }

  completed(client: number, invokedAt: number): void {
    if (invokedAt > this.#plan.healAtMs) this.#progressed.add(client)
  }

  /** A member has done something. */
  stepped(member: WatchedMember): void {
    const { status } = member.core
    for (const invariant of this.invariants) invariant.stepped?.(member, status)
    while (this.#committedIndex < status.commitIndex) {
      const entry = member.core.entryAt(++this.#committedIndex)
      if (!entry) continue
      this.#committed[entry.index] = entry
      for (const invariant of this.invariants) invariant.committed?.(member, entry)
    }
  }

  /** @throws ViolationError when what clients have seen is not as if they had come one after the other. */
  checkHistory(): void {
    const problem = this.history.problem()
    if (problem !== undefined) throw new ViolationError('linearizability', problem)
  }

  /**
   * At the end of a calm time, with nobody asking, all clients have got on and all members have applied the same.
   *
   * @throws ViolationError
   */
  checkProgress(clients: readonly number[], standings: readonly Standing[]): void {
    const idle = clients.filter((client) => !this.#progressed.has(client))
    if (idle.length > 0) {
      throw new ViolationError(
        'progress',
        `clients ${idle.join(' ')} got nothing done after everything healed`,
      )
    }
    const leader = standings.find(({ member }) => member?.core.status.role === 'leader')?.member
    if (!leader) throw new ViolationError('progress', 'there is no leader at the end')
    const { voters, learners } = leader.core.configuration
    for (const { id, member } of standings) {
      if (!voters.includes(id) && !learners.includes(id)) continue
      if (member?.appliedIndex !== leader.appliedIndex || member.machine.digest !== leader.machine.digest) {
        throw new ViolationError(
          'progress',
          `at the end ${id} has applied ${member?.appliedIndex}, and the leader ${leader.appliedIndex}`,
        )
      }
    }
  }

  result(end: Pick<WorldResult, 'violation' | 'isStalled'>, statuses: readonly RaftStatus[]): WorldResult {
    const { trace, history } = this
    return {
      ...end,
      seed: this.#plan.seed,
      traceHash: trace.hash,
      traceTail: trace.tail(200),
      eventCount: trace.eventCount,
      completedCount: history.completedCount,
      unknownCount: history.unknownCount,
      committedIndex: this.#committedIndex,
      lastTerm: Math.max(0, ...statuses.map(({ term }) => term)),
    }
  }
}

/** The voters of the latest configuration that any of these have; undefined when there are none of them. */
export function latestVoters(members: readonly WatchedMember[]): readonly MemberId[] | undefined {
  const rank = ({ core }: WatchedMember): number => core.status.lastTerm * 1e9 + core.status.lastIndex
  return members.toSorted((a, b) => rank(b) - rank(a))[0]?.core.configuration.voters
}

/** Whether too few of the voters are still themselves. */
export function isMajorityGone(voters: readonly MemberId[], ids: readonly MemberId[]): boolean {
  return 2 * voters.filter((voter) => ids.includes(voter)).length <= voters.length
}
