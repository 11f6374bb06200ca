import { deepEqual, equal } from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { DatumRing } from '../../framework/streams/producing/datum-ring.js'

const kib = 1024

function front(ring: DatumRing): { sequence: number; bytes: Uint8Array } {
  const bytes = new Uint8Array(ring.frontByteLength)
  ring.copyFront(bytes, 0)
  return { sequence: ring.frontSequence, bytes }
}

/** A datum that no other one is like. */
function datum(sequence: number, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength)
  for (let index = 0; index < byteLength; index++) bytes[index] = (sequence * 31 + index * 7) & 0xff
  return bytes
}

test('given any pushes and pops, then datums come out as and in the order in which they went in', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 900 }) },
    { weight: 2, arbitrary: fc.constant('pop' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
      const ring = new DatumRing(1_000, 1_000_000)
      const model: { sequence: number; bytes: Uint8Array; lostBefore: number }[] = []
      let sequence = 2 ** 40
      let byteLength = 0
      for (const next of steps) {
        if (next === 'pop') {
          if (model.length === 0) continue
          ring.pop()
          byteLength -= model.shift()!.bytes.byteLength
        } else {
          const bytes = datum(sequence, next)
          ring.push(sequence, bytes, next)
          model.push({ sequence, bytes: bytes.slice(), lostBefore: next })
          byteLength += next
          // What was pushed is the caller's again.
          bytes.fill(0)
          sequence += 1 + (next % 3)
        }
        // Of node:assert, because one expect costs more than all this.
        equal(ring.length, model.length)
        equal(ring.byteLength, byteLength)
        if (model.length > 0) deepEqual({ ...front(ring), lostBefore: ring.frontLostBefore }, model[0])
      }
    }),
    { numRuns: 40 },
  )
})

test('given as many datums as it is to hold, when they pass through again and again, then its memory stays the same', () => {
  const ring = new DatumRing(16, 16 * kib)
  for (let sequence = 0; sequence < 16; sequence++) ring.push(sequence, datum(sequence, kib))
  const { allocatedBytes } = ring
  expect(allocatedBytes).toBeLessThan(17 * kib)
  for (let sequence = 16; sequence < 1_000; sequence++) {
    const oldest = sequence - 16
    expect(isDeepStrictEqual(front(ring), { sequence: oldest, bytes: datum(oldest, kib) })).toBe(true)
    ring.pop()
    ring.push(sequence, datum(sequence, kib))
  }
  expect(ring.allocatedBytes).toBe(allocatedBytes)
})

test('given nothing, then it takes no memory, and little for little', () => {
  const ring = new DatumRing(1_024, 4 * kib * kib)
  expect(ring.allocatedBytes).toBe(0)
  ring.push(0, datum(0, 100))
  expect(ring.allocatedBytes).toBe(4 * kib)
})

test('given a burst, when it is over, then its memory is let go', () => {
  const ring = new DatumRing(1_024, 4 * kib * kib)
  for (let sequence = 0; sequence < 1_000; sequence++) ring.push(sequence, new Uint8Array(kib))
  expect(ring.allocatedBytes).toBeGreaterThan(1_000 * kib)
  while (ring.length > 0) ring.pop()
  expect(ring.allocatedBytes).toBe(0)
  ring.push(7, datum(7, 10))
  expect(front(ring)).toEqual({ sequence: 7, bytes: datum(7, 10) })
})

test('given a datum longer than all that it is to hold, then it holds that one', () => {
  const ring = new DatumRing(2, 100)
  ring.push(5, datum(5, 10_000))
  expect(front(ring)).toEqual({ sequence: 5, bytes: datum(5, 10_000) })
  expect(ring.allocatedBytes).toBeLessThan(10_100)
})

test('given datums, when they are cleared, then nothing is left and it can be filled again', () => {
  const ring = new DatumRing(10, 10_000)
  for (const sequence of [1, 2, 3]) ring.push(sequence, datum(sequence, 50))
  ring.pop()
  ring.clear()
  expect([ring.length, ring.byteLength, ring.allocatedBytes]).toEqual([0, 0, 0])
  ring.push(9, datum(9, 60))
  expect(front(ring)).toEqual({ sequence: 9, bytes: datum(9, 60) })
})
