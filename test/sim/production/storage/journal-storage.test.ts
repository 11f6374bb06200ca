import { describe, expect, test } from '@jest/globals'
import { seededRandom, type GroupId } from '#framework/primitives'
import { GroupStorageError, type OpenedStorage } from '../../../../framework/groups/storage/index.js'
import {
  describeStorage,
  expectEntries,
  hardState,
  stage,
  type StoragePlace,
} from '../../../groups/storage/compliance.js'
import { entriesBehind, factsOf, group, noise, texts } from '../../../groups/storage/logs.js'
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

describe('the journal of the simulator: what a crash and damage do', () => {
  /** A disk, and the group in it opened by a process that is there until the next one is. */
  class Machine {
    readonly disk = new SimDisk<DiskRecord>(undefined, bytesDamage)
    readonly random = seededRandom('machine')
    /** Whether syncs end. */
    isSyncing = true

    open(): Promise<OpenedStorage> {
      const storages = new JournalStorages({
        random: this.random,
        diskOf: () => this.disk,
        startSync: (done) => queueMicrotask(() => this.isSyncing && done()),
        bugs: {},
      })
      return storages.open(group)
    }
  }

  test('given a write that was not synced, when the machine ends, then it is gone as a whole or there as a whole', async () => {
    const seen = new Set<number>()
    for (let time = 0; time < 40; time++) {
      const machine = new Machine()
      const { storage, restored } = await machine.open()
      const entries = entriesBehind(undefined, texts(4))
      await storage.write({ entries: entries.slice(0, 2) })
      machine.isSyncing = false
      for (let draw = 0; draw < time; draw++) machine.random.float()
      void storage.write({ entries: entries.slice(2), hardState: hardState({ term: 3 }) })
      await Promise.resolve()
      machine.disk.crash(time % 2 === 0 ? 'torn' : 'unsynced', machine.random)
      machine.isSyncing = true
      const after = (await machine.open()).restored
      seen.add(after.entries.length)
      expect(after.incarnation).toBe(restored.incarnation)
      expect(after.damagedFrom).toBeUndefined()
      expect(after.hardState.term).toBe(after.entries.length === 4 ? 3 : 0)
      expectEntries(after.entries, entries.slice(0, after.entries.length))
    }
    expect([...seen]).toEqual([2])
  })

  test('given a bit that has flipped, when it is opened, then it is another member, with what was sound', async () => {
    for (let time = 0; time < 40; time++) {
      const machine = new Machine()
      const { storage, restored } = await machine.open()
      const entries = entriesBehind(undefined, texts(8))
      await storage.write({ entries: entries.slice(0, 6), hardState: hardState({ term: 7 }) })
      await storage.write({ snapshot: await stage(storage, factsOf(entries[3]!), noise(100)) })
      await storage.write({ entries: entries.slice(6) })
      for (let draw = 0; draw < time; draw++) machine.random.float()
      machine.disk.flipBit(machine.random)
      const after = (await machine.open()).restored
      expect(after.incarnation).not.toBe(restored.incarnation)
      expect(after.hardState.votedFor).toBeUndefined()
      expect(after.damagedFrom).toBeDefined()
      const first = (after.base?.index ?? 0) + 1
      expectEntries(after.entries, entries.slice(first - 1, first - 1 + after.entries.length))
      const again = (await machine.open()).restored
      expect(again.incarnation).toBe(after.incarnation)
    }
  })

  test('given a full disk, when something is written, then it and what is behind it are refused, and later there is room', async () => {
    const machine = new Machine()
    const { storage } = await machine.open()
    const entries = entriesBehind(undefined, texts(3))
    await storage.write({ entries: entries.slice(0, 1) })
    machine.disk.setCapacity(machine.disk.usedBytes)
    const full = { code: 'GROUP_STORAGE_FULL' }
    const refused = [
      storage.write({ entries: entries.slice(1, 2) }),
      storage.write({ entries: entries.slice(2) }),
    ]
    for (const write of refused) await expect(write).rejects.toMatchObject(full)
    machine.disk.setCapacity(Infinity)
    await storage.write({ entries: entries.slice(1) })
    expectEntries(await storage.readEntries(1, 9), entries)
  })
})
