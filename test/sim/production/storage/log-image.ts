import type { Entry, HardState, Index, Verdict } from '../../../../framework/groups/raft/types.js'
import type { SnapshotFacts } from '../../../../framework/groups/raft/types.js'
import { boundsAfter, type LogBounds } from '../../../../framework/groups/storage/log-bounds.js'
import type { StorageWrite } from '../../../../framework/groups/storage/storage.js'

/** A snapshot with its bytes. */
export interface ImageSnapshot {
  readonly facts: SnapshotFacts
  readonly number: number
  readonly bytes: Uint8Array
}

/** Of a member that has not said anything. */
const NO_HARD_STATE: HardState = { clusterId: undefined, term: 0, votedFor: undefined }

/** What is stored of a group at one point in the order of its writes. */
export class LogImage {
  hardState: HardState = NO_HARD_STATE
  base: SnapshotFacts | undefined
  snapshot: ImageSnapshot | undefined
  /** In the order of their indices, the first one right behind the base. */
  entries: Entry[] = []
  /** What the member that was here before had given up, as far as it was to be kept. */
  readonly gaveWay: readonly Verdict[] | undefined

  constructor(gaveWay?: readonly Verdict[]) {
    this.gaveWay = gaveWay
  }

  copy(): LogImage {
    const copy = new LogImage(this.gaveWay)
    copy.hardState = this.hardState
    copy.base = this.base
    copy.snapshot = this.snapshot
    copy.entries = [...this.entries]
    return copy
  }

  get bounds(): LogBounds {
    const baseIndex = this.base?.index ?? 0
    return {
      snapshotIndex: this.snapshot?.facts.index ?? 0,
      baseIndex,
      lastIndex: baseIndex + this.entries.length,
    }
  }

  entryAt(index: Index): Entry | undefined {
    return this.entries[index - this.bounds.baseIndex - 1]
  }

  /**
   * @param snapshot The one that the write puts in force.
   * @throws InvariantError when the write contradicts the log; then nothing has changed.
   */
  apply(write: StorageWrite, snapshot: ImageSnapshot | undefined): void {
    boundsAfter(this.bounds, write)
    const { hardState, resetLog = false, truncateFrom, entries = [], compactTo } = write
    if (hardState) this.hardState = hardState
    if (snapshot) this.snapshot = snapshot
    if (snapshot && resetLog) {
      this.base = snapshot.facts
      this.entries = []
    }
    if (truncateFrom !== undefined)
      this.entries.length = Math.min(this.entries.length, truncateFrom - this.bounds.baseIndex - 1)
    for (const entry of entries) this.entries.push(entry)
    if (compactTo && compactTo.index > this.bounds.baseIndex) {
      this.entries.splice(0, compactTo.index - this.bounds.baseIndex)
      this.base = compactTo
    }
  }
}
