import { mkdir, statfs } from 'node:fs/promises'
import { open, type RootDatabase } from 'lmdb'
import { codeOf, messageOf } from '#framework/primitives'
import { closedStorage, GroupStorageError } from '../storage-error.js'
import { checkDataFile } from './data-file.js'
import { FolderOwnership } from './folder-ownership.js'
import type { KeyRange } from './keys.js'
import { setAside } from './set-aside.js'

/** One change of the stored records: a value for a key, or none any more. */
export interface RecordChange {
  readonly key: Uint8Array
  /** Must not be changed before the write has ended: it is written from where it is. Undefined removes the key. */
  readonly value: Uint8Array | undefined
}

/** Which records to read, in the order of their keys. */
export interface RecordRange extends KeyRange {
  /** How many at most. */
  readonly limit: number
}

interface PendingWrite {
  readonly changes: readonly RecordChange[]
  readonly bytes: number
  readonly onEnded: (failure: GroupStorageError | undefined) => void
}

/** What goes into one transaction at most, in bytes; a single larger write has one to itself. */
const COMMIT_BYTES_MAX = 16 * 1024 * 1024
/** What waits to be written at most, in bytes of keys and values. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024
/** What a record costs besides its bytes, so that many small ones count too. */
const RECORD_OVERHEAD_BYTES = 64

/** Below this a write error of no known kind is taken for a full disk: LMDB reports a short write as EIO. */
const FREE_BYTES_MIN = 8 * 1024 * 1024
/** LMDB writes its table of readers through mapped memory, where a disk without room ends the process (SIGBUS). */
const OPENING_BYTES_MIN = 256 * 1024
const SYSTEM_NO_SPACE: ReadonlySet<unknown> = new Set([28, 122, 'ENOSPC', 'EDQUOT'])
const MDB_MAP_FULL = -30792

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
  readonly #pending: PendingWrite[] = []
  #pendingBytes = 0
  #root: RootDatabase<Uint8Array, Uint8Array> | undefined
  #committing: Promise<void> | undefined
  /** Settles when the handle of before a failure is gone. */
  #reopening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  private constructor(folder: string, ownership: FolderOwnership, hasBegunAnew: boolean) {
    this.#folder = folder
    this.#ownership = ownership
    this.hasBegunAnew = hasBegunAnew
    this.#root = openRoot(folder)
  }

  /**
   * @param folder Made when it is not there.
   * @param options.onDamage What to do when the file as a whole cannot be trusted: refuse, or set it aside and begin empty.
   * @throws GroupStorageError `GROUP_STORAGE_IN_USE`, `GROUP_STORAGE_CORRUPT`, `GROUP_STORAGE_VERSION`,
   *   `GROUP_STORAGE_FULL`, `GROUP_STORAGE_FAILED`.
   */
  static async open(
    folder: string,
    { onDamage }: { onDamage: 'refuse' | 'begin-anew' },
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
      return new LmdbEnvironment(folder, ownership, damage !== undefined)
    } catch (error) {
      await ownership.release()
      throw error instanceof GroupStorageError ? error : failed(folder, error)
    }
  }

  /** The value of a key, the caller's own. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.#opened()).getBinary(key)
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
   * `GROUP_STORAGE_FAILED`; with one write all fail that were asked for after it, because they may build on it.
   *
   * @throws GroupStorageError at once: `GROUP_STORAGE_BUSY`, `GROUP_STORAGE_CLOSED`. No other write is concerned.
   */
  write(changes: readonly RecordChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.enqueue(changes, (failure) => (failure ? reject(failure) : resolve()))
    })
  }

  /**
   * {@link write} without a promise, for those who have one already.
   *
   * @param onEnded Called once, when the changes are durable or have failed. Of several in their order.
   * @throws GroupStorageError as {@link write} does.
   */
  enqueue(changes: readonly RecordChange[], onEnded: (failure: GroupStorageError | undefined) => void): void {
    if (this.#closing) throw closedStorage()
    const bytes = sizeOf(changes)
    if (this.#pending.length > 0 && this.#pendingBytes + bytes > PENDING_BYTES_MAX) {
      const text = `${this.#folder}: ${this.#pendingBytes} bytes wait to be written already`
      throw new GroupStorageError('GROUP_STORAGE_BUSY', text)
    }
    this.#pending.push({ changes, bytes, onEnded })
    this.#pendingBytes += bytes
    this.#committing ??= this.#commitAll()
  }

  /** Writes what waits, and closes. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#committing
    try {
      await this.#root?.close()
    } finally {
      this.#root = undefined
      await this.#ownership.release()
    }
  }

  async #commitAll(): Promise<void> {
    do {
      // Who has just been told of a commit, and writes again at once, shares the next one.
      await Promise.resolve()
      await this.#commitNext()
    } while (this.#pending.length > 0)
    this.#committing = undefined
  }

  async #commitNext(): Promise<void> {
    const writes = this.#takeNext()
    let failure: GroupStorageError | undefined
    try {
      await this.#commit(writes)
    } catch (error) {
      failure = await this.#explain(error)
      writes.push(...this.#pending.splice(0))
      this.#pendingBytes = 0
    }
    for (const { onEnded } of writes) onEnded(failure)
  }

  #takeNext(): PendingWrite[] {
    let count = 0
    let bytes = 0
    for (const write of this.#pending) {
      if (count > 0 && bytes + write.bytes > COMMIT_BYTES_MAX) break
      count++
      bytes += write.bytes
    }
    this.#pendingBytes -= bytes
    return this.#pending.splice(0, count)
  }

  async #commit(writes: readonly PendingWrite[]): Promise<void> {
    const root = (this.#root ??= openRoot(this.#folder))
    try {
      // The one way of writing of which every promise comes out here. Any other leaves one behind that nobody can handle
      // when the commit fails (lmdb-js issue 368).
      await root.batch(() => {
        for (const { changes } of writes) {
          for (const { key, value } of changes) {
            if (value === undefined) void root.remove(key)
            else void root.put(key, value)
          }
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

  async #explain(error: unknown): Promise<GroupStorageError> {
    const code: unknown =
      typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
    const isFull =
      code === MDB_MAP_FULL || SYSTEM_NO_SPACE.has(code) || (await hasLess(this.#folder, FREE_BYTES_MIN))
    return isFull ? full(this.#folder, error) : failed(this.#folder, error)
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

function sizeOf(changes: readonly RecordChange[]): number {
  let bytes = 0
  for (const { key, value } of changes)
    bytes += RECORD_OVERHEAD_BYTES + key.byteLength + (value?.byteLength ?? 0)
  return bytes
}

/** Whether the file system has less room than that, as far as it says. */
async function hasLess(folder: string, bytes: number): Promise<boolean> {
  const stats = await statfs(folder).catch(() => undefined)
  return stats !== undefined && stats.bavail * stats.bsize < bytes
}

function full(folder: string, cause?: unknown): GroupStorageError {
  const text = `${folder}: no space for what was to be written`
  return new GroupStorageError('GROUP_STORAGE_FULL', text, { ...(cause !== undefined && { cause }) })
}

function failed(folder: string, cause: unknown): GroupStorageError {
  const code = codeOf(cause)
  return new GroupStorageError('GROUP_STORAGE_FAILED', `${folder}: ${messageOf(cause)}`, {
    cause,
    details: { folder, ...(code !== undefined && { code }) },
  })
}
