import { raceSignal, type Clock } from '#framework/primitives'
import type { Bond } from '../bond/bond.js'
import type { Mesh } from '../bond/mesh.js'
import type { Member } from '../member/member.js'
import { ReadConfirmation, type CoreFaults, type Index, type MemberId } from '../raft/index.js'
import { peerIdOf } from '../raft/member-id.js'
import { ForwardError, type Forwarding } from './forwarding.js'
import { ReadQuestion } from './read-question.js'
import type { Confirmation } from './shared-reads.js'

/** What a member says in the handshake if it tells its read index and its term to whoever confirms a read itself. */
export const readConfirmation = 'read-confirmation'

export interface ReadAskerOptions {
  readonly mesh: Pick<Mesh, 'get'>
  readonly forwarding: Pick<Forwarding, 'ask' | 'inquire'>
  readonly clock: Pick<Clock, 'after'>
  readonly faults: CoreFaults | undefined
}

/** What a member asks of others that is to answer a read and does not lead. */
export class ReadAsker {
  readonly #options: ReadAskerOptions
  /** Voters that did not answer in time, the last one last: they are asked when there is nobody else. */
  #missed: readonly MemberId[] = []

  constructor(options: ReadAskerOptions) {
    this.#options = options
  }

  /**
   * Resolves when what is committed is confirmed to be all that was before the call.
   *
   * @returns The index that has to be applied before the read is answered.
   * @throws ForwardError; the signal's reason.
   */
  async confirm(
    member: Member,
    leader: Bond,
    consistency: Confirmation,
    signal: AbortSignal,
  ): Promise<Index> {
    const question = consistency === 'strong' ? this.#questionOf(member, leader) : undefined
    if (question === undefined) return this.#askLeader(leader, consistency, signal)
    try {
      question.ask()
      return await raceSignal(question.confirmed, signal)
    } finally {
      question.end()
    }
  }

  /** Undefined when the leader has to confirm it: members in reach do not make a majority, or do not know how. */
  #questionOf(member: Member, leader: Bond): ReadQuestion | undefined {
    const { forwarding, clock, faults } = this.#options
    const { clusterId, configuration } = member
    if (clusterId === undefined || !leader.capabilities.includes(readConfirmation)) return undefined
    const confirmation = new ReadConfirmation({
      configuration,
      leader: leader.member,
      asker: member.id,
      faults,
    })
    const voters = this.#votersOf(confirmation)
    if (voters.length < confirmation.neededCount) return undefined
    return new ReadQuestion({
      clusterId,
      configuration,
      confirmation,
      leader,
      voters,
      ownTerm: () => member.termIn(clusterId),
      forwarding,
      clock,
      onMissed: (voter) => {
        const { voters: inForce } = member.configuration
        this.#missed = [...this.#missed.filter((each) => each !== voter && inForce.includes(each)), voter]
      },
    })
  }

  /** As many as are needed, if so many are in reach. */
  #votersOf({ others, neededCount }: ReadConfirmation): readonly Bond[] {
    const found: Bond[] = []
    if (neededCount === 0) return found
    const late = this.#missed.filter((voter) => others.includes(voter))
    const ordered = late.length === 0 ? others : [...others.filter((voter) => !late.includes(voter)), ...late]
    for (const voter of ordered) {
      const bond = this.#options.mesh.get(peerIdOf(voter))
      if (bond?.member === voter && bond.capabilities.includes(readConfirmation)) found.push(bond)
      if (found.length === neededCount) break
    }
    return found
  }

  async #askLeader(leader: Bond, consistency: Confirmation, signal: AbortSignal): Promise<Index> {
    const answer = await this.#options.forwarding.ask(leader, { type: 'read', consistency }, signal)
    if (answer.type !== 'readable') throw new ForwardError('refused')
    return answer.index
  }
}
