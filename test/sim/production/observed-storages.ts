import type { GroupId } from '#framework/primitives'
import type { Entry, Index, SnapshotFacts, Verdict } from '../../../framework/groups/raft/types.js'
import type {
  GroupStorage,
  OpenedStorage,
  RestoredGroup,
  SnapshotWriter,
  StorageProvider,
  StorageWrite,
  StoredSnapshot,
} from '../../../framework/groups/storage/storage.js'

export interface StorageObserver {
  /** A member is about to begin with what there is. */
  opened(restored: RestoredGroup): void
  /** A write is asked for. */
  writing(write: StorageWrite): void
  /** It has ended well. */
  written(write: StorageWrite): void
}

/** Another provider's storages, with somebody who looks on. */
export class ObservedStorages implements StorageProvider {
  readonly #storages: StorageProvider
  readonly #observer: StorageObserver

  constructor(storages: StorageProvider, observer: StorageObserver) {
    this.#storages = storages
    this.#observer = observer
  }

  async open(group: GroupId): Promise<OpenedStorage> {
    const { storage, restored } = await this.#storages.open(group)
    this.#observer.opened(restored)
    return { storage: new ObservedStorage(storage, this.#observer), restored }
  }

  close(): Promise<void> {
    return this.#storages.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

class ObservedStorage implements GroupStorage {
  readonly #storage: GroupStorage
  readonly #observer: StorageObserver

  constructor(storage: GroupStorage, observer: StorageObserver) {
    this.#storage = storage
    this.#observer = observer
  }

  async write(write: StorageWrite): Promise<void> {
    this.#observer.writing(write)
    await this.#storage.write(write)
    this.#observer.written(write)
  }

  readEntries(from: Index, to: Index, options?: { readonly bytesMax?: number }): Promise<readonly Entry[]> {
    return this.#storage.readEntries(from, to, options)
  }

  stageSnapshot(facts: SnapshotFacts): SnapshotWriter {
    return this.#storage.stageSnapshot(facts)
  }

  currentSnapshot(): StoredSnapshot | undefined {
    return this.#storage.currentSnapshot()
  }

  reset(gaveWay?: readonly Verdict[]): Promise<RestoredGroup> {
    return this.#storage.reset(gaveWay)
  }

  close(): Promise<void> {
    return this.#storage.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
