import type { Entry, HardState } from '../raft/index.js'
import { lastIndexOf, type RestoredGroup, type StorageWrite } from '../storage/index.js'

/** What a member had in memory beyond its storage when that failed. */
export interface Unwritten {
  /** Who the member was: another incarnation has nothing to do with it. */
  readonly incarnation: string
  readonly hardState: HardState
  /** From the first that may be missing to the end of the log. None when it is not known what they follow in the storage. */
  readonly entries: readonly Entry[]
}

/** How a storage is brought to where the member was. */
export interface Completion {
  readonly write: StorageWrite
  /** What there is then. */
  readonly restored: RestoredGroup
}

/**
 * How what could not be written is written after all, so that the log has everything that was applied. The storage may have
 * taken in some of it before it failed. Pure.
 *
 * @returns Undefined when the storage does not go on to where the entries begin, or is another member's.
 */
export function completionOf(restored: RestoredGroup, unwritten: Unwritten): Completion | undefined {
  const { hardState, entries } = unwritten
  const [first] = entries
  const baseIndex = restored.base?.index ?? 0
  const lastIndex = lastIndexOf(restored)
  if (first === undefined || restored.incarnation !== unwritten.incarnation) return undefined
  if (first.index <= baseIndex || first.index > lastIndex + 1) return undefined
  const storedHashes = new Map(restored.entries.map(({ index, hash }) => [index, hash]))
  const missing = entries.filter(({ index, hash }) => storedHashes.get(index) !== hash)
  const firstIndex = missing[0]?.index ?? first.index + entries.length
  return {
    write: {
      hardState,
      ...(firstIndex <= lastIndex && { truncateFrom: firstIndex }),
      entries: missing,
    },
    restored: {
      ...restored,
      hardState,
      entries: [...restored.entries.filter(({ index }) => index < firstIndex), ...missing],
    },
  }
}
