import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import { expectEntries, hardState } from './compliance.js'
import { LmdbPlace } from './lmdb-place.js'
import { entriesBehind, factsOf, group, noise, otherGroup, texts } from './logs.js'

const DISK_BYTES = 4 * 2 ** 20
const FILLER_BYTES = 3 * 2 ** 20
const ENTRY_BYTES = 20_000

/** A file system of its own that is soon full; undefined where this process may not mount one. */
const disk = mountDisk()
afterAll(() => {
  if (!disk) return
  spawnSync('umount', [disk])
  rmSync(disk, { recursive: true, force: true })
})

function mountDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'full-disk-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder])
  if (status === 0) return folder
  rmSync(folder, { recursive: true, force: true })
  return undefined
}

const whereDisksCanBeMounted = disk ? test : test.skip
const condition = disk ? '' : ' (skipped: this process may not mount file systems)'

describe(`a full disk${condition}`, () => {
  whereDisksCanBeMounted(
    'given a disk that gets full, when written, then it is refused as a whole, and goes on when there is space',
    async () => {
      const filler = join(disk!, 'filler')
      await writeFile(filler, new Uint8Array(FILLER_BYTES))
      const place = new LmdbPlace(join(disk!, 'storage'))
      await using storages = await place.open()
      const { storage } = await storages.open(group)
      const { storage: other } = await storages.open(otherGroup)
      const theirs = entriesBehind(undefined, texts(3))
      await other.write({ entries: theirs })

      const entries = entriesBehind(
        undefined,
        Array.from({ length: 100 }, (_, place) => new Uint8Array(ENTRY_BYTES).fill(place)),
      )
      let durable = 0
      const full = { code: 'GROUP_STORAGE_FULL' }
      for (; durable < 100; durable += 10) {
        const batch = {
          entries: entries.slice(durable, durable + 10),
          hardState: hardState({ term: durable }),
        }
        const outcome = await storage.write(batch).then(
          () => undefined,
          (error: unknown) => error,
        )
        if (outcome === undefined) continue
        expect(outcome).toMatchObject(full)
        break
      }
      expect(durable).toBeGreaterThan(0)
      expect(durable).toBeLessThan(100)

      // Nothing of it is there, and what was there is; a write that builds on one that fails does so too.
      await expect(storage.readEntries(durable + 1, durable + 1)).rejects.toMatchObject({
        code: 'GROUP_STORAGE_ABSENT',
      })
      expectEntries(await storage.readEntries(1, 3), entries.slice(0, 3))
      const first = storage.write({ entries: entries.slice(durable, durable + 20) })
      // The first is on its way to the disk when the second comes, which would fit.
      await Promise.resolve()
      await Promise.resolve()
      const second = storage.write({ hardState: hardState({ term: 99 }) })
      const outcomes = await Promise.allSettled([first, second])
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      expectEntries(await other.readEntries(1, 99), theirs)

      await rm(filler)
      await storage.write({ entries: entries.slice(durable), hardState: hardState({ term: 100 }) })
      await storages.close()

      await using again = await place.open()
      const { restored } = await again.open(group)
      expectEntries(restored.entries, entries)
      expect(restored.hardState.term).toBe(100)
      await again.close()
      await rm(place.folder, { recursive: true })
    },
  )

  whereDisksCanBeMounted(
    'given a disk that is full before LMDB has what was acknowledged, when opened when there is space, then all of it is there',
    async () => {
      const place = new LmdbPlace(join(disk!, 'acknowledged'))
      // No checkpoint is taken because of the time.
      const clock = new ManualClock()
      const storages = await place.open({ clock })
      const { storage } = await storages.open(group)
      const entries = entriesBehind(
        undefined,
        Array.from({ length: 10 }, (_, place) => new Uint8Array(ENTRY_BYTES).fill(place)),
      )
      const filler = join(disk!, 'filler')
      await expect(writeFile(filler, new Uint8Array(2 * DISK_BYTES))).rejects.toMatchObject({
        code: 'ENOSPC',
      })
      await storage.write({ entries })
      await storages.close()

      await expect(place.open({ clock })).rejects.toMatchObject({ code: 'GROUP_STORAGE_FULL' })
      await rm(filler)
      await using again = await place.open({ clock })
      expectEntries((await again.open(group)).restored.entries, entries)
      await again.close()
      await rm(place.folder, { recursive: true })
    },
  )

  whereDisksCanBeMounted('given a disk without any room, when opened, then it is refused', async () => {
    const filler = join(disk!, 'filler')
    await expect(writeFile(filler, new Uint8Array(2 * DISK_BYTES))).rejects.toMatchObject({ code: 'ENOSPC' })
    const place = new LmdbPlace(join(disk!, 'unopened'))
    await expect(place.open()).rejects.toMatchObject({ code: 'GROUP_STORAGE_FULL' })
    await rm(filler)
    await using storages = await place.open()
    await storages.open(group)
  })

  whereDisksCanBeMounted(
    'given a snapshot that does not fit, when it is taken in, then it is refused, and the one in force stays',
    async () => {
      const place = new LmdbPlace(join(disk!, 'snapshots'))
      await using storages = await place.open()
      const { storage } = await storages.open(group)
      const entries = entriesBehind(undefined, texts(9))
      await storage.write({ entries })
      const small = storage.stageSnapshot(factsOf(entries[3]!))
      await small.write(noise(1000))
      await storage.write({ snapshot: await small.finish() })

      const large = storage.stageSnapshot(factsOf(entries[8]!))
      await expect(large.write(new Uint8Array(DISK_BYTES))).rejects.toMatchObject({
        code: 'GROUP_STORAGE_FULL',
      })
      await large.abandon()
      expect(storage.currentSnapshot()!.facts.index).toBe(4)

      const again = storage.stageSnapshot(factsOf(entries[8]!))
      await again.write(noise(100_000))
      await storage.write({ snapshot: await again.finish() })
      expect(storage.currentSnapshot()!.facts.index).toBe(9)
    },
  )
})
