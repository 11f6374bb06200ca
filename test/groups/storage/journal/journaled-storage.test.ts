import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ManualClock, seededRandom } from '#framework/primitives'
import type { Entry, MemberId } from '../../../../framework/groups/raft/types.js'
import { LmdbEnvironment } from '../../../../framework/groups/storage/lmdb/environment.js'
import { JOURNAL_KEY, VERSION_KEY } from '../../../../framework/groups/storage/lmdb/keys.js'
import { placeOf, sealRecord } from '../../../../framework/groups/storage/records/checked-record.js'
import { contentOf, expectEntries, hardState, stage } from '../compliance.js'
import { LmdbPlace } from '../lmdb-place.js'
import { entriesBehind, factsOf, group, noise, otherGroup, texts } from '../logs.js'

const BLOCK_BYTES = 4096
/** Room for a header and fifteen small batches. */
const SEGMENT_BYTES = 16 * BLOCK_BYTES
const FLIPS = 30

/** Stands still: no checkpoint is taken because of the time. */
const clock = new ManualClock()
const options = { clock, segmentBytes: SEGMENT_BYTES }
const voted = hardState({ term: 7, votedFor: 'bob/0123456789abcdef' as MemberId })

let afterwards: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of afterwards.splice(0).reverse()) await end()
  afterwards = []
})

interface Killed {
  /** What a process has left that was killed when these entries were durable, and in the journal alone. */
  readonly place: LmdbPlace
  readonly entries: Entry[]
  readonly incarnation: string
}

/** Entries in writes of their own, the last one with a vote. */
async function writeAndKill(count: number): Promise<Killed> {
  await using written = await LmdbPlace.make()
  await using storages = await written.open(options)
  const { storage, restored } = await storages.open(group)
  const entries = entriesBehind(undefined, texts(count))
  for (const entry of entries) {
    await storage.write({ entries: [entry], ...(entry === entries.at(-1) && { hardState: voted }) })
  }
  const place = await written.copy()
  afterwards.push(() => place[Symbol.asyncDispose]())
  return { place, entries, incarnation: restored.incarnation }
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at]! ^= 1
  await writeFile(path, bytes)
}

