import type { RaftStatus } from '../../../framework/groups/raft/ready.js'
import type { Index, MemberId } from '../../../framework/groups/raft/types.js'
import type { HandedOut, WatchedMember } from '../group/watched-member.js'
import { ViolationError, type Invariant } from './invariant.js'

/**
 * The commit index of a running member never goes back, nothing is applied that is not committed, nothing committed is
 * taken back, and terms never fall.
 */
export class CommitMonotonic implements Invariant {
  readonly name = 'commit monotonic'
  readonly #seen = new Map<MemberId, { readonly commitIndex: Index; readonly term: number }>()

  started(member: WatchedMember): void {
    this.#seen.delete(member.id)
  }

  handedOut({ id }: WatchedMember, { truncateFrom }: HandedOut): void {
    const commitIndex = this.#seen.get(id)?.commitIndex ?? 0
    if (truncateFrom !== undefined && truncateFrom <= commitIndex) {
      throw new ViolationError(
        this.name,
        `${id} takes back index ${truncateFrom} and has committed ${commitIndex}`,
      )
    }
  }

  stepped({ id, appliedIndex }: WatchedMember, { commitIndex, term }: RaftStatus): void {
    const seen = this.#seen.get(id)
    if (seen && commitIndex < seen.commitIndex) {
      throw new ViolationError(this.name, `${id} had committed ${seen.commitIndex}, and now ${commitIndex}`)
    }
    if (seen && term < seen.term) {
      throw new ViolationError(this.name, `${id} was in term ${seen.term}, and now is in term ${term}`)
    }
    if (appliedIndex > commitIndex) {
      throw new ViolationError(this.name, `${id} has applied ${appliedIndex} and committed ${commitIndex}`)
    }
    if (!seen || seen.commitIndex !== commitIndex || seen.term !== term)
      this.#seen.set(id, { commitIndex, term })
  }
}
