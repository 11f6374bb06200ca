import type { Entry, Index, MemberId } from '../../../framework/groups/raft/types.js'
import type { WatchedMember, WatchedSnapshot } from '../group/watched-member.js'
import { nameOf, sameEntry, ViolationError, type Invariant } from './invariant.js'

/**
 * All members apply the same entries, one after the other, and so come to the same states (Raft, figure 3). States are
 * compared by digest after every entry, which also finds a machine or a snapshot that leaves something out.
 */
export class StateMachineSafety implements Invariant {
  readonly name = 'state machine safety'
  readonly #applied = new Map<Index, { readonly entry: Entry; readonly digest: number }>()
  readonly #lastIndex = new Map<MemberId, Index>()

  started(member: WatchedMember): void {
    this.#lastIndex.set(member.id, member.appliedIndex)
  }

  restored(member: WatchedMember, { facts, machine }: WatchedSnapshot): void {
    this.#lastIndex.set(member.id, facts.index)
    const applied = this.#applied.get(facts.index)
    if (applied && applied.digest !== machine.digest) {
      throw new ViolationError(
        this.name,
        `the snapshot at index ${facts.index} that ${member.id} goes on from is not the state of others`,
      )
    }
  }

  applied(member: WatchedMember, entry: Entry): void {
    const lastIndex = this.#lastIndex.get(member.id)!
    if (entry.index !== lastIndex + 1) {
      throw new ViolationError(this.name, `${member.id} applies ${nameOf(entry)} after index ${lastIndex}`)
    }
    this.#lastIndex.set(member.id, entry.index)
    const { digest } = member.machine
    const first = this.#applied.get(entry.index)
    if (!first) {
      this.#applied.set(entry.index, { entry, digest })
      return
    }
    if (!sameEntry(first.entry, entry)) {
      throw new ViolationError(
        this.name,
        `${member.id} applies ${nameOf(entry)} where others applied ${nameOf(first.entry)}`,
      )
    }
    if (first.digest !== digest) {
      throw new ViolationError(
        this.name,
        `after index ${entry.index} ${member.id} is in another state than others`,
      )
    }
  }
}
