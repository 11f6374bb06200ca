import { MosaikError } from '#framework/primitives'
import type { RaftStatus } from '../../../framework/groups/raft/ready.js'
import type { Entry, Index, MemberId } from '../../../framework/groups/raft/types.js'
import type {
  AnsweredRead,
  DurableChange,
  FoundOnDisk,
  HandedOut,
  WatchedCommand,
  WatchedMember,
  WatchedSnapshot,
} from '../group/watched-member.js'

/** Something happened that never may. */
export class ViolationError extends MosaikError {
  readonly invariant: string

  constructor(invariant: string, message: string) {
    super('SIM_VIOLATION', `${invariant}: ${message}`)
    this.invariant = invariant
  }
}

/**
 * Something that is true of every group at every moment. Looks on from outside of the members, keeps what it needs to know
 * by itself, and throws a {@link ViolationError} as soon as it is not true. Each call costs time in proportion to what is new.
 */
export interface Invariant {
  readonly name: string
  /** A member was made of what was on its disk; nothing has been asked of it yet. */
  started?(member: WatchedMember, recovered: FoundOnDisk): void
  /** A member has done something. */
  stepped?(member: WatchedMember, status: RaftStatus): void
  /** The core has handed out what is to be done. */
  handedOut?(member: WatchedMember, ready: HandedOut): void
  /** A write of the member would survive every crash from now on. */
  durable?(member: MemberId, record: DurableChange): void
  /** The member and its disk are gone. */
  lost?(member: MemberId): void
  /** An entry was committed for the first time, by this member. */
  committed?(member: WatchedMember, entry: Entry): void
  applied?(member: WatchedMember, entry: Entry, applied: readonly WatchedCommand[]): void
  restored?(member: WatchedMember, snapshot: WatchedSnapshot): void
  answeredRead?(member: Pick<WatchedMember, 'id' | 'appliedIndex'>, request: AnsweredRead): void
}

/** The index of an entry with its term, for people. */
export function nameOf({ index, term }: { readonly index: Index; readonly term: number }): string {
  return `entry ${index} of term ${term}`
}

export function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true
  return (
    a.index === b.index &&
    a.term === b.term &&
    a.kind === b.kind &&
    a.applicationIndex === b.applicationIndex &&
    Buffer.compare(a.payload, b.payload) === 0
  )
}
