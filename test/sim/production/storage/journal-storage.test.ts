import { seededRandom, type GroupId } from '#framework/primitives'
import { GroupStorageError } from '../../../../framework/groups/storage/index.js'
import { describeStorage, type StoragePlace } from '../../../groups/storage/compliance.js'
import { SimDisk } from '../../environment/disk.js'
import { bytesDamage, type DiskRecord } from './disk-records.js'
import { JournalStorages } from './journal-storages.js'

/** Disks that one provider at a time may have. */
class Place implements StoragePlace {
  readonly #disks = new Map<GroupId, SimDisk<DiskRecord>>()
  #open: JournalStorages | undefined

  async open(): Promise<JournalStorages> {
    if (this.#open !== undefined) throw new GroupStorageError('GROUP_STORAGE_IN_USE', 'this place is in use')
    const storages = new JournalStorages({
      random: seededRandom('journal'),
      diskOf: (group) => this.#diskOf(group),
      startSync: (done) => queueMicrotask(done),
      bugs: {},
    })
    this.#open = storages
    const close = storages.close.bind(storages)
    storages.close = async () => {
      await close()
      this.#open = undefined
    }
    return storages
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #diskOf(group: GroupId): SimDisk<DiskRecord> {
    const disk = this.#disks.get(group) ?? new SimDisk<DiskRecord>(undefined, bytesDamage)
    this.#disks.set(group, disk)
    return disk
  }
}

describeStorage('the journal of the simulator', { isVolatile: false, newPlace: async () => new Place() })
