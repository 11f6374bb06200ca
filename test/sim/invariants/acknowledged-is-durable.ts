import type { Configuration, Entry, MemberId } from '../../../framework/groups/raft/types.js'
import type { DurableChange, WatchedMember } from '../group/watched-member.js'
import { nameOf, ViolationError, type Invariant } from './invariant.js'
import { LogMirror } from './log-mirror.js'

/**
 * When the first member says that an entry is committed, a majority of the voters has it on disk, by the configuration
 * that this member goes by, or went by a moment before: it may have changed it since, in the same step. The disk is the
 * simulated one, not what members say about it. A member that lost its disk counts with what was on it, because a majority
 * that has lost its disks is beyond what consensus promises to survive.
 */
export class AcknowledgedIsDurable implements Invariant {
  readonly name = 'acknowledged is durable'
  readonly #disks = new Map<MemberId, LogMirror>()
  readonly #configurations = new Map<
    MemberId,
    { readonly before: Configuration; readonly now: Configuration }
  >()

  durable(member: MemberId, record: DurableChange): void {
    let disk = this.#disks.get(member)
    if (!disk) this.#disks.set(member, (disk = new LogMirror()))
    disk.follow(record)
  }

  stepped({ core, id }: WatchedMember): void {
    const { configuration } = core
    const known = this.#configurations.get(id)
    if (known?.before === configuration && known.now === configuration) return
    this.#configurations.set(id, { before: known?.now ?? configuration, now: configuration })
  }

  committed({ id }: WatchedMember, entry: Entry): void {
    // The founding is agreed on before the group begins.
    if (entry.index === 1) return
    const { before, now } = this.#configurations.get(id)!
    if (this.#isDurable(entry, before) || this.#isDurable(entry, now)) return
    const holders = now.voters.filter((voter) => this.#disks.get(voter)?.has(entry))
    throw new ViolationError(
      this.name,
      `${id} has committed ${nameOf(entry)}, which of the voters ${now.voters.join(', ')} only ${holders.join(', ')} have on disk`,
    )
  }

  #isDurable(entry: Entry, { voters }: Configuration): boolean {
    return 2 * voters.filter((voter) => this.#disks.get(voter)?.has(entry)).length > voters.length
  }
}