describe('a journal in front of LMDB', () => {
  test('given a write that may wait, when the storage is closed while no time passes, then it has ended', async () => {
    await using written = await LmdbPlace.make()
    await using storages = await written.open(options)
    const { storage } = await storages.open(group)
    const entries = entriesBehind(undefined, ['x'])
    const writing = storage.write({ entries, mayWait: true })
    await storage.close()
    await writing
    await using copy = await written.copy()
    await using again = await copy.open(options)
    expectEntries((await again.open(group)).restored.entries, entries)
  })

  test('given writes that only the journal has, when opened after a kill, then all of them are there', async () => {
    const { place, entries, incarnation } = await writeAndKill(10)
    await using storages = await place.open(options)
    const { restored, storage } = await storages.open(group)
    expectEntries(restored.entries, entries)
    expect(restored).toMatchObject({ hardState: voted, incarnation })
    expectEntries(await storage.readEntries(1, 99), entries)
  })

  test('given a journal that was replayed, when it is replayed again, then nothing is different', async () => {
    const { place, entries } = await writeAndKill(10)
    await using before = await place.copy()
    await (await place.open(options)).close()
    // The changes have been made, and the position in the journal is the one of before.
    const position = await withEnvironment(before, (lmdb) => lmdb.get(JOURNAL_KEY))
    await withEnvironment(place, (lmdb) => lmdb.write([{ key: JOURNAL_KEY, value: position }]))
    await using storages = await place.open(options)
    expectEntries((await storages.open(group)).restored.entries, entries)
  })

  test('given more than both files hold, when written, then earlier places are used again and the files stay as they are', async () => {
    const { place, entries } = await writeAndKill(100)
    for (const name of ['journal.0', 'journal.1'])
      expect((await stat(join(place.folder, name))).size).toBe(SEGMENT_BYTES)
    await using storages = await place.open(options)
    expectEntries((await storages.open(group)).restored.entries, entries)
  })

  test('given a write that is too large for the journal, when it is between others, then all are there in their order', async () => {
    await using written = await LmdbPlace.make()
    await using storages = await written.open(options)
    const { storage } = await storages.open(group)
    const entries = entriesBehind(undefined, ['a', noise(2 * SEGMENT_BYTES), 'b'])
    // Each of them says something else of the same record.
    await Promise.all(
      entries.map((entry) =>
        storage.write({ entries: [entry], hardState: hardState({ term: entry.index }) }),
      ),
    )
    await using afterAll = await written.copy()
    await storage.write({ truncateFrom: 2 })
    await storage.write({ entries: entries.slice(1, 2), hardState: hardState({ term: 9 }) })
    await using afterLarge = await written.copy()
    for (const [place, count, term] of [
      [afterAll, 3, 3],
      [afterLarge, 2, 9],
    ] as const) {
      await using again = await place.open(options)
      const { restored } = await again.open(group)
      expectEntries(restored.entries, entries.slice(0, count))
      expect(restored.hardState.term).toBe(term)
    }
  })

  test('given a snapshot whose coming into force only the journal has, when opened after a kill, then it is in force', async () => {
    await using written = await LmdbPlace.make()
    await using storages = await written.open(options)
    const { storage } = await storages.open(group)
    const entries = entriesBehind(undefined, texts(5))
    await storage.write({ entries })
    await storage.write({ snapshot: await stage(storage, factsOf(entries[2]!), noise(9_000, 1)) })
    const snapshot = await stage(storage, factsOf(entries[4]!), noise(9_000, 2))
    await storage.write({ snapshot, compactTo: factsOf(entries[2]!) })
    await using place = await written.copy()
    await using again = await place.open(options)
    const opened = await again.open(group)
    expect(opened.restored.base).toEqual(factsOf(entries[2]!))
    expectEntries(opened.restored.entries, entries.slice(3))
    const content = await contentOf(opened.storage.currentSnapshot()!)
    expect(Buffer.from(content).equals(noise(9_000, 2))).toBe(true)
  })

  test('given entries that are removed and written again before a checkpoint, when read, then they are the last ones', async () => {
    await using place = await LmdbPlace.make()
    await using storages = await place.open(options)
    const { storage } = await storages.open(group)
    const entries = entriesBehind(undefined, texts(5))
    const others = entriesBehind(entries[1], texts(2, 'other'), { term: 2 })
    await storage.write({ entries })
    await storage.write({ truncateFrom: 3, entries: others })
    expectEntries(await storage.readEntries(1, 99), [...entries.slice(0, 2), ...others])
  })

  test('given a quiet second, when it is over, then LMDB has everything: the journal is not needed any more', async () => {
    await using written = await LmdbPlace.make()
    const time = new ManualClock()
    await using storages = await written.open({ ...options, clock: time })
    const { storage } = await storages.open(group)
    const entries = entriesBehind(undefined, texts(3))
    await storage.write({ entries })
    time.advance(1_000)
    // Stages behind the checkpoint, and nothing else.
    await stage(storage, factsOf(entries[2]!), noise(10))
    await using place = await written.copy()
    const journal = join(place.folder, 'journal.0')
    const bytes = await readFile(journal)
    bytes.fill(0xff, BLOCK_BYTES)
    await writeFile(journal, bytes)
    await using again = await place.open(options)
    expectEntries((await again.open(group)).restored.entries, entries)
  })

  test('given a folder of before there was a journal, when opened, then it is as it was, and goes on with one', async () => {
    const { place, entries } = await writeAndKill(10)
    await (await place.open(options)).close()
    const version = sealRecord(placeOf(VERSION_KEY), Uint8Array.of(1))
    await withEnvironment(place, (lmdb) =>
      lmdb.write([
        { key: VERSION_KEY, value: version },
        { key: JOURNAL_KEY, value: undefined },
      ]),
    )
    for (const name of ['journal.0', 'journal.1']) await rm(join(place.folder, name))
    await using storages = await place.open(options)
    const { restored, storage } = await storages.open(group)
    expectEntries(restored.entries, entries)
    await storage.write({ entries: entriesBehind(entries.at(-1), ['more']) })
  })
})

