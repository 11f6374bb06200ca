import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Moves a damaged file out of the way, for a person to look at. One of an earlier time is replaced: there is one at most.
 * LMDB's file of locks goes with it, because it tells of the old one.
 */
export async function setAside(folder: string): Promise<void> {
  await rename(join(folder, 'data.mdb'), join(folder, 'data.damaged.mdb'))
  await rm(join(folder, 'lock.mdb'), { force: true })
}
