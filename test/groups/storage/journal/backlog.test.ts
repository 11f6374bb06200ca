import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Backlog } from '../../../../framework/groups/storage/journal/backlog.js'
import {
  checkpointDueInMs,
  mustAwaitCheckpoint,
} from '../../../../framework/groups/storage/journal/checkpoint-policy.js'

const MIB = 1024 * 1024

const change = fc.record({
  key: fc.nat({ max: 9 }).map((name) => Uint8Array.of(name)),
  value: fc.option(
    fc.nat({ max: 255 }).map((value) => Uint8Array.of(value)),
    { nil: undefined },
  ),
})
const step = fc.oneof(
  { weight: 3, arbitrary: fc.array(change, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.record({ bytesMax: fc.nat({ max: 600 }) }) },
)
/** What happens, and whether somebody reads afterwards. */
const steps = fc.array(fc.tuple(step, fc.boolean()))

test('given batches that are added and taken away, when read through to what was taken, then records are those of the last change', () => {
  fc.assert(
    fc.property(steps, (script) => {
      const backlog = new Backlog()
      const stored = new Map<number, Uint8Array | undefined>()
      const expected = new Map<number, Uint8Array | undefined>()
      let sequence = 0
      for (const [step, isRead] of script) {
        if (Array.isArray(step)) {
          backlog.add({ sequence: ++sequence, changes: step }, sequence)
          for (const { key, value } of step) expected.set(key[0]!, value)
        } else {
          const oldest = backlog.oldest(step.bytesMax)
          for (const { key, value } of oldest?.changes ?? []) stored.set(key[0]!, value)
          if (oldest) backlog.drop(oldest.sequence)
        }
        for (const [name, value] of isRead ? expected : []) {
          const waiting = backlog.find(Uint8Array.of(name))
          expect(waiting ? waiting.value : stored.get(name)).toEqual(value)
        }
      }
      backlog.drop(sequence)
      expect(backlog.bytes).toBe(0)
      expect(backlog.oldestMs).toBeUndefined()
      for (const name of expected.keys()) expect(backlog.find(Uint8Array.of(name))).toBeUndefined()
    }),
  )
})

test.each([
  ['little that is young', { backlogBytes: 10, ageMs: 400, hasTurned: false }, 600],
  ['little that is old', { backlogBytes: 10, ageMs: 1_700, hasTurned: false }, 0],
  ['much', { backlogBytes: 4 * MIB, ageMs: 0, hasTurned: false }, 0],
  ['a journal that needs its other file next', { backlogBytes: 10, ageMs: 0, hasTurned: true }, 0],
])('given %s, when asked, then the checkpoint is due in so many milliseconds', (_, facts, dueInMs) => {
  expect(checkpointDueInMs(facts)).toBe(dueInMs)
})

test('given more than the checkpoint keeps up with, when asked, then writers wait', () => {
  expect(mustAwaitCheckpoint(16 * MIB - 1)).toBe(false)
  expect(mustAwaitCheckpoint(16 * MIB)).toBe(true)
})
