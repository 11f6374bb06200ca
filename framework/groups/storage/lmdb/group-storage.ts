import { invariant, type Random } from '#framework/primitives'
import type { Entry, Index, SnapshotFacts } from '../../raft/types.js'
import { newIncarnation } from '../incarnation.js'
import { boundsAfter, EMPTY_LOG, type LogBounds } from '../log-bounds.js'
import { entryRecordBytes, readEntryRecord, writeEntryRecord } from '../records/entry-record.js'
import {
  baseRecord,
  hardStateRecord,
  identityRecord,
  snapshotRecord,
  type SnapshotRecord,
} from '../records/state-records.js'
import { absentEntry, closedStorage, corrupt, GroupStorageError } from '../storage-error.js'
import type { GroupStorage, RestoredGroup, SnapshotWriter, StorageWrite, StoredSnapshot } from '../storage.js'
import type { LmdbEnvironment, RecordChange } from './environment.js'
import type { GroupKeys } from './keys.js'
import { NO_HARD_STATE, readChunk, type StoredGroup } from './restore.js'
import { SnapshotChunks } from './snapshot-chunks.js'

/** What one read returns at most, in bytes of payload, unless it is told otherwise. */
const READ_BYTES_MAX = 1024 * 1024

/** What is read of the environment at a time. */
const RECORDS_PER_READ = 1024

export interface LmdbGroupOptions {
  readonly environment: LmdbEnvironment
  readonly keys: GroupKeys
  /** The key of the identity, and the number of the group. */
  readonly identity: { readonly key: Uint8Array; readonly number: number }
  readonly random: Random
  readonly onClosed: () => void
}

/** What a group consists of at one point in the order of its writes. */
interface Contents {
  readonly bounds: LogBounds
  readonly snapshot: SnapshotRecord | undefined
}

const NOTHING: Contents = { bounds: EMPTY_LOG, snapshot: undefined }