describe('a damaged journal', () => {
  let killed: Killed
  beforeEach(async () => {
    killed = await writeAndKill(6)
  })

  test('given a batch with a flipped bit, when others follow, then the storage is refused, and nothing has changed', async () => {
    const { place, entries } = killed
    // The first batch of a group is that of its identity.
    await flip(join(place.folder, 'journal.0'), 3 * BLOCK_BYTES + 60)
    for (let time = 0; time < 2; time++) {
      await expect(place.open(options)).rejects.toMatchObject({
        code: 'GROUP_STORAGE_CORRUPT',
        details: { where: join(place.folder, 'journal'), sequence: 3, foundBehind: 4 },
      })
    }
    await flip(join(place.folder, 'journal.0'), 3 * BLOCK_BYTES + 60)
    await using storages = await place.open(options)
    expectEntries((await storages.open(group)).restored.entries, entries)
  })

  test('given that they may become new members, when opened, then what is before is kept and they are other ones', async () => {
    const { place, entries, incarnation } = killed
    await flip(join(place.folder, 'journal.0'), 3 * BLOCK_BYTES + 60)
    {
      await using storages = await place.open({ ...options, onDamage: 'become-new-member' })
      const { restored, storage } = await storages.open(group)
      expect(restored).toMatchObject({ damagedFrom: 2, hardState: { votedFor: undefined } })
      expect(restored.incarnation).not.toBe(incarnation)
      expectEntries(restored.entries, entries.slice(0, 1))
      await storage.write({ entries: entries.slice(1) })
      expect((await storages.open(otherGroup)).restored.damagedFrom).toBeUndefined()
    }
    expect((await stat(join(place.folder, 'journal.0.damaged'))).size).toBe(SEGMENT_BYTES)
    await using storages = await place.open(options)
    const { restored } = await storages.open(group)
    expect(restored.damagedFrom).toBeUndefined()
    expectEntries(restored.entries, entries)
  })

  test.each([0, 100, BLOCK_BYTES, 3 * BLOCK_BYTES + 200, 7 * BLOCK_BYTES, SEGMENT_BYTES - 1])(
    'given a file that was cut to %d bytes, when opened, then it is refused',
    async (length) => {
      const { place } = killed
      await truncate(join(place.folder, 'journal.0'), length)
      await expect(place.open(options)).rejects.toMatchObject({ code: 'GROUP_STORAGE_CORRUPT' })
    },
  )

  test('given a file that is missing, when opened, then it is refused; as a new member it goes on', async () => {
    const { place, incarnation } = killed
    await rm(join(place.folder, 'journal.0'))
    await expect(place.open(options)).rejects.toMatchObject({
      code: 'GROUP_STORAGE_CORRUPT',
      details: { where: join(place.folder, 'journal.0') },
    })
    await using storages = await place.open({ ...options, onDamage: 'become-new-member' })
    const { restored } = await storages.open(group)
    expect(restored.incarnation).not.toBe(incarnation)
    expectEntries(restored.entries, [])
  })

  test('given any bit flipped, when opened, then it is refused, or everything is there that another write has followed', async () => {
    const { place, entries } = killed
    await using sound = await place.copy()
    const random = seededRandom('journal flips')
    let refused = 0
    for (let number = 0; number < FLIPS; number++) {
      await place.takeOver(sound)
      const name = number % 5 === 0 ? 'journal.1' : 'journal.0'
      // Where there is something: the header, and the beginnings of batches.
      const block = number % 5 === 0 ? 0 : random.int(8)
      await flip(join(place.folder, name), block * BLOCK_BYTES + random.int(160))
      try {
        await using storages = await place.open(options)
        const { restored } = await storages.open(group)
        expect(restored.entries.length).toBeGreaterThanOrEqual(5)
        expectEntries(restored.entries, entries.slice(0, restored.entries.length))
      } catch (error) {
        expect(error).toMatchObject({ code: 'GROUP_STORAGE_CORRUPT' })
        refused++
      }
    }
    expect(refused).toBeGreaterThan(FLIPS / 3)
  })
})

async function withEnvironment<T>(place: LmdbPlace, use: (lmdb: LmdbEnvironment) => Promise<T>): Promise<T> {
  const lmdb = await LmdbEnvironment.open(place.folder, { onDamage: 'refuse', clock })
  try {
    return await use(lmdb)
  } finally {
    await lmdb.close()
  }
}
