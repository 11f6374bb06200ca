import type { GroupId } from '#framework/primitives'
import type { Entry, HardState, Index, RestoredState, SnapshotFacts, Verdict } from '../raft/types.js'

/** What a storage holds of a group when it is opened. */
export interface RestoredGroup extends RestoredState {
  /** 8 bytes as 16 lower-case hexadecimal characters: who this member is, besides its peer id. */
  readonly incarnation: string
  /** Nothing outlives the process. The incarnation is a new one every time. */
  readonly isVolatile: boolean
  /** The snapshot that is in force, between `base` and the last entry. Undefined when there is none. */
  readonly snapshot?: SnapshotFacts | undefined
  /**
   * Entries from here on were there and were damaged, and have been dropped; 1 when nothing could be kept. The incarnation
   * is new then: who has forgotten what it said must not speak for whom it was. Only with `onDamage: 'become-new-member'`.
   */
  readonly damagedFrom?: Index | undefined
  /** What the last {@link GroupStorage.reset} kept. Undefined when there was none. */
  readonly gaveWay?: readonly Verdict[] | undefined
}

/**
 * Changes that become durable together or not at all, in this order. What is absent stays as it is.
 */
export interface StorageWrite {
  readonly hardState?: HardState | undefined
  /**
   * The snapshot takes the place of the one before. The log must lead up to it, unless `resetLog` says that the log is to
   * begin anew behind it.
   */
  readonly snapshot?: StagedSnapshot | undefined
  readonly resetLog?: boolean | undefined
  /** This entry and all after it go. Above the snapshot, which stands for committed entries. */
  readonly truncateFrom?: Index | undefined
  /** Right behind what is there then. */
  readonly entries?: readonly Entry[] | undefined
  /**
   * Entries up to and including this one go; the facts are those of that entry. Not beyond the snapshot. One that is gone
   * already changes nothing.
   */
  readonly compactTo?: SnapshotFacts | undefined
  /** Nobody waits for it: a storage may put it off for some milliseconds, to share a sync with what comes then. */
  readonly mayWait?: boolean | undefined
}

/**
 * Where one member of one group keeps what it must not forget. Everything is asynchronous and may fail; what was refused
 * has left no trace (a member whose storage fails stops, and continues when the storage works again).
 *
 * Writes take effect in the order in which they were asked for. A write may be asked for before the one before it has
 * ended; when one fails, those behind it fail too.
 *
 * Implementations pass the suite in `test/groups/storage/compliance.ts`.
 */
export interface GroupStorage extends AsyncDisposable {
  /**
   * Resolves when all of it is durable. Entries and their payloads must not change before.
   *
   * @throws GroupStorageError `GROUP_STORAGE_FULL`, `GROUP_STORAGE_FAILED`, `GROUP_STORAGE_BUSY`, `GROUP_STORAGE_CLOSED`:
   *   nothing of it has happened.
   * @throws InvariantError when the write contradicts the log.
   */
  write(write: StorageWrite): Promise<void>

  /**
   * Durable entries from `from` to `to`, both included, as many as `bytesMax` of payload allow, and at least one.
   *
   * @throws GroupStorageError `GROUP_STORAGE_ABSENT` when `from` is compacted or not there yet, `GROUP_STORAGE_CORRUPT`,
   *   `GROUP_STORAGE_CLOSED`.
   */
  readEntries(from: Index, to: Index, options?: { readonly bytesMax?: number }): Promise<readonly Entry[]>

  /** Begins to take in a snapshot, which counts for nothing until it is part of a write. */
  stageSnapshot(facts: SnapshotFacts): SnapshotWriter

  /** The snapshot that is in force; undefined when there is none. */
  currentSnapshot(): StoredSnapshot | undefined

  /**
   * Forgets everything and becomes a new member, in one step: for one that has to begin again.
   *
   * @param gaveWay By what clusters have given way that it was in: what is given up may have been the only proof of it.
   *   Kept until the next reset.
   * @returns What there is then: nothing else, with a new incarnation.
   */
  reset(gaveWay?: readonly Verdict[]): Promise<RestoredGroup>

  /** Ends what was asked for and lets go. Idempotent. */
  close(): Promise<void>
}

/** Takes in a snapshot piece by piece. What is abandoned, or left behind by a process that ended, is removed. */
export interface SnapshotWriter {
  /**
   * Resolves when the bytes are stored: whoever awaits it holds one chunk at a time.
   *
   * @throws GroupStorageError as {@link GroupStorage.write} does.
   */
  write(chunk: Uint8Array): Promise<void>
  /** All of it is there. To be part of a write while the storage is open. */
  finish(): Promise<StagedSnapshot>
  /** Harmless when it was used in a write. */
  abandon(): Promise<void>
}

/** A snapshot that is complete and not in force. */
export interface StagedSnapshot {
  readonly facts: SnapshotFacts
  readonly byteLength: number
  /** Tells apart what one storage has staged. */
  readonly number: number
}

/**
 * A snapshot to read, from the beginning each time it is iterated. Chunks have the sizes that suit the storage.
 *
 * Iterating throws GroupStorageError `GROUP_STORAGE_ABSENT` when a newer snapshot has taken its place meanwhile, and
 * `GROUP_STORAGE_CORRUPT`.
 */
export interface StoredSnapshot extends AsyncIterable<Uint8Array> {
  readonly facts: SnapshotFacts
  readonly byteLength: number
}

export interface OpenedStorage {
  readonly storage: GroupStorage
  readonly restored: RestoredGroup
}

/** Where the groups of a node are stored. */
export interface StorageProvider extends AsyncDisposable {
  /**
   * Opens what is stored of a group, or begins a new member.
   *
   * @throws GroupStorageError `GROUP_STORAGE_CORRUPT`, `GROUP_STORAGE_IN_USE`, `GROUP_STORAGE_VERSION`,
   *   `GROUP_STORAGE_FULL`, `GROUP_STORAGE_FAILED`, `GROUP_STORAGE_CLOSED`.
   */
  open(group: GroupId): Promise<OpenedStorage>
  /** Closes what it has opened. Idempotent. */
  close(): Promise<void>
}
