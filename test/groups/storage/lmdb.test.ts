import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { describeStorage, stage } from './compliance.js'
import { LmdbPlace } from './lmdb-place.js'
import { entriesBehind, factsOf, group, texts } from './logs.js'

describeStorage('lmdb', { isVolatile: false, newPlace: () => LmdbPlace.make() })

describe('lmdb: the file', () => {
  test('given many snapshots and compactions, when each replaces the one before, then the file stays small', async () => {
    await using place = await LmdbPlace.make()
    await using storages = await place.open()
    const { storage } = await storages.open(group)
    const snapshotBytes = 400_000
    let last
    for (let round = 0; round < 15; round++) {
      const entries = entriesBehind(last, texts(100))
      last = entries.at(-1)!
      await storage.write({ entries })
      const snapshot = await stage(storage, factsOf(last), new Uint8Array(snapshotBytes))
      await storage.write({ snapshot, compactTo: factsOf(last) })
    }
    const { size } = await stat(join(place.folder, 'data.mdb'))
    expect(size).toBeLessThan(5 * snapshotBytes)
  })
})
