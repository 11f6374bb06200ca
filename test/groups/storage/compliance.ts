import { afterEach, describe, expect, test } from '@jest/globals'
import { concatBytes, equalBytes, type GroupId } from '#framework/primitives'
import type {
  ClusterId,
  Entry,
  HardState,
  MemberId,
  SnapshotFacts,
} from '../../../framework/groups/raft/types.js'
import type {
  GroupStorage,
  OpenedStorage,
  StagedSnapshot,
  StorageProvider,
  StoredSnapshot,
} from '../../../framework/groups/storage/storage.js'
import { configuration, entriesBehind, factsOf, group, noise, otherGroup, texts } from './logs.js'

/** One place where storages are, which opens them again and again as a node that restarts does. */
export interface StoragePlace extends AsyncDisposable {
  open(): Promise<StorageProvider>
}

export interface ComplianceOptions {
  /** A place of its own for every test. */
  readonly newPlace: () => Promise<StoragePlace>
  /** Nothing outlives the closing of a storage. */
  readonly isVolatile: boolean
}

/** What every storage of groups must do, whoever wrote it. */
export function describeStorage(name: string, { newPlace, isVolatile }: ComplianceOptions): void {
  const afterwards: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const end of afterwards.splice(0).reverse()) await end()
  })

  async function begin(): Promise<Opening> {
    const place = await newPlace()
    afterwards.push(async () => place[Symbol.asyncDispose]())
    return openAt(place)
  }

  async function openAt(place: StoragePlace, which: GroupId = group): Promise<Opening> {
    const provider = await place.open()
    afterwards.push(() => provider.close())
    return { ...(await provider.open(which)), provider, place }
  }

  async function restart({ provider, place }: Opening): Promise<Opening> {
    await provider.close()
    return openAt(place)
  }

  describe(`${name}: the log`, () => {
    test('given nothing, when opened, then there is nothing', async () => {
      const { restored } = await begin()
      expect(restored).toMatchObject({ hardState: { term: 0 }, entries: [], isVolatile })
      expect(restored.hardState.votedFor).toBeUndefined()
      expect(restored.hardState.clusterId).toBeUndefined()
      expect(restored.snapshot).toBeUndefined()
      expect(restored.damagedFrom).toBeUndefined()
      expect(restored.incarnation).toMatch(/^[0-9a-f]{16}$/)
    })

    test('given entries of every kind, when read, then they are what was written', async () => {
      const { storage } = await begin()
      const entries: Entry[] = []
      for (const kind of ['noop', 'configuration', 'command', 'session'] as const) {
        entries.push(...entriesBehind(entries.at(-1), [`a ${kind}`, ''], { kind, term: entries.length + 1 }))
      }
      await storage.write({ entries })
      expectEntries(await storage.readEntries(1, 10), entries)
    })

    test('given a log, when a range is read, then it is clamped to the end and refused in front of the beginning', async () => {
      const { storage, entries } = await withEntries(20)
      expectEntries(await storage.readEntries(5, 7), entries.slice(4, 7))
      expectEntries(await storage.readEntries(18, 99), entries.slice(17))
      expect(await storage.readEntries(5, 4)).toEqual([])
      await expect(storage.readEntries(0, 3)).rejects.toMatchObject({ code: 'GROUP_STORAGE_ABSENT' })
      await expect(storage.readEntries(21, 22)).rejects.toMatchObject({ code: 'GROUP_STORAGE_ABSENT' })
    })

    test('given large entries, when read with a bound, then as many as fit come, and never none', async () => {
      const { storage } = await begin()
      const entries = entriesBehind(undefined, [noise(1000, 1), noise(1000, 2), noise(5000, 3), noise(10, 4)])
      await storage.write({ entries })
      expectEntries(await storage.readEntries(1, 4, { bytesMax: 2500 }), entries.slice(0, 2))
      expectEntries(await storage.readEntries(3, 4, { bytesMax: 100 }), entries.slice(2, 3))
    })

    test('given a log, when truncated and continued, then the new entries follow', async () => {
      const { storage, entries } = await withEntries(10)
      const others = entriesBehind(entries[5], texts(3, 'other'), { term: 2 })
      await storage.write({ truncateFrom: 7, entries: others })
      expectEntries(await storage.readEntries(1, 99), [...entries.slice(0, 6), ...others])
    })

    test('given a log, when truncated beyond its end, then nothing changes', async () => {
      const { storage, entries } = await withEntries(3)
      await storage.write({ truncateFrom: 9 })
      expectEntries(await storage.readEntries(1, 99), entries)
    })

    test.each([
      ['a gap', ([, , third]: Entry[]) => ({ entries: [third!] })],
      ['an entry that is there', ([first]: Entry[]) => ({ entries: [first!] })],
    ])(
      'given %s behind two entries, when written, then it is refused and nothing has changed',
      async (_, writeOf) => {
        const { storage } = await begin()
        const entries = entriesBehind(undefined, texts(4))
        await storage.write({ entries: entries.slice(0, 2) })
        await expect(storage.write(writeOf([entries[0]!, entries[1]!, entries[3]!]))).rejects.toMatchObject({
          code: 'INVARIANT',
        })
        await storage.write({ entries: entries.slice(2) })
        expectEntries(await storage.readEntries(1, 9), entries)
      },
    )

    test('given several writes at once, when they end, then they have taken effect in their order', async () => {
      const { storage } = await begin()
      const entries = entriesBehind(undefined, texts(50))
      const ended: number[] = []
      await Promise.all(
        entries.map(async (entry) => {
          await storage.write({ entries: [entry], hardState: hardState({ term: entry.index }) })
          ended.push(entry.index)
        }),
      )
      expect(ended).toEqual(entries.map(({ index }) => index))
      expectEntries(await storage.readEntries(1, 99), entries)
    })
  })

  describe(`${name}: compaction`, () => {
    test('given a compacted log, when read, then indices are what they were and the rest is refused', async () => {
      const { storage, entries } = await withSnapshot(20, 15)
      await storage.write({ compactTo: factsOf(entries[9]!) })
      expectEntries(await storage.readEntries(11, 99), entries.slice(10))
      await expect(storage.readEntries(10, 99)).rejects.toMatchObject({ code: 'GROUP_STORAGE_ABSENT' })
    })

    test('given a compacted log, when appended to, then numbering goes on', async () => {
      const { storage, entries } = await withSnapshot(20, 20)
      const more = entriesBehind(entries.at(-1), texts(5, 'more'))
      await storage.write({ compactTo: factsOf(entries[9]!), entries: more })
      expectEntries(await storage.readEntries(11, 99), [...entries.slice(10), ...more])
    })

    test('given a compacted log, when compacted again to the same or an earlier entry, then nothing changes', async () => {
      const { storage, entries } = await withSnapshot(20, 15)
      await storage.write({ compactTo: factsOf(entries[9]!) })
      await storage.write({ compactTo: factsOf(entries[9]!) })
      await storage.write({ compactTo: factsOf(entries[3]!) })
      expectEntries(await storage.readEntries(11, 99), entries.slice(10))
    })

    test('given a log that is compacted to its last entry, when appended to, then the end was not lost', async () => {
      const { storage, entries } = await withSnapshot(8, 8)
      await storage.write({ compactTo: factsOf(entries[7]!) })
      await expect(storage.readEntries(8, 8)).rejects.toMatchObject({ code: 'GROUP_STORAGE_ABSENT' })
      const more = entriesBehind(entries.at(-1), texts(2, 'more'))
      await storage.write({ entries: more })
      expectEntries(await storage.readEntries(9, 99), more)
    })

    test('given a compacted log, when truncated behind the snapshot, then what is in front of it stays', async () => {
      const { storage, entries } = await withSnapshot(20, 15)
      await storage.write({ compactTo: factsOf(entries[9]!) })
      await storage.write({ truncateFrom: 16 })
      expectEntries(await storage.readEntries(11, 99), entries.slice(10, 15))
    })

    test('W-S6: given a snapshot, when the log is truncated at it or before, then it is refused', async () => {
      const { storage, entries } = await withSnapshot(20, 15)
      await expect(storage.write({ truncateFrom: 15 })).rejects.toMatchObject({ code: 'INVARIANT' })
      expectEntries(await storage.readEntries(1, 99), entries)
    })

    test('given a snapshot, when compacted beyond it, then it is refused: nothing would stand for the entries', async () => {
      const { storage, entries } = await withSnapshot(20, 15)
      await expect(storage.write({ compactTo: factsOf(entries[15]!) })).rejects.toMatchObject({
        code: 'INVARIANT',
      })
      expectEntries(await storage.readEntries(1, 99), entries)
    })

    test('given facts of another entry, when compacted to it, then it is refused', async () => {
      const { storage, entries } = await withSnapshot(20, 15)
      const facts = { ...factsOf(entries[9]!), hash: entries[10]!.hash }
      await expect(storage.write({ compactTo: facts })).rejects.toMatchObject({ code: 'INVARIANT' })
      expectEntries(await storage.readEntries(1, 99), entries)
    })
  })

  describe(`${name}: snapshots`, () => {
    test('given a staged snapshot, when it is not part of a write, then it is not in force', async () => {
      const { storage, entries } = await withEntries(5)
      await stage(storage, factsOf(entries[4]!), noise(1000))
      expect(storage.currentSnapshot()).toBeUndefined()
    })

    test('given a snapshot of many chunks, when read, then it is what was written, again and again', async () => {
      const { storage, entries } = await withEntries(5)
      const chunks = [noise(300_000, 1), noise(10, 2), noise(0, 3), noise(600_000, 4)]
      await storage.write({ snapshot: await stage(storage, factsOf(entries[4]!), ...chunks) })
      const snapshot = storage.currentSnapshot()!
      expect(snapshot.facts).toEqual(factsOf(entries[4]!))
      expect(snapshot.byteLength).toBe(900_010)
      for (let time = 0; time < 2; time++) expectBytes(await contentOf(snapshot), concatBytes(...chunks))
    })

    test('given a snapshot without bytes, when read, then it is empty', async () => {
      const { storage, entries } = await withEntries(5)
      await storage.write({ snapshot: await stage(storage, factsOf(entries[4]!)) })
      expectBytes(await contentOf(storage.currentSnapshot()!), new Uint8Array())
    })

    test('given a snapshot in force, when another is written, then it takes its place', async () => {
      const { storage, entries } = await withEntries(9)
      await storage.write({ snapshot: await stage(storage, factsOf(entries[4]!), noise(400_000, 1)) })
      await storage.write({ snapshot: await stage(storage, factsOf(entries[8]!), noise(20, 2)) })
      expect(storage.currentSnapshot()!.facts.index).toBe(9)
      expectBytes(await contentOf(storage.currentSnapshot()!), noise(20, 2))
    })

    test('given a snapshot from elsewhere, when the log begins anew behind it, then it goes on from there', async () => {
      const { storage } = await withEntries(9)
      const theirs = entriesBehind(undefined, texts(40, 'theirs'), { term: 3 })
      const snapshot = await stage(storage, factsOf(theirs[29]!), noise(500))
      await storage.write({ snapshot, resetLog: true, entries: theirs.slice(30) })
      expectEntries(await storage.readEntries(31, 99), theirs.slice(30))
      await expect(storage.readEntries(9, 31)).rejects.toMatchObject({ code: 'GROUP_STORAGE_ABSENT' })
    })

    test('given a snapshot that the log does not lead up to, when written, then it is refused, and can be used otherwise', async () => {
      const { storage, entries } = await withEntries(9)
      const theirs = entriesBehind(undefined, texts(40, 'theirs'), { term: 3 })
      const snapshot = await stage(storage, factsOf(theirs[29]!), noise(500))
      await expect(storage.write({ snapshot })).rejects.toMatchObject({ code: 'INVARIANT' })
      expectEntries(await storage.readEntries(1, 99), entries)
      await storage.write({ snapshot, resetLog: true })
      expect(storage.currentSnapshot()!.facts.index).toBe(30)
    })

    test('given entries that are about to be replaced, when a snapshot of the new ones is written at once, then it is in force', async () => {
      const { storage, entries } = await withEntries(5)
      const others = entriesBehind(entries[2], texts(2, 'other'), { term: 2 })
      const snapshot = await stage(storage, factsOf(others[1]!), noise(10))
      const replaced = storage.write({ truncateFrom: 4, entries: others })
      await storage.write({ snapshot, compactTo: factsOf(others[0]!) })
      await replaced
      expectEntries(await storage.readEntries(5, 9), others.slice(1))
      expect(storage.currentSnapshot()!.facts).toEqual(factsOf(others[1]!))
    })

    test('given a snapshot that was abandoned or used already, when written, then it is refused', async () => {
      const { storage, entries } = await withEntries(9)
      const writer = storage.stageSnapshot(factsOf(entries[4]!))
      await writer.write(noise(10))
      const snapshot = await writer.finish()
      await writer.abandon()
      await expect(storage.write({ snapshot })).rejects.toMatchObject({ code: 'GROUP_STORAGE_ABSENT' })
      const used = await stage(storage, factsOf(entries[4]!), noise(10))
      await storage.write({ snapshot: used })
      await expect(storage.write({ snapshot: used })).rejects.toMatchObject({ code: 'GROUP_STORAGE_ABSENT' })
    })

    test('given a snapshot in force, when its writer abandons it, then it stays', async () => {
      const { storage, entries } = await withEntries(9)
      const writer = storage.stageSnapshot(factsOf(entries[4]!))
      await writer.write(noise(10))
      await storage.write({ snapshot: await writer.finish() })
      await writer.abandon()
      expectBytes(await contentOf(storage.currentSnapshot()!), noise(10))
    })
  })

  describe(`${name}: opening and closing`, () => {
    test('given a group that is open, when it is opened again, then it is refused', async () => {
      const { provider } = await begin()
      await expect(provider.open(group)).rejects.toMatchObject({ code: 'GROUP_STORAGE_IN_USE' })
    })

    test('given a group that was closed, when it is opened again, then it opens', async () => {
      const { provider, storage } = await begin()
      await storage.close()
      const again = await provider.open(group)
      await again.storage.write({ entries: entriesBehind(undefined, ['first']) })
    })

    test('given two groups, when both are written, then they know nothing of each other', async () => {
      const { provider, storage, entries } = await withEntries(5)
      const { storage: other, restored } = await provider.open(otherGroup)
      expect(restored.entries).toEqual([])
      const theirs = entriesBehind(undefined, texts(3, 'theirs'))
      await other.write({ entries: theirs })
      expectEntries(await storage.readEntries(1, 99), entries)
      expectEntries(await other.readEntries(1, 99), theirs)
    })

    test('given a closed storage, when anything is asked of it, then it says so', async () => {
      const { storage } = await withEntries(2)
      await storage.close()
      await storage.close()
      const closed = { code: 'GROUP_STORAGE_CLOSED' }
      await expect(storage.write({ hardState: hardState({ term: 1 }) })).rejects.toMatchObject(closed)
      await expect(storage.readEntries(1, 2)).rejects.toMatchObject(closed)
      await expect(storage.reset()).rejects.toMatchObject(closed)
    })

    test('given a write that has not ended, when closed, then it ends first', async () => {
      const opening = await begin()
      const written = opening.storage.write({ entries: entriesBehind(undefined, texts(3)) })
      await opening.provider.close()
      await written
    })

    test('given a write that may wait, when another one may not, or the storage is closed, then it has ended before', async () => {
      const opening = await begin()
      const [first, second, third] = entriesBehind(undefined, ['first', 'second', 'third'])
      const ended: number[] = []
      const write = async (entry: Entry, mayWait: boolean): Promise<void> => {
        await opening.storage.write({ entries: [entry], mayWait })
        ended.push(entry.index)
      }
      const put = write(first!, true)
      await write(second!, false)
      await put
      expectEntries(await opening.storage.readEntries(1, 2), [first!, second!])
      const last = write(third!, true)
      await opening.storage.close()
      await last
      expect(ended).toEqual([1, 2, 3])
    })

    test('given a member, when it is reset, then it is another one that knows nothing', async () => {
      const { storage, restored, entries } = await withSnapshot(20, 15)
      await storage.write({ hardState: hardState({ term: 7 }) })
      const anew = await storage.reset()
      expect(anew.incarnation).not.toBe(restored.incarnation)
      expect(anew).toMatchObject({ hardState: { term: 0 }, entries: [] })
      expect(storage.currentSnapshot()).toBeUndefined()
      await storage.write({ entries: entries.slice(0, 2) })
      expectEntries(await storage.readEntries(1, 99), entries.slice(0, 2))
    })
  })

  if (isVolatile) {
    describe(`${name}: nothing lasts`, () => {
      test('W-S7: given a member that voted, when it starts again, then it is another member', async () => {
        const opening = await withEntries(3)
        await opening.storage.write({ hardState: hardState({ term: 7 }) })
        const { restored } = await restart(opening)
        expect(restored.incarnation).not.toBe(opening.restored.incarnation)
        expect(restored).toMatchObject({ hardState: { term: 0 }, entries: [] })
      })
    })
    return
  }

  describe(`${name}: what lasts`, () => {
    test('W-S7: given a member that voted, when it starts again, then it is the same member and has not forgotten', async () => {
      const opening = await begin()
      const voted = hardState({ term: 7, votedFor: 'bob/0123456789abcdef' as MemberId })
      await opening.storage.write({ hardState: voted })
      const { restored } = await restart(opening)
      expect(restored.hardState).toEqual(voted)
      expect(restored.incarnation).toBe(opening.restored.incarnation)
    })

    test('given a log, when it starts again, then all of it is there', async () => {
      const opening = await withEntries(3000)
      const { restored } = await restart(opening)
      expectEntries(restored.entries, opening.entries)
      expect(restored.base).toBeUndefined()
    })

    test('given a compacted log, when it starts again, then it has the snapshot, and the tail with what is in front of it', async () => {
      const opening = await withSnapshot(20, 15)
      await opening.storage.write({ compactTo: factsOf(opening.entries[9]!) })
      const { restored, storage } = await restart(opening)
      expect(restored.snapshot).toEqual(factsOf(opening.entries[14]!))
      expect(restored.base).toEqual(factsOf(opening.entries[9]!))
      expectEntries(restored.entries, opening.entries.slice(10))
      expectBytes(await contentOf(storage.currentSnapshot()!), noise(5000, 15))
    })

    test('given a snapshot and a whole log, when it starts again, then the tail begins at the beginning', async () => {
      const opening = await withSnapshot(20, 15)
      const { restored } = await restart(opening)
      expect(restored.base).toBeUndefined()
      expect(restored.snapshot).toEqual(factsOf(opening.entries[14]!))
      expectEntries(restored.entries, opening.entries)
    })

    test('given a log that began anew behind a snapshot, when it starts again, then it goes on there', async () => {
      const opening = await withEntries(9)
      const theirs = entriesBehind(undefined, texts(40, 'theirs'), { term: 3 })
      const snapshot = await stage(opening.storage, factsOf(theirs[29]!), noise(500))
      await opening.storage.write({ snapshot, resetLog: true })
      const { restored, storage } = await restart(opening)
      expect(restored.base).toEqual(factsOf(theirs[29]!))
      expect(restored.entries).toEqual([])
      await storage.write({ entries: theirs.slice(30) })
      expectEntries(await storage.readEntries(31, 99), theirs.slice(30))
    })

    test('given a truncated log, when it starts again, then what was cut stays away', async () => {
      const opening = await withEntries(10)
      const others = entriesBehind(opening.entries[5], texts(1, 'other'), { term: 2 })
      await opening.storage.write({ truncateFrom: 7, entries: others })
      const { restored } = await restart(opening)
      expectEntries(restored.entries, [...opening.entries.slice(0, 6), ...others])
    })

    test('given a staged snapshot, when it starts again, then nothing of it is left', async () => {
      const opening = await withEntries(5)
      const staged = await stage(opening.storage, factsOf(opening.entries[4]!), noise(700_000))
      const { restored, storage } = await restart(opening)
      expect(restored.snapshot).toBeUndefined()
      await expect(storage.write({ snapshot: staged })).rejects.toMatchObject({
        code: 'GROUP_STORAGE_ABSENT',
      })
      await storage.write({ snapshot: await stage(storage, factsOf(opening.entries[4]!), noise(10)) })
      expectBytes(await contentOf(storage.currentSnapshot()!), noise(10))
    })

    test('given a member that was reset, when it starts again, then it is the new one', async () => {
      const opening = await withSnapshot(20, 15)
      const anew = await opening.storage.reset()
      const { restored } = await restart(opening)
      expect(restored).toMatchObject({ incarnation: anew.incarnation, hardState: { term: 0 }, entries: [] })
      expect(restored.snapshot).toBeUndefined()
    })

    test('given a member that was reset and keeps what it has given up, when it starts again, then that is still there, and until it is reset again', async () => {
      const [winner, loser] = ['a', 'b'].map((digit) => digit.repeat(32)) as [ClusterId, ClusterId]
      const gaveWay = [{ winner, loser, shared: 7, isAgreed: true }]
      const opening = await withSnapshot(20, 15)
      expect(opening.restored.gaveWay).toBeUndefined()
      expect(await opening.storage.reset(gaveWay)).toMatchObject({ gaveWay, entries: [] })
      const once = await restart(opening)
      expect(once.restored).toMatchObject({ gaveWay, entries: [] })
      const entries = entriesBehind(undefined, texts(3))
      await once.storage.write({ hardState: hardState({ term: 2 }), entries })
      await once.storage.write({ snapshot: await stage(once.storage, factsOf(entries[2]!), noise(10)) })
      const twice = await restart(once)
      expect(twice.restored).toMatchObject({ gaveWay, hardState: { term: 2 } })
      await twice.storage.reset()
      const { restored } = await restart(twice)
      expect(restored.gaveWay).toBeUndefined()
    })

    test('given a place that is in use, when it is opened again, then it is refused', async () => {
      const { place } = await begin()
      await expect(place.open()).rejects.toMatchObject({ code: 'GROUP_STORAGE_IN_USE' })
    })
  })

  async function withEntries(count: number): Promise<Opening & { readonly entries: Entry[] }> {
    const opening = await begin()
    const entries = entriesBehind(undefined, texts(count))
    await opening.storage.write({ entries })
    return { ...opening, entries }
  }

  /** A log of `count` entries with a snapshot of the first `snapshotIndex` of them. */
  async function withSnapshot(
    count: number,
    snapshotIndex: number,
  ): Promise<Opening & { readonly entries: Entry[] }> {
    const opening = await withEntries(count)
    const { storage, entries } = opening
    const facts = factsOf(entries[snapshotIndex - 1]!)
    await storage.write({ snapshot: await stage(storage, facts, noise(5000, snapshotIndex)) })
    return opening
  }
}

