import { concatBytes, invariant, type GroupId, type Random } from '#framework/primitives'
import type { Entry, HardState, Index, SnapshotFacts, Verdict } from '../raft/types.js'
import { newIncarnation } from './incarnation.js'
import { boundsAfter, EMPTY_LOG, type LogBounds } from './log-bounds.js'
import { absentEntry, closedStorage, GroupStorageError } from './storage-error.js'
import type {
  GroupStorage,
  OpenedStorage,
  RestoredGroup,
  SnapshotWriter,
  StagedSnapshot,
  StorageProvider,
  StorageWrite,
  StoredSnapshot,
} from './storage.js'

/** What one read returns at most, in bytes of payload, unless it is told otherwise. */
const READ_BYTES_MAX = 1024 * 1024

/** Groups in memory. Each opening begins a new member: whoever forgets what it voted for must not be who it was. */
export class MemoryStorages implements StorageProvider {
  readonly #random: Random
  readonly #opened = new Map<GroupId, MemoryStorage>()
  #isClosed = false

  constructor({ random }: { readonly random: Random }) {
    this.#random = random
  }

  open(group: GroupId): Promise<OpenedStorage> {
    if (this.#isClosed) return Promise.reject(closedStorage())
    if (this.#opened.has(group)) {
      const text = `group ${group} is open already`
      return Promise.reject(new GroupStorageError('GROUP_STORAGE_IN_USE', text))
    }
    const storage = new MemoryStorage(this.#random, () => this.#opened.delete(group))
    this.#opened.set(group, storage)
    return Promise.resolve({ storage, restored: storage.begin() })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#opened.values()].map((storage) => storage.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** One group in memory. A write is as durable as it gets when it has been asked for. */
class MemoryStorage implements GroupStorage {
  readonly #random: Random
  readonly #onClosed: () => void
  #bounds: LogBounds = EMPTY_LOG
  /** In the order of their indices, the first one right behind the base. */
  #entries: Entry[] = []
  #snapshot: MemorySnapshot | undefined
  readonly #staged = new Map<number, Uint8Array[]>()
  #lastNumber = 0
  #isClosed = false

  constructor(random: Random, onClosed: () => void) {
    this.#random = random
    this.#onClosed = onClosed
  }

  /** Nothing, with a new incarnation. */
  begin(): RestoredGroup {
    this.#bounds = EMPTY_LOG
    this.#entries = []
    this.#snapshot = undefined
    this.#staged.clear()
    const hardState: HardState = { clusterId: undefined, term: 0, votedFor: undefined }
    return { hardState, entries: [], incarnation: newIncarnation(this.#random), isVolatile: true }
  }

  async write(write: StorageWrite): Promise<void> {
    this.#assertOpen()
    const { snapshot, resetLog = false, truncateFrom, entries = [], compactTo } = write
    const bounds = boundsAfter(this.#bounds, write)
    if (compactTo) this.#assertFacts(compactTo)
    if (snapshot && !resetLog) this.#assertFacts(snapshot.facts)
    if (snapshot) this.#install(snapshot)
    if (resetLog) this.#entries = []
    if (truncateFrom !== undefined) this.#entries.splice(Math.max(0, this.#offsetOf(truncateFrom)))
    for (const entry of entries) this.#entries.push(entry)
    if (compactTo) this.#entries.splice(0, Math.max(0, this.#offsetOf(compactTo.index + 1)))
    this.#bounds = bounds
  }

  async readEntries(
    from: Index,
    to: Index,
    { bytesMax = READ_BYTES_MAX }: { readonly bytesMax?: number } = {},
  ): Promise<readonly Entry[]> {
    this.#assertOpen()
    if (to < from) return []
    const first = this.#entries[this.#offsetOf(from)]
    if (!first) throw absentEntry(from, this.#bounds)
    const read = [first]
    let bytes = first.payload.byteLength
    for (const entry of this.#entries.slice(this.#offsetOf(from) + 1, this.#offsetOf(to) + 1)) {
      bytes += entry.payload.byteLength
      if (bytes > bytesMax) break
      read.push(entry)
    }
    return read
  }

  stageSnapshot(facts: SnapshotFacts): SnapshotWriter {
    this.#assertOpen()
    const number = ++this.#lastNumber
    const chunks: Uint8Array[] = []
    this.#staged.set(number, chunks)
    return {
      write: async (chunk) => {
        this.#assertOpen()
        chunks.push(Uint8Array.from(chunk))
      },
      finish: async () => ({ facts, number, byteLength: byteLengthOf(chunks) }),
      abandon: async () => {
        this.#staged.delete(number)
      },
    }
  }

  currentSnapshot(): StoredSnapshot | undefined {
    return this.#snapshot
  }

  async reset(gaveWay?: readonly Verdict[]): Promise<RestoredGroup> {
    this.#assertOpen()
    return { ...this.begin(), gaveWay }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClosed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #install({ facts, number }: StagedSnapshot): void {
    const chunks = this.#staged.get(number)
    if (!chunks)
      throw new GroupStorageError('GROUP_STORAGE_ABSENT', `snapshot ${facts.index} is not staged here`)
    this.#staged.delete(number)
    this.#snapshot = new MemorySnapshot(facts, concatBytes(...chunks))
  }

  /** Where an entry is, or would be; beyond the end when there are none. */
  #offsetOf(index: Index): number {
    return index - (this.#entries[0]?.index ?? index)
  }

  /** What is said of an entry has to be true of it. */
  #assertFacts(facts: SnapshotFacts): void {
    const entry = this.#entries[this.#offsetOf(facts.index)]
    const isTrue = !entry || (entry.term === facts.term && entry.hash === facts.hash)
    invariant(isTrue, `entry ${facts.index} is not the one of these facts`)
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedStorage()
  }
}

class MemorySnapshot implements StoredSnapshot {
  readonly facts: SnapshotFacts
  readonly #bytes: Uint8Array

  constructor(facts: SnapshotFacts, bytes: Uint8Array) {
    this.facts = facts
    this.#bytes = bytes
  }

  get byteLength(): number {
    return this.#bytes.byteLength
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    yield Uint8Array.from(this.#bytes)
  }
}

function byteLengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { byteLength }) => sum + byteLength, 0)
}
