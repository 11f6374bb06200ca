import type { GroupId, Random } from '#framework/primitives'
import { newIncarnation } from '../../../../framework/groups/storage/incarnation.js'
import { closedStorage, GroupStorageError } from '../../../../framework/groups/storage/storage-error.js'
import type { OpenedStorage, StorageProvider } from '../../../../framework/groups/storage/storage.js'
import type { SimDisk } from '../../environment/disk.js'
import { readFile, type DiskRecord } from './disk-records.js'
import { JournalStorage, restoredOf, type JournalStorageOptions } from './journal-storage.js'
import { LogImage } from './log-image.js'

export interface JournalStoragesOptions extends Pick<JournalStorageOptions, 'startSync' | 'bugs'> {
  readonly random: Random
  readonly diskOf: (group: GroupId) => SimDisk<DiskRecord>
  /** What a member goes by that has nothing on its disk, instead of a name of its own. */
  readonly formerIncarnation?: string | undefined
}

/** Groups in journals on simulated disks, one each. */
export class JournalStorages implements StorageProvider {
  readonly #options: JournalStoragesOptions
  readonly #opened = new Map<GroupId, JournalStorage | undefined>()
  #isClosed = false

  constructor(options: JournalStoragesOptions) {
    this.#options = options
  }

  async open(group: GroupId): Promise<OpenedStorage> {
    if (this.#isClosed) throw closedStorage()
    if (this.#opened.has(group)) {
      throw new GroupStorageError('GROUP_STORAGE_IN_USE', `group ${group} is open already`)
    }
    this.#opened.set(group, undefined)
    try {
      return await this.#open(group)
    } catch (error) {
      this.#opened.delete(group)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#opened.values()].map(async (storage) => storage?.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #open(group: GroupId): Promise<OpenedStorage> {
    const { diskOf, random, startSync, bugs, formerIncarnation } = this.#options
    const disk = diskOf(group)
    const file = readFile(disk.read())
    const isCorrupt = file.damage === 'corrupt' && bugs.cutsOffCorruption !== true
    const former = bugs.reusesIncarnation === true ? formerIncarnation : undefined
    // Who does not know any more what it has said must not speak for whom it was.
    const incarnation = isCorrupt || !file.incarnation ? (former ?? newIncarnation(random)) : file.incarnation
    const image = file.incarnation === undefined ? new LogImage() : file.image
    if (isCorrupt) keepSoundPart(image)
    const onClosed = (): void => void this.#opened.delete(group)
    const storage = new JournalStorage({ disk, random, startSync, bugs, onClosed }, incarnation, image)
    this.#opened.set(group, storage)
    if (file.damage === 'torn' || !isCorrupt) disk.cutOff(file.wholeCount)
    if (incarnation !== file.incarnation) await storage.rewrite()
    const restored = restoredOf(image, incarnation)
    const { clusterId } = restored.hardState
    const hardState =
      bugs.forgetsHardState === true ? { clusterId, term: 0, votedFor: undefined } : restored.hardState
    const damagedFrom = isCorrupt ? image.bounds.lastIndex + 1 : undefined
    return { storage, restored: { ...restored, hardState, damagedFrom, isVolatile: false } }
  }
}

/** What is left when the rest was damaged, for somebody who is another member now. */
function keepSoundPart(image: LogImage): void {
  image.hardState = { ...image.hardState, votedFor: undefined }
  const { snapshot, bounds } = image
  if (!snapshot || bounds.lastIndex >= snapshot.facts.index) return
  // Entries that do not lead up to the snapshot are of no use.
  image.base = snapshot.facts
  image.entries = []
}
