import { statfs } from 'node:fs/promises'
import { codeOf, messageOf } from '#framework/primitives'
import { GroupStorageError } from '../storage-error.js'

/** Below this a write error of no known kind is taken for a full disk: LMDB reports a short write as EIO. */
const FREE_BYTES_MIN = 8 * 1024 * 1024

const SYSTEM_NO_SPACE: ReadonlySet<unknown> = new Set([28, 122, 'ENOSPC', 'EDQUOT'])
const MDB_MAP_FULL = -30792

/** What a write to a folder that failed is called: `GROUP_STORAGE_FULL` or `GROUP_STORAGE_FAILED`, or what it is called already. */
export async function explainFailure(folder: string, error: unknown): Promise<GroupStorageError> {
  if (error instanceof GroupStorageError) return error
  const code: unknown =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  const isFull = code === MDB_MAP_FULL || SYSTEM_NO_SPACE.has(code) || (await hasLess(folder, FREE_BYTES_MIN))
  return isFull ? full(folder, error) : failed(folder, error)
}

/** Whether the file system has less room than that, as far as it says. */
export async function hasLess(folder: string, bytes: number): Promise<boolean> {
  const stats = await statfs(folder).catch(() => undefined)
  return stats !== undefined && stats.bavail * stats.bsize < bytes
}

/** Code `GROUP_STORAGE_FULL`. */
export function full(folder: string, cause?: unknown): GroupStorageError {
  const text = `${folder}: no space for what was to be written`
  return new GroupStorageError('GROUP_STORAGE_FULL', text, { ...(cause !== undefined && { cause }) })
}

/** Code `GROUP_STORAGE_FAILED`. */
export function failed(folder: string, cause: unknown): GroupStorageError {
  const code = codeOf(cause)
  return new GroupStorageError('GROUP_STORAGE_FAILED', `${folder}: ${messageOf(cause)}`, {
    cause,
    details: { folder, ...(code !== undefined && { code }) },
  })
}
