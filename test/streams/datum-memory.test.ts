import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FrameMemory } from '../../framework/streams/codec/datum-memory.js'

const kib = 1024

describe('the memory of the byte strings of one frame', () => {
  test('given many byte strings of a kilobyte, then they share memory, and never more than 16 KiB of it', () => {
    const frame = counting(64 * kib)
    const memory = new FrameMemory()
    memory.open(frame, 64)
    const kept = Array.from({ length: 64 }, (_, index) => memory.bytesOf(frame, index * kib, (index + 1) * kib))
    expect(new Set(kept.map(({ buffer }) => buffer)).size).toBe(4)
    for (const { buffer } of kept) expect(buffer.byteLength).toBe(16 * kib)
  })

  test('given short and long byte strings, then each has memory of its own', () => {
    const frame = counting(64 * kib)
    const memory = new FrameMemory()
    memory.open(frame, 2)
    for (const byteLength of [0, 1, 32, 33, 64, 4 * kib + 1, 60 * kib])
      expect(memory.bytesOf(frame, 10, 10 + byteLength).buffer.byteLength).toBe(byteLength)
  })

  test('given a frame with its own memory and one datum, then a byte string of half its length or more stays in it', () => {
    const frame = counting(64 * kib)
    const memory = new FrameMemory()
    memory.open(frame, 1)
    expect(memory.bytesOf(frame, 100, 100 + 32 * kib).buffer).toBe(frame.buffer)
    expect(memory.bytesOf(frame, 100, 99 + 32 * kib).buffer).not.toBe(frame.buffer)
  })

  test('given other datums in the frame, or other bytes beside it, then nothing of it is given away', () => {
    const whole = counting(64 * kib)
    const memory = new FrameMemory()
    memory.open(whole, 2)
    expect(memory.bytesOf(whole, 100, 60 * kib).buffer).not.toBe(whole.buffer)
    const part = whole.subarray(5)
    memory.open(part, 1)
    expect(memory.bytesOf(part, 100, 60 * kib).buffer).not.toBe(whole.buffer)
  })

  test('given the next frame, then it shares nothing with the one before', () => {
    const memory = new FrameMemory()
    const kept = [counting(kib), counting(kib)].map((frame) => {
      memory.open(frame, 2)
      const first = memory.bytesOf(frame, 100, 200)
      const second = memory.bytesOf(frame, 200, 300)
      expect(first.buffer).toBe(second.buffer)
      memory.close()
      return first
    })
    expect(kept[0]?.buffer).not.toBe(kept[1]?.buffer)
  })

  test('property: whatever is kept has the bytes it was kept for, whatever becomes of the frame', () => {
    const lengths = fc.array(fc.oneof(fc.nat(100), fc.integer({ min: 60, max: 5 * kib }), fc.nat(40 * kib)), {
      minLength: 1,
      maxLength: 40,
    })
    fc.assert(
      fc.property(lengths, fc.nat(70), (byteLengths, gap) => {
        const frame = counting(byteLengths.reduce((sum, length) => sum + gap + length, gap))
        const memory = new FrameMemory()
        memory.open(frame, byteLengths.length + 1)
        const expected: Uint8Array[] = []
        const kept: Uint8Array[] = []
        let offset = gap
        for (const byteLength of byteLengths) {
          expected.push(Uint8Array.from(frame.subarray(offset, offset + byteLength)))
          kept.push(memory.bytesOf(frame, offset, offset + byteLength))
          offset += byteLength + gap
        }
        frame.fill(0xff)
        // Comparing typed arrays as values would take seconds.
        expect(kept.every((bytes, index) => Buffer.compare(bytes, expected[index]!) === 0)).toBe(true)
        expect(kept.some((bytes) => Buffer.isBuffer(bytes))).toBe(false)
      }),
      { numRuns: 100 },
    )
  })

  test('given a frame that is a Buffer, then what is kept is a copy all the same', () => {
    const frame = Buffer.alloc(2 * kib, 1)
    const memory = new FrameMemory()
    memory.open(frame, 2)
    const kept = [memory.bytesOf(frame, 0, 20), memory.bytesOf(frame, 100, 1100)]
    frame.fill(2)
    for (const bytes of kept) expect(bytes).toEqual(new Uint8Array(bytes.byteLength).fill(1))
  })
})

/** Bytes of which two that are far apart are hardly ever followed by the same. */
function counting(byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, index) => (index * 31 + (index >>> 8)) & 0xff)
}
