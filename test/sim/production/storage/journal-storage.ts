import { concatBytes, invariant, type Random } from '#framework/primitives'
import type { Entry, Index, SnapshotFacts, Verdict } from '../../../../framework/groups/raft/types.js'
import { newIncarnation } from '../../../../framework/groups/storage/incarnation.js'
import { boundsAfter } from '../../../../framework/groups/storage/log-bounds.js'
import {
  absentEntry,
  closedStorage,
  GroupStorageError,
} from '../../../../framework/groups/storage/storage-error.js'
import type {
  GroupStorage,
  RestoredGroup,
  SnapshotWriter,
  StagedSnapshot,
  StorageWrite,
  StoredSnapshot,
} from '../../../../framework/groups/storage/storage.js'
import { DiskFullError, type SimDisk } from '../../environment/disk.js'
import { bytesOfRecord, imageRecords, pieceRecord, writeRecord, type DiskRecord } from './disk-records.js'
import { LogImage, type ImageSnapshot } from './log-image.js'

/** What one read returns at most, in bytes of payload, unless it is told otherwise. */
const READ_BYTES_MAX = 1024 * 1024

/** Bugs of storages, for the simulator to find. */
export interface StorageBugs {
  /** Says that writes are durable before they are synced. */
  readonly doesNotSync?: boolean
  /** Term and vote are not restored. */
  readonly forgetsHardState?: boolean
  /** A member whose disk was wiped goes by its former name. */
  readonly reusesIncarnation?: boolean
  /** A record that fails its checksum, and everything behind it, is taken for the work of a crash. */
  readonly cutsOffCorruption?: boolean
}

export interface JournalStorageOptions {
  readonly disk: SimDisk<DiskRecord>
  readonly random: Random
  /** Calls back when a sync that starts now is through. Never when the process ends first. */
  readonly startSync: (done: () => void) => void
  readonly bugs: StorageBugs
  readonly onClosed: () => void
}

/** Something on its way to the disk. */
interface Job {
  /** In place of the whole file, or behind it. */
  readonly kind: 'replace' | 'append'
  readonly records: readonly DiskRecord[]
  /** Makes it true of what is stored. */
  readonly perform: (image: LogImage) => LogImage
  readonly settle: PromiseWithResolvers<void>
}

/**
 * One group in a journal on a simulated disk. A write is one record, and durable with the sync after it, which all that wait
 * at the same time share; one that puts a snapshot in force writes a new file and renames it.
 */
export class JournalStorage implements GroupStorage {
  readonly #options: JournalStorageOptions
  #incarnation: string
  /** What is durable. */
  #stored: LogImage
  /** What will be durable when all writes have ended that were asked for. */
  #expected: LogImage
  #waiting: Job[] = []
  #isWriting = false
  readonly #staged = new Map<number, ImageSnapshot>()
  #lastNumber: number
  #closing: PromiseWithResolvers<void> | undefined

  constructor(options: JournalStorageOptions, incarnation: string, image: LogImage) {
    this.#options = options
    this.#incarnation = incarnation
    this.#stored = image
    this.#expected = image.copy()
    this.#lastNumber = image.snapshot?.number ?? 0
  }

  /** Writes everything there is into a new file. */
  async rewrite(): Promise<void> {
    await this.#enqueue('replace', imageRecords(this.#incarnation, this.#expected), (image) => image)
  }

