import { isMosaikError, MosaikError, type MosaikErrorOptions } from '#framework/primitives'
import type { LogBounds } from './log-bounds.js'

/**
 * Why a storage did not do what it was asked for.
 *
 * - `GROUP_STORAGE_FULL`: there is no room for it. Nothing of the write is stored; the same storage works again when
 *   there is.
 * - `GROUP_STORAGE_FAILED`: the machine refused for another reason, which is the `cause`. Nothing of the write is stored.
 * - `GROUP_STORAGE_BUSY`: too much is waiting to be written already. Nothing of the write is stored.
 * - `GROUP_STORAGE_CORRUPT`: what is stored is not what was written. `details.where` says which part.
 * - `GROUP_STORAGE_IN_USE`: somebody else has the folder, or the group in it, open.
 * - `GROUP_STORAGE_VERSION`: a later version of mosaik, or something else, wrote this.
 * - `GROUP_STORAGE_ABSENT`: what was to be read is not there: compacted, or not written yet.
 * - `GROUP_STORAGE_CLOSED`: it has been closed.
 */
export type GroupStorageCode =
  | 'GROUP_STORAGE_FULL'
  | 'GROUP_STORAGE_FAILED'
  | 'GROUP_STORAGE_BUSY'
  | 'GROUP_STORAGE_CORRUPT'
  | 'GROUP_STORAGE_IN_USE'
  | 'GROUP_STORAGE_VERSION'
  | 'GROUP_STORAGE_ABSENT'
  | 'GROUP_STORAGE_CLOSED'

/** A storage could not do what it was asked for; see {@link GroupStorageCode}. */
export class GroupStorageError extends MosaikError {
  constructor(code: GroupStorageCode, message: string, options?: MosaikErrorOptions) {
    super(code, message, options)
  }
}

/** What is stored at `where` is not what was written there. Code `GROUP_STORAGE_CORRUPT`. */
export function corrupt(
  where: string,
  why: string,
  details: Record<string, unknown> = {},
): GroupStorageError {
  return new GroupStorageError('GROUP_STORAGE_CORRUPT', `${where}: ${why}`, {
    details: { where, ...details },
  })
}

/** An entry that was to be read is not there. Code `GROUP_STORAGE_ABSENT`. */
export function absentEntry(index: number, { baseIndex, lastIndex }: LogBounds): GroupStorageError {
  const text = `entry ${index} is not stored: the log goes from ${baseIndex + 1} to ${lastIndex}`
  return new GroupStorageError('GROUP_STORAGE_ABSENT', text, { details: { index, baseIndex, lastIndex } })
}

/** Code `GROUP_STORAGE_CLOSED`. */
export function closedStorage(): GroupStorageError {
  return new GroupStorageError('GROUP_STORAGE_CLOSED', 'this storage has been closed')
}

/** Whether this is how a storage says that something is not what was written. */
export function isCorrupt(error: unknown): error is GroupStorageError {
  return isMosaikError(error, 'GROUP_STORAGE_CORRUPT')
}