/** One group in an LMDB environment that several share. */
export class LmdbGroupStorage implements GroupStorage {
  readonly #options: LmdbGroupOptions
  readonly #environment: LmdbEnvironment
  readonly #keys: GroupKeys
  readonly #chunks: SnapshotChunks
  /** What is durable. */
  #stored: Contents
  /** What will be durable when all writes have ended that were asked for. */
  #expected: Contents
  /** Counts failures: of the writes that fail together, the first one takes back what was expected. */
  #failures = 0
  /** Settles when the last write has that was asked for. Writes end in their order. */
  #lastWrite: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(options: LmdbGroupOptions, chunks: SnapshotChunks, group: StoredGroup) {
    this.#options = options
    this.#environment = options.environment
    this.#keys = options.keys
    this.#chunks = chunks
    this.#stored = { bounds: boundsOf(group), snapshot: group.snapshot }
    this.#expected = this.#stored
  }

  static async open(options: LmdbGroupOptions, group: StoredGroup): Promise<LmdbGroupStorage> {
    const { environment, keys } = options
    const chunks = await SnapshotChunks.open(environment, keys, group.snapshot?.number ?? 0)
    return new LmdbGroupStorage(options, chunks, group)
  }

  async write(write: StorageWrite): Promise<void> {
    this.#assertOpen()
    const bounds = boundsAfter(this.#expected.bounds, write)
    if (write.compactTo) this.#assertFacts(write.compactTo)
    if (write.snapshot && !write.resetLog) this.#assertFacts(write.snapshot.facts)
    const staged = write.snapshot && this.#chunks.use(write.snapshot)
    try {
      await this.#store(this.#changesOf(write, staged), {
        bounds,
        snapshot: staged ?? this.#expected.snapshot,
      })
    } catch (error) {
      if (staged) this.#chunks.giveBack(staged)
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
    const { bounds } = this.#stored
    if (from <= bounds.baseIndex || from > bounds.lastIndex) throw absentEntry(from, bounds)
    const records = this.#environment.range({
      start: this.#keys.entry(from),
      end: this.#keys.entry(Math.min(to, bounds.lastIndex) + 1),
      limit: RECORDS_PER_READ,
      bytesMax,
    })
    return records.map(({ key, value }, place) => {
      const where = `entry ${from + place}`
      const entry = readEntryRecord(key, value, where)
      if (entry.index !== from + place) throw corrupt(where, `entry ${entry.index} is in its place`)
      return entry
    })
  }

  stageSnapshot(facts: SnapshotFacts): SnapshotWriter {
    this.#assertOpen()
    return this.#chunks.stage(facts)
  }

  currentSnapshot(): StoredSnapshot | undefined {
    const { snapshot } = this.#stored
    if (!snapshot) return undefined
    const { facts, byteLength } = snapshot
    return { facts, byteLength, [Symbol.asyncIterator]: () => this.#chunksOf(snapshot) }
  }

  async reset(): Promise<RestoredGroup> {
    this.#assertOpen()
    const { identity, random } = this.#options
    const incarnation = newIncarnation(random)
    // What is still being written is not to be seen among the keys yet.
    for (let last; last !== this.#lastWrite;) await (last = this.#lastWrite)
    const keys = this.#environment.keys({ ...this.#keys.all(), limit: Infinity })
    await this.#store(
      [
        ...keys.map((key) => ({ key, value: undefined })),
        {
          key: identity.key,
          value: identityRecord.seal(identity.key, { number: identity.number, incarnation }),
        },
      ],
      NOTHING,
    )
    return { hardState: NO_HARD_STATE, entries: [], incarnation, isVolatile: false }
  }

  close(): Promise<void> {
    this.#closing ??= this.#lastWrite.finally(this.#options.onClosed)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Begins to write before it returns, so that writes are in the order in which they were asked for. */
  #store(changes: readonly RecordChange[], contents: Contents): Promise<void> {
    const written = this.#environment.write(changes)
    const failures = this.#failures
    this.#expected = contents
    const ended = written.then(
      () => {
        this.#stored = contents
      },
      (error: unknown) => {
        if (this.#failures === failures) {
          this.#failures++
          this.#expected = this.#stored
        }
        throw error
      },
    )
    this.#lastWrite = ended.catch(() => undefined)
    return ended
  }

  #changesOf(write: StorageWrite, staged: SnapshotRecord | undefined): RecordChange[] {
    const { hardState, resetLog = false, truncateFrom, entries = [], compactTo } = write
    const keys = this.#keys
    const changes: RecordChange[] = []
    let { baseIndex, lastIndex } = this.#expected.bounds
    if (hardState)
      changes.push({ key: keys.hardState, value: hardStateRecord.seal(keys.hardState, hardState) })
    if (staged) {
      if (this.#expected.snapshot) changes.push(...this.#chunks.removalOf(this.#expected.snapshot))
      changes.push({ key: keys.snapshot, value: snapshotRecord.seal(keys.snapshot, staged) })
    }
    if (staged && resetLog) {
      this.#removeEntries(baseIndex + 1, lastIndex, changes)
      changes.push({ key: keys.base, value: baseRecord.seal(keys.base, staged.facts) })
      baseIndex = lastIndex = staged.facts.index
    }
    if (truncateFrom !== undefined) this.#removeEntries(truncateFrom, lastIndex, changes)
    this.#addEntries(entries, changes)
    if (compactTo && compactTo.index > baseIndex) {
      this.#removeEntries(baseIndex + 1, compactTo.index, changes)
      changes.push({ key: keys.base, value: baseRecord.seal(keys.base, compactTo) })
    }
    return changes
  }

  #removeEntries(first: Index, last: Index, changes: RecordChange[]): void {
    for (let index = first; index <= last; index++)
      changes.push({ key: this.#keys.entry(index), value: undefined })
  }

  /** The records of all entries are in one piece of memory. */
  #addEntries(entries: readonly Entry[], changes: RecordChange[]): void {
    let length = 0
    for (const entry of entries) length += entryRecordBytes(entry)
    const records = new Uint8Array(length)
    let offset = 0
    for (const entry of entries) {
      const key = this.#keys.entry(entry.index)
      const value = records.subarray(offset, offset + entryRecordBytes(entry))
      writeEntryRecord(key, entry, value)
      changes.push({ key, value })
      offset += value.byteLength
    }
  }

  /** What is said of an entry has to be true of it: a log with a wrong base would be refused when it is opened. */
  #assertFacts(facts: SnapshotFacts): void {
    const key = this.#keys.entry(facts.index)
    const record = this.#environment.get(key)
    // Compacted already, or still being written.
    if (!record) return
    const { term, hash } = readEntryRecord(key, record, `entry ${facts.index}`)
    invariant(
      term === facts.term && hash === facts.hash,
      `entry ${facts.index} is not the one of these facts`,
    )
  }

  async *#chunksOf({ facts, number, chunkCount }: SnapshotRecord): AsyncGenerator<Uint8Array> {
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      this.#assertOpen()
      if (this.#stored.snapshot?.number !== number) {
        throw new GroupStorageError(
          'GROUP_STORAGE_ABSENT',
          `another snapshot has replaced that of ${facts.index}`,
        )
      }
      yield readChunk(this.#environment, this.#keys, number, chunk, facts.index)
    }
  }

  #assertOpen(): void {
    if (this.#closing) throw closedStorage()
  }
}

function boundsOf({ base, snapshot, entries }: StoredGroup): LogBounds {
  const baseIndex = base?.index ?? 0
  return {
    snapshotIndex: snapshot?.facts.index ?? 0,
    baseIndex,
    lastIndex: entries.at(-1)?.index ?? baseIndex,
  }
}
