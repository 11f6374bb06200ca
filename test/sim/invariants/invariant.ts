import { MosaikError } from '#framework/primitives'
import type { RaftStatus, Ready } from '../../../framework/groups/raft/ready.js'
import type { Entry, Index, MemberId } from '../../../framework/groups/raft/types.js'
import type { JournalRecord, Recovered, Snapshot } from '../group/journal.js'
import type { SimMember } from '../group/member.js'
import type { ClientRequest } from '../group/messages.js'
import type { Applied } from '../group/registers.js'

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
  started?(member: SimMember, recovered: Recovered): void
  /** A member has done something. */
  stepped?(member: SimMember, status: RaftStatus): void
  /** The core has handed out what is to be done. */
  handedOut?(member: SimMember, ready: Ready): void
  /** A write of the member would survive every crash from now on. */
  durable?(member: MemberId, record: JournalRecord): void
  /** The member and its disk are gone. */
  lost?(member: MemberId): void
  /** An entry was committed for the first time, by this member. */
  committed?(member: SimMember, entry: Entry): void
  applied?(member: SimMember, entry: Entry, applied: readonly Applied[]): void
  restored?(member: SimMember, snapshot: Snapshot): void
  answeredRead?(member: SimMember, request: ClientRequest): void
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
