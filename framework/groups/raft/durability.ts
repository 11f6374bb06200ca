import { invariant } from '#framework/primitives'
import type { RaftLog } from './raft-log.js'
import type { InstalledSnapshot } from './ready.js'
import type { Entry, HardState, Index } from './types.js'

/** What is to be written, in this order. */
export interface Writes {
  readonly hardState: HardState | undefined
  readonly snapshot: InstalledSnapshot | undefined
  readonly truncateFrom: Index | undefined
  readonly entries: readonly Entry[]
}

/** Writes that are on their way to the disk. */
interface PendingWrites {
  readonly id: number
  readonly hardStateVersion: number
  /** Up to where the log is durable when they are. Shrinks when the log is truncated meanwhile. */
  lastIndex: Index
}

/**
 * What of this member's state is durable. Several writes may be on their way at once; a truncation that comes after a
 * write also takes back what that write will have made durable.
 */
export class Durability {
  #durableIndex: Index
  /** Up to where entries were handed out to be written. */
  #handedOutIndex: Index
  #truncateFrom: Index | undefined
  #snapshot: InstalledSnapshot | undefined
  #hardState: HardState | undefined
  #hardStateVersion = 0
  #durableVersion = 0
  readonly #pending: PendingWrites[] = []

  /** @param lastIndex The end of the log that was restored: all of it is durable. */
  constructor(lastIndex: Index) {
    this.#durableIndex = lastIndex
    this.#handedOutIndex = lastIndex
  }

  /** Up to where the log is durable and has not been truncated since. */
  get durableIndex(): Index {
    return this.#durableIndex
  }

  /** Whether the hard state is durable as it is now. */
  get isHardStateDurable(): boolean {
    return this.#durableVersion === this.#hardStateVersion
  }

  hasWrites(log: RaftLog): boolean {
    return (
      this.#hardState !== undefined ||
      this.#snapshot !== undefined ||
      this.#truncateFrom !== undefined ||
      log.lastIndex > this.#handedOutIndex
    )
  }

  onHardState(hardState: HardState): void {
    this.#hardState = hardState
    this.#hardStateVersion++
  }

  /** The log will end before `index`. */
  onTruncate(index: Index): void {
    if (index <= this.#handedOutIndex) this.#truncateFrom = Math.min(this.#truncateFrom ?? index, index)
    this.#takeBackFrom(index)
  }

  /** The log is replaced by a snapshot, or begins behind it from now on. */
  onSnapshot(snapshot: InstalledSnapshot): void {
    this.#snapshot = snapshot
    if (!snapshot.keepsEntries) {
      this.#truncateFrom = undefined
      this.#takeBackFrom(0)
    }
    // Entries up to the snapshot need not be written any more: it stands for them.
    this.#handedOutIndex = Math.max(this.#handedOutIndex, snapshot.facts.index)
  }

  take(id: number, log: RaftLog): Writes {
    const writes = {
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      truncateFrom: this.#truncateFrom,
      entries: log.slice(this.#handedOutIndex + 1, Infinity, Infinity),
    }
    this.#hardState = undefined
    this.#snapshot = undefined
    this.#truncateFrom = undefined
    this.#handedOutIndex = log.lastIndex
    this.#pending.push({ id, hardStateVersion: this.#hardStateVersion, lastIndex: log.lastIndex })
    return writes
  }

  /** @throws InvariantError when no writes of this id are on their way. */
  persisted(id: number): void {
    const at = this.#pending.findIndex((writes) => writes.id === id)
    invariant(at !== -1, `nothing of Ready ${id} is on its way to the disk`)
    const { hardStateVersion, lastIndex } = this.#pending[at]!
    this.#pending.splice(0, at + 1)
    this.#durableVersion = hardStateVersion
    this.#durableIndex = Math.max(this.#durableIndex, lastIndex)
  }

  #takeBackFrom(index: Index): void {
    const last = Math.max(index - 1, 0)
    this.#durableIndex = Math.min(this.#durableIndex, last)
    this.#handedOutIndex = Math.min(this.#handedOutIndex, last)
    for (const writes of this.#pending) writes.lastIndex = Math.min(writes.lastIndex, last)
  }
}
