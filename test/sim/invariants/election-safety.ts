import type { RaftStatus } from '../../../framework/groups/raft/ready.js'
import type { MemberId, Term } from '../../../framework/groups/raft/types.js'
import type { WatchedMember } from '../group/watched-member.js'
import { ViolationError, type Invariant } from './invariant.js'

/** At most one leader is elected in a term (Raft, figure 3). */
export class ElectionSafety implements Invariant {
  readonly name = 'election safety'
  readonly #leaders = new Map<Term, MemberId>()

  stepped({ id }: WatchedMember, { role, term }: RaftStatus): void {
    if (role !== 'leader') return
    const leader = this.#leaders.get(term)
    if (leader === undefined) this.#leaders.set(term, id)
    else if (leader !== id) throw new ViolationError(this.name, `${leader} and ${id} both lead term ${term}`)
  }
}
