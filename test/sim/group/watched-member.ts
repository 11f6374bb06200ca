import type { RaftStatus, Ready } from '../../../framework/groups/raft/ready.js'
import type {
  Configuration,
  Entry,
  HardState,
  Index,
  MemberId,
  RestoredState,
  SnapshotFacts,
} from '../../../framework/groups/raft/types.js'
import type { RegisterInput } from '../clients/register.js'

/** A running member, as those see it who watch that all is well. */
export interface WatchedMember {
  readonly id: MemberId
  readonly host: number
  readonly appliedIndex: Index
  readonly machine: { readonly digest: number }
  readonly core: {
    readonly status: RaftStatus
    readonly configuration: Configuration
    /** Undefined when it is not in the log, or only as part of a snapshot. */
    entryAt(index: Index): Entry | undefined
  }
}

/** What a member found on its disk. */
export interface FoundOnDisk {
  readonly restored: Pick<RestoredState, 'base' | 'entries'>
}

/** What the core has handed out to be done, as much of it as somebody watches. */
export type HandedOut = Pick<Ready, 'snapshot' | 'truncateFrom' | 'entries' | 'incidents'>

/** What one command has come to at one member. */
export interface WatchedCommand {
  readonly command: { readonly input: RegisterInput }
  /** Whether it changed anything now, or had been applied before. */
  readonly isFirst: boolean
}

/** A state that a member goes on from. */
export interface WatchedSnapshot {
  readonly facts: Pick<SnapshotFacts, 'index'>
  readonly machine: { readonly digest: number }
}

/** A change of a log that would survive every crash from now on. */
export type DurableChange =
  | { readonly kind: 'hard-state'; readonly hardState: HardState }
  | {
      readonly kind: 'snapshot'
      readonly snapshot: { readonly facts: SnapshotFacts }
      readonly keepsEntries: boolean
    }
  /** A snapshot in place of every entry up to and including `base`. The entries behind it follow. */
  | {
      readonly kind: 'checkpoint'
      readonly snapshot: { readonly facts: SnapshotFacts }
      readonly base: Pick<SnapshotFacts, 'index'>
    }
  | { readonly kind: 'truncate'; readonly from: Index }
  | { readonly kind: 'entry'; readonly entry: Entry }

/** A read that a client was given the answer to. */
export interface AnsweredRead {
  readonly client: number
  readonly consistency: 'strong' | 'lease'
  /** The highest index of a write that any client knew to be done when this operation began. */
  readonly knownIndex: Index
}
