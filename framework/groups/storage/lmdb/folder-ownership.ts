import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { open, type RootDatabase, type Transaction } from 'lmdb'
import { GroupStorageError } from '../storage-error.js'

/** Folders of this process, by their real path: LMDB's table tells processes apart, not their parts. */
const owned = new Set<string>()

/** So many places the table has: the owner, and those that come to find it there. */
const READERS_MAX = 16

const FOLDER_OWNER_ONLY = 0o700

/**
 * Makes sure that one process at a time has a folder open. Node has no file locks, and files with process ids go wrong when
 * ids are used again or are those of other containers; LMDB has the real thing: a table of readers, guarded by a mutex and
 * by locks that the system drops when a process ends, however it ends. So the owner is the only reader of an environment in
 * which nothing is stored. It is not the environment of the data, because the file of that is checked before LMDB opens it.
 */
export class FolderOwnership {
  readonly #path: string
  readonly #root: RootDatabase
  readonly #reading: Transaction

  private constructor(path: string, root: RootDatabase) {
    this.#path = path
    this.#root = root
    this.#reading = root.useReadTransaction()
    // The place in the table is taken with the first read.
    root.get('owner', { transaction: this.#reading })
  }

  /**
   * @throws GroupStorageError `GROUP_STORAGE_IN_USE` when there is another owner. Two that try at the same moment may both
   *   be refused.
   */
  static async take(folder: string): Promise<FolderOwnership> {
    const path = await realpath(folder)
    if (owned.has(path)) throw inUse(path, 'by this process')
    owned.add(path)
    try {
      const owner = join(path, 'owner')
      await mkdir(owner, { recursive: true, mode: FOLDER_OWNER_ONLY })
      const root = open({
        path: owner,
        noSubdir: false,
        encoding: 'binary',
        maxDbs: 1,
        maxReaders: READERS_MAX,
        overlappingSync: false,
      })
      const ownership = new FolderOwnership(path, root)
      const others = ownership.#others()
      if (others.length === 0) return ownership
      await ownership.release()
      throw inUse(path, `by process ${others.join(', ')}`)
    } catch (error) {
      owned.delete(path)
      throw error
    }
  }

  /** Idempotent. */
  async release(): Promise<void> {
    this.#reading.done()
    await this.#root.close()
    owned.delete(this.#path)
  }

  /** The processes in the table besides this one, the dead ones removed. One at a time looks, each after taking its place. */
  #others(): string[] {
    return this.#root.transactionSync(() => {
      this.#root.readerCheck()
      const [, ...rows] = this.#root.readerList().trim().split('\n')
      const pids = rows.map((row) => row.trim().split(/\s+/)[0]!)
      const own = pids.indexOf(String(process.pid))
      return pids.filter((_, place) => place !== own)
    })
  }
}

function inUse(path: string, by: string): GroupStorageError {
  return new GroupStorageError('GROUP_STORAGE_IN_USE', `${path} is in use ${by}`, {
    details: { folder: path },
  })
}
