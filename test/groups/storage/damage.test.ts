import { readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { seededRandom } from '#framework/primitives'
import type { Entry, MemberId } from '../../../framework/groups/raft/types.js'
import { expectEntries, hardState, stage } from './compliance.js'
import { LmdbPlace } from './lmdb-place.js'
import { entriesBehind, factsOf, group, noise, otherGroup, texts } from './logs.js'

const PAGE_BYTES = 4096
const FLIPS = 40

let place: LmdbPlace
let file: string
beforeEach(async () => {
  place = await LmdbPlace.make()
  file = join(place.folder, 'data.mdb')
})
afterEach(() => place[Symbol.asyncDispose]())

const voted = hardState({ term: 7, votedFor: 'bob/0123456789abcdef' as MemberId })

/** A log of `count` entries of its own look, with a snapshot of the first `snapshotIndex` of them where there is one. */
async function fill(
  count: number,
  snapshotIndex?: number,
): Promise<{ entries: Entry[]; incarnation: string }> {
  await using storages = await place.open()
  const { storage, restored } = await storages.open(group)
  const entries = entriesBehind(undefined, texts(count, 'a command that is easy to find:'))
  await storage.write({ entries, hardState: voted })
  if (snapshotIndex !== undefined) {
    await storage.write({
      snapshot: await stage(storage, factsOf(entries[snapshotIndex - 1]!), noise(9_000)),
    })
  }
  return { entries, incarnation: restored.incarnation }
}

/** Flips one bit of the file where this text or these bytes are, wherever that is. */
async function flipIn(what: string | Uint8Array): Promise<void> {
  const bytes = await readFile(file)
  let found = 0
  for (let at = bytes.indexOf(what); at !== -1; at = bytes.indexOf(what, at + 1)) {
    bytes[at + 5]! ^= 1
    found++
  }
  expect(found).toBeGreaterThan(0)
  await writeFile(file, bytes)
}

describe('an entry with a flipped bit', () => {
  test('given one below the end, when opened, then it is refused, and which entry it is', async () => {
    const { entries } = await fill(50)
    await flipIn(entries[19]!.payload)
    await using storages = await place.open()
    await expect(storages.open(group)).rejects.toMatchObject({
      code: 'GROUP_STORAGE_CORRUPT',
      details: { where: 'entry 20' },
    })
    // A person may still look at it: nothing has changed.
    await expect(storages.open(group)).rejects.toMatchObject({ code: 'GROUP_STORAGE_CORRUPT' })
    await storages.open(otherGroup)
  })

  test('given that it may become a new member, when opened, then what is before is kept and it is another one', async () => {
    const { entries, incarnation } = await fill(50)
    await flipIn(entries[19]!.payload)
    {
      await using storages = await place.open({ onDamage: 'become-new-member' })
      const { restored, storage } = await storages.open(group)
      expect(restored.damagedFrom).toBe(20)
      expect(restored.incarnation).not.toBe(incarnation)
      expect(restored.hardState).toEqual({ ...voted, votedFor: undefined })
      expectEntries(restored.entries, entries.slice(0, 19))
      await storage.write({ entries: entries.slice(19) })
    }
    await using storages = await place.open()
    const { restored } = await storages.open(group)
    expect(restored.damagedFrom).toBeUndefined()
    expectEntries(restored.entries, entries)
  })

  test('W-S4: given entries of two histories one after the other, when opened, then it is refused at the first of the second', async () => {
    const { entries } = await fill(20)
    const others = entriesBehind(undefined, texts(25, 'another history'))
    {
      await using storages = await place.open()
      const { storage } = await storages.open(group)
      await storage.write({ entries: others.slice(20) })
    }
    {
      await using storages = await place.open()
      await expect(storages.open(group)).rejects.toMatchObject({ details: { where: 'entry 21' } })
    }
    await using storages = await place.open({ onDamage: 'become-new-member' })
    expectEntries((await storages.open(group)).restored.entries, entries)
  })

  test('given one that a snapshot stands for, when it becomes a new member, then the log goes on behind the snapshot', async () => {
    const { entries } = await fill(50, 30)
    await flipIn(entries[19]!.payload)
    await using storages = await place.open({ onDamage: 'become-new-member' })
    const { restored, storage } = await storages.open(group)
    expect(restored).toMatchObject({
      damagedFrom: 20,
      snapshot: { index: 30 },
      base: { index: 30 },
      entries: [],
    })
    await storage.write({ entries: entries.slice(30) })
  })
})

describe('damage of what is not an entry', () => {
  test('given a damaged hard state, when opened, then it is refused; as a new member it has nothing', async () => {
    const { incarnation } = await fill(50)
    await flipIn('votedFor')
    {
      await using storages = await place.open()
      await expect(storages.open(group)).rejects.toMatchObject({ code: 'GROUP_STORAGE_CORRUPT' })
    }
    await using storages = await place.open({ onDamage: 'become-new-member' })
    const { restored } = await storages.open(group)
    expect(restored).toMatchObject({ damagedFrom: 1, entries: [], hardState: { term: 0 } })
    expect(restored.incarnation).not.toBe(incarnation)
  })

  test('given a damaged snapshot, when opened, then it is refused; as a new member it has nothing', async () => {
    await fill(50, 30)
    await flipIn(noise(9_000).subarray(4_000, 4_100))
    {
      await using storages = await place.open()
      await expect(storages.open(group)).rejects.toMatchObject({
        details: { where: 'chunk 0 of snapshot 30' },
      })
    }
    await using storages = await place.open({ onDamage: 'become-new-member' })
    const { restored, storage } = await storages.open(group)
    expect(restored).toMatchObject({ damagedFrom: 1, entries: [] })
    expect(restored.snapshot).toBeUndefined()
    await storage.write({ entries: entriesBehind(undefined, texts(3)) })
  })

  test('given a damaged identity, when it becomes a new member, then it has nothing of the former one', async () => {
    const { incarnation } = await fill(50)
    await flipIn('incarnation')
    {
      await using storages = await place.open()
      await expect(storages.open(group)).rejects.toMatchObject({ code: 'GROUP_STORAGE_CORRUPT' })
    }
    await using storages = await place.open({ onDamage: 'become-new-member' })
    const { restored } = await storages.open(group)
    expect(restored).toMatchObject({ damagedFrom: 1, entries: [], hardState: { term: 0 } })
    expect(restored.incarnation).not.toBe(incarnation)
  })
})

describe('a damaged file', () => {
  test('given a file that was cut, when opened, then it is refused; set aside, it begins anew', async () => {
    await fill(500)
    const { size } = await stat(file)
    await truncate(file, size / 2)
    await expect(place.open()).rejects.toMatchObject({
      code: 'GROUP_STORAGE_CORRUPT',
      details: { where: file },
    })
    await using storages = await place.open({ onDamage: 'become-new-member' })
    const { restored } = await storages.open(group)
    expect(restored).toMatchObject({ damagedFrom: 1, entries: [] })
    expect((await stat(join(place.folder, 'data.damaged.mdb'))).size).toBe(Math.floor(size / 2))
  })

  test('given a checkpoint of which the power failed before its last page, when opened, then everything is there: the journal has it', async () => {
    const { entries } = await fill(50)
    const before = await readFile(file)
    const more = entriesBehind(entries.at(-1), texts(50, 'acknowledged'))
    {
      await using storages = await place.open()
      const { storage } = await storages.open(group)
      await storage.write({ entries: more })
    }
    // The pages of the commit are there, and the one that makes them count is not.
    const after = await readFile(file)
    before.copy(after, 0, 0, 2 * PAGE_BYTES)
    await writeFile(file, after)
    await using storages = await place.open()
    const { restored } = await storages.open(group)
    expectEntries(restored.entries, [...entries, ...more])
  })

  test('given a meta page that went back by itself, when opened, then the lost commit is noticed', async () => {
    await fill(50)
    const before = await readFile(file)
    // A checkpoint each: what has gone back by one alone the journal makes good.
    for (let term = 8; term < 11; term++) {
      await using storages = await place.open()
      const { storage } = await storages.open(group)
      await storage.write({ hardState: hardState({ term }) })
    }
    const after = await readFile(file)
    const newer = after.readBigUInt64LE(152) > after.readBigUInt64LE(PAGE_BYTES + 152) ? 0 : PAGE_BYTES
    before.copy(after, newer, newer, newer + PAGE_BYTES)
    await writeFile(file, after)
    await expect(place.open()).rejects.toMatchObject({ code: 'GROUP_STORAGE_CORRUPT' })
  })

  test('given a tree that says that its keys are of another kind, when opened, then it is refused', async () => {
    await fill(3)
    const whole = await readFile(file)
    for (const offset of [52, 100]) {
      const damaged = Buffer.from(whole)
      // LMDB would end the process: in such a tree, a key may have several values.
      for (const meta of [0, PAGE_BYTES]) damaged[meta + offset]! ^= 0x04
      await writeFile(file, damaged)
      await expect(place.open()).rejects.toMatchObject({ code: 'GROUP_STORAGE_CORRUPT' })
    }
  })

  test('given any bit flipped, when opened, then it is refused, or everything is as it was and goes on', async () => {
    const { entries } = await fill(300, 200)
    const whole = await readFile(file)
    await using sound = await place.copy()
    const random = seededRandom('flips')
    const pages = whole.byteLength / PAGE_BYTES
    let refused = 0
    for (let flip = 0; flip < FLIPS; flip++) {
      // Where LMDB keeps what it trusts: the meta pages, and the beginnings of the others.
      const at =
        flip % 2 === 0
          ? random.int(2) * PAGE_BYTES + random.int(168)
          : random.int(pages) * PAGE_BYTES + random.int(64)
      const damaged = Buffer.from(whole)
      damaged[at]! ^= 1 << random.int(8)
      await place.takeOver(sound)
      await writeFile(file, damaged)
      try {
        await using storages = await place.open()
        const { restored, storage } = await storages.open(group)
        expectEntries(restored.entries, entries)
        expect(restored.hardState).toEqual(voted)
        await storage.write({ entries: entriesBehind(entries.at(-1), texts(30)) })
      } catch (error) {
        expect(error).toMatchObject({
          code: expect.stringMatching(/^GROUP_STORAGE_(CORRUPT|VERSION)$/) as unknown,
        })
        refused++
      }
    }
    expect(refused).toBeGreaterThan(FLIPS / 4)
  })

  test('given something that is no file of ours, when opened, then it is refused', async () => {
    await fill(1)
    await writeFile(file, noise(20_000))
    await expect(place.open()).rejects.toMatchObject({ code: 'GROUP_STORAGE_CORRUPT' })
  })
})
