import type { RaftStatus } from '../../../framework/groups/raft/ready.js'
import type { MemberId, Term } from '../../../framework/groups/raft/types.js'
import type { DurableChange, WatchedMember } from '../group/watched-member.js'
import { ViolationError, type Invariant } from './invariant.js'

/**
 * Whoever leads has the votes of a majority of the voters, its own among them if that was counted, and each is on the disk of
 * whoever gave it (Raft, figure 2). A member that lost its disk counts with what was on it: as in "acknowledged is durable".
 */
export class VotesAreDurable implements Invariant {
  readonly name = 'votes are durable'
  /** By term: for whom each member has voted. */
  readonly #votes = new Map<Term, Map<MemberId, MemberId>>()
  readonly #checkedTerms = new Set<Term>()

  durable(member: MemberId, change: DurableChange): void {
    if (change.kind !== 'hard-state' || change.hardState.votedFor === undefined) return
    const { term, votedFor } = change.hardState
    const votes = this.#votes.get(term) ?? new Map<MemberId, MemberId>()
    this.#votes.set(term, votes.set(member, votedFor))
  }

  stepped({ id, core }: WatchedMember, { role, term }: RaftStatus): void {
    if (role !== 'leader' || this.#checkedTerms.has(term)) return
    this.#checkedTerms.add(term)
    const { voters } = core.configuration
    const votes = this.#votes.get(term)
    const granted = voters.filter((voter) => votes?.get(voter) === id)
    if (2 * granted.length > voters.length) return
    throw new ViolationError(
      this.name,
      `${id} leads term ${term}, and of the voters ${voters.join(', ')} only ${granted.join(', ')} have that they voted for it on disk`,
    )
  }
}