  async write(write: StorageWrite): Promise<void> {
    this.#assertOpen()
    const { snapshot, compactTo, resetLog = false } = write
    boundsAfter(this.#expected.bounds, write)
    if (compactTo) this.#assertFacts(compactTo)
    if (snapshot && !resetLog) this.#assertFacts(snapshot.facts)
    const staged = snapshot && this.#stagedOf(snapshot)
    const perform = (image: LogImage): LogImage => {
      image.apply(write, staged)
      return image
    }
    if (snapshot) this.#staged.delete(snapshot.number)
    perform(this.#expected)
    const needsNewFile = staged !== undefined || compactTo !== undefined
    const written = needsNewFile
      ? this.#enqueue('replace', imageRecords(this.#incarnation, this.#expected), perform)
      : this.#enqueue('append', [writeRecord(this.#incarnation, write)], perform, write.mayWait)
    try {
      if (this.#options.bugs.doesNotSync !== true) await written
      else written.catch(() => {})
    } catch (error) {
      if (staged) this.#staged.set(staged.number, staged)
      throw error
    }
  }

  async readEntries(
    from: Index,
    to: Index,
    { bytesMax = READ_BYTES_MAX }: { readonly bytesMax?: number } = {},
  ): Promise<readonly Entry[]> {
    this.#assertOpen()
    if (to < from) return []
    const first = this.#stored.entryAt(from)
    if (!first) throw absentEntry(from, this.#stored.bounds)
    const read = [first]
    let bytes = first.payload.byteLength
    for (let index = from + 1; index <= to; index++) {
      const entry = this.#stored.entryAt(index)
      bytes += entry?.payload.byteLength ?? 0
      if (!entry || bytes > bytesMax) break
      read.push(entry)
    }
    return read
  }

  stageSnapshot(facts: SnapshotFacts): SnapshotWriter {
    this.#assertOpen()
    const number = ++this.#lastNumber
    const pieces: Uint8Array[] = []
    return {
      write: async (piece) => {
        this.#assertOpen()
        pieces.push(piece.slice())
        await this.#enqueue('append', [pieceRecord(this.#incarnation, piece)], (image) => image)
      },
      finish: async () => {
        const bytes = concatBytes(...pieces)
        this.#staged.set(number, { facts, number, bytes })
        return { facts, number, byteLength: bytes.byteLength }
      },
      abandon: async () => {
        this.#staged.delete(number)
      },
    }
  }

  currentSnapshot(): StoredSnapshot | undefined {
    const { snapshot } = this.#stored
    if (!snapshot) return undefined
    const { facts, bytes } = snapshot
    return { facts, byteLength: bytes.byteLength, [Symbol.asyncIterator]: () => this.#read(snapshot) }
  }

  async reset(gaveWay?: readonly Verdict[]): Promise<RestoredGroup> {
    this.#assertOpen()
    this.#incarnation = newIncarnation(this.#options.random)
    this.#expected = new LogImage(gaveWay)
    this.#staged.clear()
    const records = imageRecords(this.#incarnation, this.#expected)
    await this.#enqueue('replace', records, () => new LogImage(gaveWay))
    return { ...restoredOf(this.#stored, this.#incarnation), isVolatile: false }
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.withResolvers()
      this.#maybeFinish()
    }
    return this.#closing.promise
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #enqueue(
    kind: Job['kind'],
    records: readonly DiskRecord[],
    perform: Job['perform'],
    mayWait = false,
  ): Promise<void> {
    const settle = Promise.withResolvers<void>()
    this.#waiting.push({ kind, records, perform, settle })
    if (this.#isWriting) return settle.promise
    this.#isWriting = true
    // For as long as a sync takes there is nothing of it on the disk, not even unsynced.
    if (mayWait) this.#options.startSync(() => this.#writeNext())
    // What is asked for in one turn is written together, and fails together.
    else queueMicrotask(() => this.#writeNext())
    return settle.promise
  }

  /** Writes all that waits, and syncs once. */
  #writeNext(): void {
    const { disk, startSync } = this.#options
    const jobs = this.#waiting.splice(0)
    const written: Job[] = []
    let failure: GroupStorageError | undefined
    for (const job of jobs) {
      failure = this.#tryWrite(job)
      if (failure !== undefined) break
      written.push(job)
    }
    if (failure !== undefined) this.#fail(written, jobs.slice(written.length), failure)
    this.#isWriting = written.length > 0
    if (!this.#isWriting) return this.#maybeFinish()
    const count = disk.unsyncedCount
    startSync(() => {
      disk.sync(count)
      for (const { perform, settle } of written) {
        this.#stored = perform(this.#stored)
        settle.resolve()
      }
      this.#isWriting = false
      if (this.#waiting.length > 0) this.#writeNext()
      else this.#maybeFinish()
    })
  }

  #tryWrite({ kind, records }: Job): GroupStorageError | undefined {
    const { disk } = this.#options
    try {
      if (kind === 'append') disk.append(records, bytesOfRecord)
      else disk.replace(records, bytesOfRecord)
      return undefined
    } catch (cause) {
      if (!(cause instanceof DiskFullError)) throw cause
      return new GroupStorageError('GROUP_STORAGE_FULL', 'no space left on the simulated disk', { cause })
    }
  }

  /** What could not be written, and all that was asked for behind it, is taken back. */
  #fail(written: readonly Job[], failed: readonly Job[], failure: GroupStorageError): void {
    this.#expected = this.#stored.copy()
    for (const { perform } of written) this.#expected = perform(this.#expected)
    for (const { settle } of failed) settle.reject(failure)
  }

  #maybeFinish(): void {
    if (this.#closing === undefined || this.#isWriting) return
    this.#closing.resolve()
    this.#options.onClosed()
  }

  async *#read(snapshot: ImageSnapshot): AsyncGenerator<Uint8Array> {
    this.#assertOpen()
    if (this.#stored.snapshot !== snapshot) {
      const text = `another snapshot has replaced that of ${snapshot.facts.index}`
      throw new GroupStorageError('GROUP_STORAGE_ABSENT', text)
    }
    yield snapshot.bytes.slice()
  }

  #stagedOf({ number, facts }: StagedSnapshot): ImageSnapshot {
    const staged = this.#staged.get(number)
    if (staged) return staged
    throw new GroupStorageError('GROUP_STORAGE_ABSENT', `snapshot ${facts.index} is not staged here`)
  }

  /** What is said of an entry has to be true of it. */
  #assertFacts(facts: SnapshotFacts): void {
    const entry = this.#expected.entryAt(facts.index)
    const isTrue = !entry || (entry.term === facts.term && entry.hash === facts.hash)
    invariant(isTrue, `entry ${facts.index} is not the one of these facts`)
  }

  #assertOpen(): void {
    if (this.#closing) throw closedStorage()
  }
}

/** What a storage says that it holds. */
export function restoredOf(
  { hardState, base, snapshot, entries, gaveWay }: LogImage,
  incarnation: string,
): Omit<RestoredGroup, 'isVolatile'> {
  return { hardState, base, snapshot: snapshot?.facts, entries: [...entries], incarnation, gaveWay }
}
