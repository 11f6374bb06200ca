import type { Index, MemberId } from '../../../framework/groups/raft/types.js'
import type { DurableChange } from '../group/watched-member.js'
import { ViolationError, type Invariant } from './invariant.js'

/**
 * A snapshot of a member's own machine reaches the disk behind the entries that it stands for: what is applied may be ahead
 * of the log on the disk, and what is kept of it may not. One that came from elsewhere takes the place of the log.
 */
export class SnapshotsBehindLog implements Invariant {
  readonly name = 'snapshots behind log'
  /** Where the log on each disk ends. */
  readonly #lastIndex = new Map<MemberId, Index>()
  /** Snapshots whose log follows them in the same write. */
  readonly #unproven = new Map<MemberId, Index>()

  durable(member: MemberId, change: DurableChange): void {
    const lastIndex = this.#lastIndex.get(member) ?? 0
    switch (change.kind) {
      case 'hard-state':
        return
      case 'entry':
        this.#lastIndex.set(member, change.entry.index)
        return
      case 'truncate':
        this.#lastIndex.set(member, Math.min(lastIndex, change.from - 1))
        return
      case 'snapshot': {
        const { index } = change.snapshot.facts
        if (change.keepsEntries) this.#demand(member, lastIndex, index)
        else this.#lastIndex.set(member, index)
        return
      }
      case 'checkpoint':
        this.#lastIndex.set(member, change.base.index)
        this.#unproven.set(member, change.snapshot.facts.index)
    }
  }

  stepped(): void {
    for (const [member, index] of this.#unproven) this.#demand(member, this.#lastIndex.get(member)!, index)
    this.#unproven.clear()
  }

  #demand(member: MemberId, lastIndex: Index, index: Index): void {
    if (lastIndex >= index) return
    throw new ViolationError(
      this.name,
      `the disk of ${member} has a snapshot at index ${index}, and its log ends with ${lastIndex}`,
    )
  }
}
