import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { encodeUtf8 } from '#framework/primitives'
import {
  BLOCK_BYTES,
  batchBytes,
  findBatches,
  writeBatch,
  type Batch,
} from '../../../../framework/groups/storage/journal/batch.js'
import { planReplay } from '../../../../framework/groups/storage/journal/replay-plan.js'

const PLACE = 4711

const bytes = fc.uint8Array({ maxLength: 40 })
const change = fc.record({
  key: bytes,
  value: fc.option(fc.uint8Array({ maxLength: 3000 }), { nil: undefined }),
})
const changesOf = fc.array(change, { maxLength: 6 })

/** Batches one behind the other, as a journal has them. */
function fileOf(batches: readonly Batch[]): Uint8Array {
  const file = new Uint8Array(batches.reduce((sum, { changes }) => sum + batchBytes(changes), 0))
  let offset = 0
  for (const batch of batches) {
    writeBatch(file.subarray(offset), PLACE, batch)
    offset += batchBytes(batch.changes)
  }
  return file
}

function batchesOf(count: number, first = 1): Batch[] {
  return Array.from({ length: count }, (_, place) => ({
    sequence: first + place,
    changes: [
      { key: encodeUtf8(`key ${place}`), value: encodeUtf8(`value ${place} `.repeat(1 + 300 * (place % 3))) },
      { key: encodeUtf8('removed'), value: undefined },
    ],
  }))
}

/** What a start would make of the file: batches to do again, or that something is missing. */
function replayOf(file: Uint8Array): readonly Batch[] | 'damage' {
  const { batches, missing } = planReplay(0, findBatches(file, PLACE, 0))
  return missing ? 'damage' : batches
}

describe('batches of a journal', () => {
  test('given any changes, when written and read, then they are what they were', () => {
    fc.assert(
      fc.property(fc.array(changesOf, { maxLength: 5 }), fc.nat(), (all, first) => {
        const batches = all.map((changes, place) => ({ sequence: first + 1 + place, changes }))
        expect(findBatches(fileOf(batches), PLACE, first)).toEqual(batches)
      }),
    )
  })

  test('given what an earlier use of the file has left, when read, then only later batches count', () => {
    const old = fileOf(batchesOf(12))
    old.set(fileOf(batchesOf(3, 13)))
    expect(findBatches(old, PLACE, 12).map(({ sequence }) => sequence)).toEqual([13, 14, 15])
  })

  test('given a batch of another file, or of an earlier journal in this one, when read, then it does not count', () => {
    expect(findBatches(fileOf(batchesOf(3)), PLACE + 1, 0)).toEqual([])
  })

  test('given a value that looks like a batch, when the one that it is in is damaged, then it is not taken for one', () => {
    const inner = new Uint8Array(BLOCK_BYTES)
    writeBatch(inner, PLACE + 1, { sequence: 9, changes: [] })
    const padding = new Uint8Array(BLOCK_BYTES - 16 - 6 - 1)
    const changes = [{ key: Uint8Array.of(1), value: new Uint8Array([...padding.subarray(6 + 1), ...inner]) }]
    const file = fileOf([{ sequence: 1, changes }])
    file[20]! ^= 1
    expect(findBatches(file, PLACE, 0)).toEqual([])
  })
})

describe('a journal that was damaged', () => {
  const batches = batchesOf(5)
  const file = fileOf(batches)
  const lastBegin = file.byteLength - batchBytes(batches.at(-1)!.changes)

  test('given any byte flipped, when replayed, then it is damage, or nothing that was followed by another batch is missing', () => {
    let noticed = 0
    for (let at = 0; at < file.byteLength; at++) {
      file[at]! ^= 0x10
      const replayed = replayOf(file)
      file[at]! ^= 0x10
      if (replayed === 'damage') noticed++
      // What fills blocks up is not part of anything; the last batch cannot be told from one that was being written.
      else expect(replayed.length === 5 || (at >= lastBegin && replayed.length === 4)).toBe(true)
    }
    expect(noticed).toBeGreaterThan(4 * 16)
  })

  test('given any beginning of the last batch, when replayed, then the batches before it are there and nothing is damage', () => {
    for (let length = 0; length < file.byteLength - lastBegin; length += 7) {
      const torn = Uint8Array.from(file)
      torn.fill(0, lastBegin + length)
      const replayed = replayOf(torn)
      expect(replayed === 'damage' ? 0 : replayed.length).toBeGreaterThanOrEqual(4)
    }
  })

  test('given any set of batches that are there, when replayed, then it is damage exactly when one of them comes behind a gap', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 8 })),
        fc.nat({ max: 4 }),
        (there, checkpointed) => {
          const found = there
            .filter((sequence) => sequence > checkpointed)
            .map((sequence) => ({ sequence, changes: [] }))
          const { batches, missing } = planReplay(checkpointed, found)
          expect(batches.map(({ sequence }) => sequence)).toEqual(
            batches.map((_, place) => checkpointed + 1 + place),
          )
          expect(missing === undefined).toBe(batches.length === found.length)
        },
      ),
    )
  })
})
