import type { RaftStatus } from '../../../framework/groups/raft/ready.js'
import type { Configuration, Entry, Index, MemberId } from '../../../framework/groups/raft/types.js'
import type { RestoredGroup, StorageWrite } from '../../../framework/groups/storage/storage.js'
import type { WatchedMember } from '../group/watched-member.js'

/** A member of production as its worker shows it. */
export interface LiveMember {
  readonly id: MemberId
  readonly status: RaftStatus
  readonly configuration: Configuration
}

export interface NodeMemberOptions {
  readonly id: MemberId
  readonly host: number
  readonly machine: { readonly digest: number; readonly appliedIndex: Index }
  /** The one that lives on the node now, if any does. */
  readonly live: () => LiveMember | undefined
}

/** One member on a node, from the opening of its storage on, as it looks from outside. */
export class NodeMember implements WatchedMember {
  readonly id: MemberId
  readonly host: number
  readonly machine: { readonly digest: number; readonly appliedIndex: Index }
  readonly core
  /** By index, as they were handed to the storage. */
  #entries: (Entry | undefined)[] = []

  constructor({ id, host, machine, live }: NodeMemberOptions, restored: RestoredGroup) {
    this.id = id
    this.host = host
    this.machine = machine
    for (const entry of restored.entries) this.#entries[entry.index] = entry
    const self = (): LiveMember => {
      const member = live()
      if (member?.id !== id) throw new Error(`${id} does not live any more`)
      return member
    }
    this.core = {
      get status() {
        return self().status
      },
      get configuration() {
        return self().configuration
      },
      entryAt: (index: Index) => this.#entries[index],
    }
  }

  get appliedIndex(): Index {
    return this.machine.appliedIndex
  }

  onWrite({ resetLog = false, truncateFrom, entries = [] }: StorageWrite): void {
    if (resetLog) this.#entries = []
    if (truncateFrom !== undefined) this.#entries.length = Math.min(this.#entries.length, truncateFrom)
    for (const entry of entries) this.#entries[entry.index] = entry
  }
}
