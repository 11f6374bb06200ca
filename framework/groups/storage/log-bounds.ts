import { invariant } from '#framework/primitives'
import type { Entry, Index } from '../raft/types.js'
import type { RestoredGroup, StorageWrite } from './storage.js'

/** Which part of a log is stored. */
export interface LogBounds {
  /** The index of the snapshot in force; 0 when there is none. */
  readonly snapshotIndex: Index
  /** What is right in front of the first entry that is stored. At most `snapshotIndex`. */
  readonly baseIndex: Index
  /** The last entry that is stored, or `baseIndex` when none is. */
  readonly lastIndex: Index
}

export const EMPTY_LOG: LogBounds = { snapshotIndex: 0, baseIndex: 0, lastIndex: 0 }

/** The last index of a log that has these entries behind its base. */
export function lastIndexOf({ base, entries }: Pick<RestoredGroup, 'base' | 'entries'>): Index {
  return entries.at(-1)?.index ?? base?.index ?? 0
}

/**
 * The bounds after a write. Pure.
 *
 * @throws InvariantError when the write contradicts the log: a gap, a snapshot that the log does not lead up to, a
 *   truncation of what a snapshot stands for, a compaction beyond the snapshot.
 */
export function boundsAfter(bounds: LogBounds, write: StorageWrite): LogBounds {
  let { snapshotIndex, baseIndex, lastIndex } = bounds
  const { snapshot, resetLog = false, truncateFrom, entries = [], compactTo } = write

  if (snapshot) {
    const { index } = snapshot.facts
    if (resetLog) baseIndex = lastIndex = index
    invariant(index >= snapshotIndex || resetLog, `snapshot ${index} is older than snapshot ${snapshotIndex}`)
    invariant(
      index >= baseIndex && index <= lastIndex,
      `the log from ${baseIndex} to ${lastIndex} does not lead up to snapshot ${index}`,
    )
    snapshotIndex = index
  } else {
    invariant(!resetLog, 'a log begins anew behind a snapshot only')
  }

  if (truncateFrom !== undefined) {
    invariant(truncateFrom > snapshotIndex, `truncation at ${truncateFrom}, below snapshot ${snapshotIndex}`)
    lastIndex = Math.min(lastIndex, truncateFrom - 1)
  }

  lastIndex = lastIndexBehind(lastIndex, entries)

  if (compactTo) {
    const { index } = compactTo
    invariant(index <= snapshotIndex, `compaction to ${index}, beyond snapshot ${snapshotIndex}`)
    baseIndex = Math.max(baseIndex, index)
  }
  return { snapshotIndex, baseIndex, lastIndex }
}

function lastIndexBehind(lastIndex: Index, entries: readonly Entry[]): Index {
  let last = lastIndex
  for (const { index } of entries) {
    invariant(index === last + 1, `entry ${index} does not come right behind ${last}`)
    last = index
  }
  return last
}
