// What the system says of a sync that has failed is not to be asked again: the next sync of the same file succeeds, and what
// the first one has not written is lost. So a journal whose file has failed is given up.
import { open, type FileHandle } from 'node:fs/promises'
import { expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import { expectEntries } from '../compliance.js'
import { LmdbPlace } from '../lmdb-place.js'
import { entriesBehind, group, texts } from '../logs.js'

class FailingFiles {
  /** Every sync of a batch fails while this is so, after its bytes have been written. */
  syncsFail = false
  /** No file can be made while this is so. */
  isFull = false
  madeCount = 0
  /** How many writes to journals another thread was asked for. */
  handedOver = 0

  readonly openFile = async (path: string, flags: string | number, mode?: number): Promise<FileHandle> => {
    if (flags === 'wx') {
      if (this.isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      this.madeCount++
    }
    const handle = await open(path, flags, mode)
    // What makes bytes durable: the write itself where the file was opened for that, or the sync behind it.
    const write = this.#failing(handle.write.bind(handle)) as typeof handle.write
    if (typeof flags === 'number')
      handle.write = ((...args: Parameters<typeof write>) => {
        this.handedOver++
        return write(...args)
      }) as typeof write
    else handle.datasync = this.#failing(handle.datasync.bind(handle))
    if (flags !== 'wx') await this.#failInline(handle, path)
    return handle
  }

  /** Inline writes know a file by its number, which is that of one that cannot be written to while they are to fail. */
  async #failInline(handle: FileHandle, path: string): Promise<void> {
    const { fd } = handle
    const readOnly = await open(path, 'r')
    const close = handle.close.bind(handle)
    handle.close = async () => {
      await readOnly.close()
      await close()
    }
    Object.defineProperty(handle, 'fd', { get: () => (this.syncsFail ? readOnly.fd : fd) })
  }

  #failing<C extends (...args: never[]) => Promise<unknown>>(call: C): C {
    const failing = async (...args: Parameters<C>): Promise<unknown> => {
      const result = await call(...args)
      if (this.syncsFail) throw Object.assign(new Error('input/output error'), { code: 'EIO' })
      return result
    }
    return failing as C
  }
}

const clock = new ManualClock()

test('given a sync that fails, when writes go on, then the refused one is nowhere, and the files are new ones', async () => {
  await using written = await LmdbPlace.make()
  const files = new FailingFiles()
  await using storages = await written.open({ clock, openFile: files.openFile })
  const { storage } = await storages.open(group)
  const [first, refused] = entriesBehind(undefined, ['first', 'refused'])
  await storage.write({ entries: [first!] })

  files.syncsFail = true
  await expect(storage.write({ entries: [refused!] })).rejects.toMatchObject({ code: 'GROUP_STORAGE_FAILED' })
  files.syncsFail = false
  await expect(storage.readEntries(2, 2)).rejects.toMatchObject({ code: 'GROUP_STORAGE_ABSENT' })
  await using afterRefusal = await written.copy()
  expect(files.madeCount).toBe(4)

  const [second] = entriesBehind(first, ['second'])
  await storage.write({ entries: [second!] })
  await using afterSecond = await written.copy()

  for (const [place, entries] of [
    [afterRefusal, [first!]],
    [afterSecond, [first!, second!]],
  ] as const) {
    await using again = await place.open({ clock })
    expectEntries((await again.open(group)).restored.entries, entries)
  }
})

test('given a sync that fails and no room for new files, when there is room, then the same storage goes on', async () => {
  await using written = await LmdbPlace.make()
  const files = new FailingFiles()
  await using storages = await written.open({ clock, openFile: files.openFile })
  const { storage } = await storages.open(group)
  const entries = entriesBehind(undefined, texts(4))
  await storage.write({ entries: entries.slice(0, 2) })

  files.syncsFail = files.isFull = true
  await expect(storage.write({ entries: entries.slice(2) })).rejects.toMatchObject({
    code: 'GROUP_STORAGE_FAILED',
  })
  files.syncsFail = false
  await expect(storage.write({ entries: entries.slice(2) })).rejects.toMatchObject({
    code: 'GROUP_STORAGE_FULL',
  })
  expectEntries(await storage.readEntries(1, 99), entries.slice(0, 2))
  {
    // Killed now, a process finds half of a journal, and that it does not count.
    await using killed = await written.copy()
    await using again = await killed.open({ clock })
    expectEntries((await again.open(group)).restored.entries, entries.slice(0, 2))
  }
  files.isFull = false
  await storage.write({ entries: entries.slice(2) })
  await storages.close()

  await using again = await written.open({ clock })
  expectEntries((await again.open(group)).restored.entries, entries)
})

test('given an inline write that fails, when writes go on, then the refused one is nowhere, and the files are new ones', async () => {
  await using written = await LmdbPlace.make()
  const files = new FailingFiles()
  await using storages = await written.open({ clock, openFile: files.openFile })
  const { storage } = await storages.open(group)
  // By a clock that stands still every write was quick, so from the ninth on they are inline.
  const entries = entriesBehind(undefined, texts(12))
  for (const entry of entries.slice(0, 10)) await storage.write({ entries: [entry] })
  expect(files.handedOver).toBe(8)

  files.syncsFail = true
  await expect(storage.write({ entries: [entries[10]!] })).rejects.toMatchObject({
    code: 'GROUP_STORAGE_FAILED',
  })
  files.syncsFail = false
  expect(files.madeCount).toBe(4)
  await storage.write({ entries: [entries[10]!] })
  await storage.write({ entries: [entries[11]!] })
  expect(files.handedOver).toBe(8)
  await using killed = await written.copy()
  await using again = await killed.open({ clock })
  expectEntries((await again.open(group)).restored.entries, entries)
})

test('given that inline writes are never wanted, then each is handed to another thread', async () => {
  await using written = await LmdbPlace.make()
  const files = new FailingFiles()
  await using storages = await written.open({ clock, openFile: files.openFile, inlineWrites: 'never' })
  const { storage } = await storages.open(group)
  const before = files.handedOver
  for (const entry of entriesBehind(undefined, texts(12))) await storage.write({ entries: [entry] })
  expect(files.handedOver).toBe(before + 12)
})
