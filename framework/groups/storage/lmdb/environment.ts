import { mkdir } from 'node:fs/promises'
import { open, type RootDatabase } from 'lmdb'
import type { Clock } from '#framework/primitives'
import type { RecordChange } from '../records/record-change.js'
import { closedStorage, GroupStorageError } from '../storage-error.js'
import { checkDataFile } from './data-file.js'
import { failed, full, hasLess } from './disk-failure.js'
import { FolderOwnership } from './folder-ownership.js'
import type { KeyRange } from './keys.js'
import { setAside } from './set-aside.js'
import { WriteQueue } from './write-queue.js'

/** Which records to read, in the order of their keys. */
export interface RecordRange extends KeyRange {
  /** How many at most. */
  readonly limit: number
}

/** What goes into one transaction at most; a single larger write has one to itself. */
const COMMIT_BYTES_MAX = 16 * 1024 * 1024

/** LMDB writes its table of readers through mapped memory, where a disk without room ends the process (SIGBUS). */
const OPENING_BYTES_MIN = 256 * 1024

const FOLDER_OWNER_ONLY = 0o700

/**
 * One LMDB environment, for all groups of a node. Writes are atomic and durable when they end, and those that arrive while
 * one is being synced share the next transaction, and with it one fdatasync (group commit).
 */
export class LmdbEnvironment {
  /** Whether what was there was damaged, and has been set aside; the environment began empty then. */
  readonly hasBegunAnew: boolean
  readonly #folder: string
  readonly #ownership: FolderOwnership
  readonly #queue: WriteQueue
  #root: RootDatabase<Uint8Array, Uint8Array> | undefined
  /** Settles when the handle of before a failure is gone. */
  #reopening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  private constructor(
    folder: string,
    ownership: FolderOwnership,
    hasBegunAnew: boolean,
    clock: Pick<Clock, 'after'>,
  ) {
    this.#folder = folder
    this.#ownership = ownership
    this.hasBegunAnew = hasBegunAnew
    this.#root = openRoot(folder)
    this.#queue = new WriteQueue({
      folder,
      clock,
      commitBytesMax: COMMIT_BYTES_MAX,
      commit: (changes) => this.#commit(changes),
    })
  }

  /**
   * @param folder Made when it is not there.
   * @param options.onDamage What to do when the file as a whole cannot be trusted: refuse, or set it aside and begin empty.
   * @throws GroupStorageError `GROUP_STORAGE_IN_USE`, `GROUP_STORAGE_CORRUPT`, `GROUP_STORAGE_VERSION`,
   *   `GROUP_STORAGE_FULL`, `GROUP_STORAGE_FAILED`.
   */
  static async open(
    folder: string,
    { onDamage, clock }: { onDamage: 'refuse' | 'begin-anew'; clock: Pick<Clock, 'after'> },
  ): Promise<LmdbEnvironment> {
    await mkdir(folder, { recursive: true, mode: FOLDER_OWNER_ONLY }).catch((error: unknown) => {
      throw failed(folder, error)
    })
    if (await hasLess(folder, OPENING_BYTES_MIN)) throw full(folder)
    const ownership = await FolderOwnership.take(folder)
    try {
      const damage = await checkDataFile(folder)
      if (damage && onDamage === 'refuse') throw damage
      if (damage) await setAside(folder)
      return new LmdbEnvironment(folder, ownership, damage !== undefined, clock)
    } catch (error) {
      await ownership.release()
      throw error instanceof GroupStorageError ? error : failed(folder, error)
    }
  }

  /** The value of a key, the caller's own. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.#opened()).getBinary(key)
  }

  /** {@link get}, at once, for as long as nothing is awaited. */
  async reader(): Promise<(key: Uint8Array) => Uint8Array | undefined> {
    const root = await this.#opened()
    return (key) => root.getBinary(key)
  }

  /** {@link get} at once; undefined also while the environment is opened again after a failure. */
  peek(key: Uint8Array): Uint8Array | undefined {
    return this.#root?.getBinary(key)
  }

  /** As many values as `limit` and `bytesMax` allow, and at least one if there is one; the caller's own. */
  async values(range: RecordRange & { readonly bytesMax: number }): Promise<Uint8Array[]> {
    const values: Uint8Array[] = []
    let bytes = 0
    const root = await this.#opened()
    for (const { value } of root.getRange({ start: range.start, end: range.end, limit: range.limit })) {
      bytes += value.byteLength
      if (values.length > 0 && bytes > range.bytesMax) break
      values.push(value)
    }
    return values
  }

  /** At most `limit` keys. */
  async keys({ start, end, limit }: RecordRange): Promise<Uint8Array[]> {
    return Array.from((await this.#opened()).getKeys({ start, end, limit }))
  }

  /** The last key in front of `end` that is not in front of `start`. */
  async lastKey({ start, end }: KeyRange): Promise<Uint8Array | undefined> {
    const [key] = (await this.#opened()).getKeys({ start: end, end: start, reverse: true, limit: 1 })
    return key
  }

  /**
   * All of the changes, in their order, or none. Durable when it resolves. It rejects with `GROUP_STORAGE_FULL` or
   * `GROUP_STORAGE_FAILED`, and with one write all fail that were asked for after it, because they may build on it; or at
   * once, and no other write is concerned, with `GROUP_STORAGE_BUSY` or `GROUP_STORAGE_CLOSED`.
   */
  write(changes: readonly RecordChange[]): Promise<void> {
    return this.#closing ? Promise.reject(closedStorage()) : this.#queue.write(changes)
  }

  /** Writes what waits, and closes. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#queue.idle()
    try {
      await this.#root?.close()
    } finally {
      this.#root = undefined
      await this.#ownership.release()
    }
  }

  async #commit(changes: readonly RecordChange[]): Promise<void> {
    const root = (this.#root ??= openRoot(this.#folder))
    try {
      // The one way of writing of which every promise comes out here. Any other leaves one behind that nobody can handle
      // when the commit fails (lmdb-js issue 368).
      await root.batch(() => {
        for (const { key, value } of changes) {
          if (value === undefined) void root.remove(key)
          else void root.put(key, value)
        }
      })
    } catch (error) {
      const cause = await causeOf(error)
      // After some failures LMDB lets nothing begin any more, and lmdb-js would wait for that for ever: a new handle is
      // the way out of all of them, and it reads what is really there.
      this.#root = undefined
      this.#reopening = root.close()
      await this.#reopening
      throw cause
    } finally {
      this.#reopening = undefined
    }
  }

  async #opened(): Promise<RootDatabase<Uint8Array, Uint8Array>> {
    await this.#reopening
    if (this.#closing) throw closedStorage()
    return (this.#root ??= openRoot(this.#folder))
  }
}

function openRoot(path: string): RootDatabase<Uint8Array, Uint8Array> {
  return open<Uint8Array, Uint8Array>({
    path,
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    maxDbs: 1,
    // A transaction is synced before the next one begins: simpler, and quicker where many wait.
    overlappingSync: false,
    eventTurnBatching: false,
  })
}

/** lmdb-js says only that a commit failed, and why in a second promise. */
async function causeOf(error: unknown): Promise<unknown> {
  if (typeof error !== 'object' || error === null || !('commitError' in error)) return error
  try {
    await error.commitError
    return error
  } catch (cause) {
    return cause
  }
}
