import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bundled } from '../../support/bundle.js'
import { within } from '../../support/eventually.js'
import { entriesBehind, group, hasher, texts } from './logs.js'
import { LmdbPlace } from './lmdb-place.js'

const KILLS = 5

let program: string
beforeAll(() => {
  program = bundled('test/groups/storage/writing-process.ts')
})
afterAll(() => rm(program, { force: true }))

let place: LmdbPlace
let writer: ChildProcess | undefined
beforeEach(async () => {
  place = await LmdbPlace.make()
})
afterEach(async () => {
  writer?.kill('SIGKILL')
  await place[Symbol.asyncDispose]()
})

/** Writes until `count` entries are durable, and returns the last of which that was said. */
async function writeAndKill(count: number): Promise<number> {
  const child = spawn(process.execPath, [program, place.folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  writer = child
  const gone = once(child, 'close')
  let said = 0
  let seen = 0
  for await (const line of createInterface({ input: child.stdout })) {
    said = Number(line)
    if (++seen === count) child.kill('SIGKILL')
  }
  await gone
  return said
}

describe('a process that is killed while it writes', () => {
  test('given entries that are durable, when it is killed again and again, then none is lost and none is made up', async () => {
    let lastSaid = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const said = await within(20_000, writeAndKill(50 + 137 * kill))
      expect(said).toBeGreaterThan(lastSaid)
      lastSaid = said

      await using storages = await place.open()
      const { restored } = await storages.open(group)
      expect(restored.damagedFrom).toBeUndefined()
      expect(restored.entries.length).toBeGreaterThanOrEqual(said)
      const written = entriesBehind(undefined, texts(restored.entries.length + 1).slice(1))
      expect(restored.entries.at(-1)?.hash).toBe(written.at(-1)?.hash)
      // Written together with the entry, and in the order of the entries.
      expect(restored.hardState.term).toBe(restored.entries.length)
    }
  })

  test('given a process that has the folder open, when another opens it, then it is refused, and not after the first is killed', async () => {
    const child = spawn(process.execPath, [program, place.folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    writer = child
    const gone = once(child, 'close')
    await within(20_000, once(child.stdout, 'data'))

    await expect(place.open()).rejects.toMatchObject({
      code: 'GROUP_STORAGE_IN_USE',
      message: expect.stringContaining(`process ${child.pid}`) as unknown,
    })

    child.kill('SIGKILL')
    await gone
    await using storages = await place.open()
    const { restored } = await storages.open(group)
    expect(restored.entries.length).toBeGreaterThan(0)
    expect(hasher.next(0, restored.entries[0]!)).toBe(restored.entries[0]!.hash)
  })
})