interface Opening extends OpenedStorage {
  readonly provider: StorageProvider
  readonly place: StoragePlace
}

export async function stage(
  storage: GroupStorage,
  facts: SnapshotFacts,
  ...chunks: readonly Uint8Array[]
): Promise<StagedSnapshot> {
  const writer = storage.stageSnapshot({ ...facts, configuration })
  for (const chunk of chunks) await writer.write(chunk)
  return writer.finish()
}

export async function contentOf(snapshot: StoredSnapshot): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of snapshot) chunks.push(chunk)
  return concatBytes(...chunks)
}

export function hardState(state: Partial<HardState>): HardState {
  return {
    clusterId: 'c0ffee00c0ffee00c0ffee00c0ffee00' as ClusterId,
    term: 0,
    votedFor: undefined,
    ...state,
  }
}

/** Compares entries, of which jest would compare the bytes one by one. */
export function expectEntries(actual: readonly Entry[], expected: readonly Entry[]): void {
  expect(actual.map(withoutPayload)).toEqual(expected.map(withoutPayload))
  const different = actual.findIndex(({ payload }, place) => !equalBytes(payload, expected[place]!.payload))
  expect(different).toBe(-1)
}

function withoutPayload({ payload, ...rest }: Entry): object {
  return { ...rest, length: payload.byteLength }
}

function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.byteLength).toBe(expected.byteLength)
  expect(equalBytes(actual, expected)).toBe(true)
}
