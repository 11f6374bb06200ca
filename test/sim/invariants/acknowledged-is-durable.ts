import type { Entry, MemberId } from '../../../framework/groups/raft/types.js'
import type { JournalRecord } from '../group/journal.js'
import type { SimMember } from '../group/member.js'
import { nameOf, ViolationError, type Invariant } from './invariant.js'
import { LogMirror } from './log-mirror.js'

/**
 * When the first member says that an entry is committed, a majority of the voters has it on disk, by the configuration
 * that this member goes by. The disk is the simulated one, not what members say about it. A member that lost its disk
 * counts with what was on it, because a majority that has lost its disks is beyond what consensus promises to survive.
 */
export class AcknowledgedIsDurable implements Invariant {
  readonly name = 'acknowledged is durable'
  readonly #disks = new Map<MemberId, LogMirror>()

  durable(member: MemberId, record: JournalRecord): void {
    let disk = this.#disks.get(member)
    if (!disk) this.#disks.set(member, (disk = new LogMirror()))
    disk.follow(record)
  }

  committed({ core, id }: SimMember, entry: Entry): void {
    // The founding is agreed on before the group begins.
    if (entry.index === 1) return
    const { voters } = core.configuration
    const holders = voters.filter((voter) => this.#disks.get(voter)?.has(entry))
    if (2 * holders.length > voters.length) return
    throw new ViolationError(
      this.name,
      `${id} has committed ${nameOf(entry)}, which of the voters ${voters.join(', ')} only ${holders.join(', ')} have on disk`,
    )
  }
}
