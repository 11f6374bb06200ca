import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { WindowUpdates } from '../../framework/network/window-updates.js'

const KIB = 1024

test('given short frames, then the other side is told once for many of them, and of all', () => {
  const windows = new WindowUpdates()
  const told = Array.from({ length: 256 }, () => windows.add(1, KIB)).filter((byteCount) => byteCount > 0)
  expect(told).toEqual([128 * KIB, 128 * KIB])
  expect(windows.size).toBe(0)
})

test('given a stream that is over, then nothing is kept for it', () => {
  const windows = new WindowUpdates()
  windows.add(1, 1)
  windows.add(2, 1)
  windows.forget(1)
  expect(windows.size).toBe(1)
  expect(windows.add(1, 128 * KIB - 1)).toBe(0)
})

test('given frames of any size on any stream, then less than half of the smallest window is untold, and nothing is told twice', () => {
  const frame = fc.record({ streamId: fc.integer({ min: 1, max: 4 }), byteCount: fc.nat(300 * KIB) })
  fc.assert(
    fc.property(fc.array(frame), (frames) => {
      const windows = new WindowUpdates()
      const untold = new Map<number, number>()
      for (const { streamId, byteCount } of frames) {
        const told = windows.add(streamId, byteCount)
        const rest = (untold.get(streamId) ?? 0) + byteCount - told
        expect(rest).toBeGreaterThanOrEqual(0)
        expect(rest).toBeLessThan(128 * KIB)
        untold.set(streamId, rest)
      }
    }),
  )
})
