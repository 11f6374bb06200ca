import type { RaftStatus } from '../../../framework/groups/raft/ready.js'
import type {
  Configuration,
  Entry,
  Index,
  MemberId,
  SnapshotFacts,
} from '../../../framework/groups/raft/types.js'
import type { RestoredGroup, StorageWrite } from '../../../framework/groups/storage/storage.js'
import type { WatchedMember } from '../group/watched-member.js'

/** A member of production as its worker shows it. */
export interface LiveMember {
  readonly id: MemberId
  readonly status: RaftStatus
  readonly configuration: Configuration
}

interface Machine {
  readonly digest: number
  readonly appliedIndex: Index
  readonly values: ReadonlyMap<string, string>
}

export interface NodeMemberOptions {
  readonly id: MemberId
  readonly host: number
  readonly machine: Machine
  /** The one that lives on the node now, if any does. */
  readonly live: () => LiveMember | undefined
}

/** One member on a node, from the opening of its storage on, as it looks from outside. */
export class NodeMember implements WatchedMember {
  readonly id: MemberId
  readonly host: number
  readonly machine: Machine
  readonly core
  /** What is in front of the entries, unless that is the beginning. */
  #base: SnapshotFacts | undefined
  /** By index, as they were handed to the storage. */
  #entries: (Entry | undefined)[] = []

  constructor({ id, host, machine, live }: NodeMemberOptions, restored: RestoredGroup) {
    this.id = id
    this.host = host
    this.machine = machine
    this.#base = restored.base
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

  /** As it was handed to the storage. */
  get log(): { readonly base: SnapshotFacts | undefined; readonly entries: readonly Entry[] } {
    return { base: this.#base, entries: this.#entries.filter((entry) => entry !== undefined) }
  }

  onWrite({ snapshot, resetLog = false, truncateFrom, entries = [] }: StorageWrite): void {
    if (resetLog) {
      this.#entries = []
      this.#base = snapshot?.facts
    }
    if (truncateFrom !== undefined) this.#entries.length = Math.min(this.#entries.length, truncateFrom)
    for (const entry of entries) this.#entries[entry.index] = entry
  }
}
