import type { RaftStatus } from '../../../framework/groups/raft/ready.js'
import type { Entry, Index, Term } from '../../../framework/groups/raft/types.js'
import type { WatchedMember } from '../group/watched-member.js'
import { nameOf, sameEntry, ViolationError, type Invariant } from './invariant.js'

/** A committed entry is in the log of the leader of every later term (Raft, figure 3). */
export class LeaderCompleteness implements Invariant {
  readonly name = 'leader completeness'
  readonly #committed = new Map<Index, { readonly entry: Entry; readonly inTerm: Term }>()
  readonly #checkedTerms = new Set<Term>()

  committed(member: WatchedMember, entry: Entry): void {
    this.#committed.set(entry.index, { entry, inTerm: member.core.status.term })
  }

  stepped({ core, id }: WatchedMember, { role, term, firstIndex }: RaftStatus): void {
    if (role !== 'leader' || this.#checkedTerms.has(term)) return
    this.#checkedTerms.add(term)
    for (const { entry, inTerm } of this.#committed.values()) {
      if (inTerm >= term || entry.index < firstIndex) continue
      const own = core.entryAt(entry.index)
      if (!own || !sameEntry(own, entry)) {
        throw new ViolationError(
          this.name,
          `${id} leads term ${term} without ${nameOf(entry)}, committed in term ${inTerm}`,
        )
      }
    }
  }
}
