import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { WindowUpdates } from '../../framework/network/window-updates.js'

const KIB = 1024

const smallest = (): number => 256 * KIB

test('given short frames, then the other side is told once for many of them, and of all', () => {
  const windows = new WindowUpdates(smallest)
  const told = Array.from({ length: 256 }, () => windows.add(1, KIB)).filter((byteCount) => byteCount > 0)
  expect(told).toEqual([128 * KIB, 128 * KIB])
  expect(windows.size).toBe(0)
})

test('given a window that has grown, then the other side is told once for a quarter of it', () => {
  const windows = new WindowUpdates((streamId) => (streamId === 1 ? 4096 * KIB : 256 * KIB))
  const told = (streamId: number): number[] =>
    Array.from({ length: 32 }, () => windows.add(streamId, 64 * KIB)).filter((byteCount) => byteCount > 0)
  expect(told(1)).toEqual([1024 * KIB, 1024 * KIB])
  expect(told(2)).toEqual(Array.from({ length: 16 }, () => 128 * KIB))
})

test('given a window that grows, then the other side is told at once', () => {
  const window = { bytes: 256 * KIB }
  const windows = new WindowUpdates(() => window.bytes)
  for (; window.bytes <= 4096 * KIB; window.bytes *= 2) {
    // As yamux tells it: what has arrived, and by how much the window is larger.
    const grownBy = window.bytes / 2
    expect(windows.add(1, 12 + grownBy)).toBe(12 + grownBy)
  }
})

test('given a stream that is over, then nothing is kept for it', () => {
  const windows = new WindowUpdates(smallest)
  windows.add(1, 1)
  windows.add(2, 1)
  windows.forget(1)
  expect(windows.size).toBe(1)
  expect(windows.add(1, 128 * KIB - 1)).toBe(0)
})

test('given frames of any size on any stream, then at most half of a window is untold, and nothing is told twice', () => {
  const frame = fc.record({ streamId: fc.integer({ min: 1, max: 4 }), byteCount: fc.nat(300 * KIB) })
  const window = fc.integer({ min: 256 * KIB, max: 4096 * KIB })
  fc.assert(
    fc.property(fc.array(frame), fc.array(window, { minLength: 5, maxLength: 5 }), (frames, sizes) => {
      const windows = new WindowUpdates((streamId) => sizes[streamId]!)
      const untold = new Map<number, number>()
      for (const { streamId, byteCount } of frames) {
        const told = windows.add(streamId, byteCount)
        const rest = (untold.get(streamId) ?? 0) + byteCount - told
        expect(rest).toBeGreaterThanOrEqual(0)
        expect(rest).toBeLessThan(Math.max(128 * KIB, sizes[streamId]! / 4))
        untold.set(streamId, rest)
      }
    }),
  )
})
