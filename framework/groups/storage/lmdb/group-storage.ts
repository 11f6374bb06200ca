import { invariant, type Random } from '#framework/primitives'
import type { Entry, Index, SnapshotFacts, Verdict } from '../../raft/types.js'
import { newIncarnation } from '../incarnation.js'
import { boundsAfter, EMPTY_LOG, lastIndexOf, type LogBounds } from '../log-bounds.js'
import { entryRecordBytes, readEntryRecord, writeEntryRecord } from '../records/entry-record.js'
import type { RecordChange } from '../records/record-change.js'
import { RecordMemory } from '../records/record-memory.js'
import {
  baseRecord,
  hardStateRecord,
  identityRecord,
  snapshotRecord,
  type SnapshotRecord,
} from '../records/state-records.js'
import { absentEntry, closedStorage, corrupt, GroupStorageError } from '../storage-error.js'
import type { GroupStorage, RestoredGroup, SnapshotWriter, StorageWrite, StoredSnapshot } from '../storage.js'
import type { JournaledEnvironment } from './journaled-environment.js'
import type { GroupKeys } from './keys.js'
import { NO_HARD_STATE, readChunk, type StoredGroup } from './restore.js'
import { SnapshotChunks } from './snapshot-chunks.js'

/** What one read returns at most, in bytes of payload, unless it is told otherwise. */
const READ_BYTES_MAX = 1024 * 1024

/** What is read of the environment at a time. */
const RECORDS_PER_READ = 1024

export interface LmdbGroupOptions {
  readonly environment: JournaledEnvironment
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
  readonly #environment: JournaledEnvironment
  readonly #keys: GroupKeys
  readonly #chunks: SnapshotChunks
  /** What is durable. */
  #stored: Contents
  /** What will be durable when all writes have ended that were asked for. */
  #expected: Contents
  /** Counts failures: of the writes that fail together, the first one takes back what was expected. */
  #failures = 0
  #pendingCount = 0
  readonly #idleWaiters: (() => void)[] = []
  readonly #memory = new RecordMemory()
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

  write(write: StorageWrite): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertOpen()
      const bounds = boundsAfter(this.#expected.bounds, write)
      if (write.compactTo) this.#assertFacts(write.compactTo)
      if (write.snapshot && !write.resetLog) this.#assertFacts(write.snapshot.facts)
      const staged = write.snapshot && this.#chunks.recordOf(write.snapshot)
      const contents = { bounds, snapshot: staged ?? this.#expected.snapshot }
      const onEnded = (failure: GroupStorageError | undefined): void => {
        if (!failure) return resolve()
        if (staged) this.#chunks.giveBack(staged)
        reject(failure)
      }
      this.#store(this.#changesOf(write, staged), contents, onEnded, write.mayWait)
      if (staged) this.#chunks.handOver(staged)
    })
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
    const last = Math.min(to, bounds.lastIndex, from + RECORDS_PER_READ - 1)
    const records = await this.#environment.valuesAt(this.#keys.entries(from, last), bytesMax)
    if (records.length === 0) throw corrupt(`entry ${from}`, 'it is missing')
    return records.map((record, place) => {
      const where = `entry ${from + place}`
      const entry = readEntryRecord(this.#keys.entriesPlace, record, where)
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

  async reset(gaveWay?: readonly Verdict[]): Promise<RestoredGroup> {
    this.#assertOpen()
    const { identity, random } = this.#options
    const incarnation = newIncarnation(random)
    // What is still being written is not to be seen among the keys yet.
    while (this.#pendingCount > 0) await this.#idle()
    const keys = await this.#environment.keys({ ...this.#keys.all(), limit: Infinity })
    const changes: RecordChange[] = keys.map((key) => ({ key, value: undefined }))
    const record = identityRecord.seal(identity.key, { number: identity.number, incarnation, gaveWay })
    changes.push({ key: identity.key, value: record })
    await new Promise<void>((resolve, reject) => {
      this.#store(changes, NOTHING, (failure) => (failure ? reject(failure) : resolve()))
    })
    return { hardState: NO_HARD_STATE, entries: [], incarnation, isVolatile: false, gaveWay }
  }

  close(): Promise<void> {
    this.#closing ??= this.#idle().then(this.#options.onClosed)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @param contents What there is when the changes have been made. */
  #store(
    changes: readonly RecordChange[],
    contents: Contents,
    onEnded: (failure: GroupStorageError | undefined) => void,
    mayWait = false,
  ): void {
    const failures = this.#failures
    const onWriteEnded = (failure: GroupStorageError | undefined): void => {
      this.#pendingCount--
      if (!failure) this.#stored = contents
      else if (this.#failures === failures) {
        this.#failures++
        this.#expected = this.#stored
      }
      onEnded(failure)
      if (this.#pendingCount === 0) for (const wake of this.#idleWaiters.splice(0)) wake()
    }
    this.#environment.enqueue(changes, onWriteEnded, mayWait)
    this.#expected = contents
    this.#pendingCount++
  }

  async #idle(): Promise<void> {
    if (this.#pendingCount === 0) return
    this.#environment.hasten()
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
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

  #addEntries(entries: readonly Entry[], changes: RecordChange[]): void {
    for (const entry of entries) {
      const length = entryRecordBytes(entry)
      const space = this.#memory.take(length)
      writeEntryRecord(this.#keys.entriesPlace, entry, space)
      const value = space.bytes.subarray(space.offset, space.offset + length)
      changes.push({ key: this.#keys.entry(entry.index), value })
    }
  }

  /** What is said of an entry has to be true of it: a log with a wrong base would be refused when it is opened. */
  #assertFacts(facts: SnapshotFacts): void {
    // While something is being written, what is stored is not what the facts are about.
    const record = this.#pendingCount === 0 && this.#environment.peek(this.#keys.entry(facts.index))
    if (!record) return
    const { term, hash } = readEntryRecord(this.#keys.entriesPlace, record, `entry ${facts.index}`)
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
      yield await readChunk(this.#environment, this.#keys, number, chunk, facts.index)
    }
  }

  #assertOpen(): void {
    if (this.#closing) throw closedStorage()
  }
}

function boundsOf(stored: StoredGroup): LogBounds {
  return {
    snapshotIndex: stored.snapshot?.facts.index ?? 0,
    baseIndex: stored.base?.index ?? 0,
    lastIndex: lastIndexOf(stored),
  }
}
