import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FrameMemory, separateMemory } from '../../framework/streams/codec/datum-memory.js'

const kib = 1024

describe('the memory of the byte strings of one frame', () => {
  test('given many byte strings of a kilobyte, then they share memory, and never more than 16 KiB of it', () => {
    const frame = counting(64 * kib)
    const memory = new FrameMemory()
    memory.open(frame, 64)
    const kept = Array.from({ length: 64 }, (_, index) =>
      memory.bytesOf(frame, index * kib, (index + 1) * kib),
    )
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

  test('given a frame with its own memory, when its datums were read, then that is given back, unless one of them has it', () => {
    const [frame, given] = [counting(64 * kib), counting(64 * kib)]
    const slab = counting(64 * kib)
    const memory = new FrameMemory()
    memory.open(frame, 2)
    memory.bytesOf(frame, 100, 60 * kib)
    expect(memory.latin1Of(frame, 0, 1)).toBe('\0')
    memory.close()
    memory.open(given, 1)
    const kept = memory.bytesOf(given, 100, 60 * kib)
    memory.close()
    memory.open(slab.subarray(5), 2)
    memory.close()
    expect([frame, given, slab].map(({ byteLength }) => byteLength)).toEqual([0, 64 * kib, 64 * kib])
    expect(kept).toEqual(counting(64 * kib).subarray(100, 60 * kib))
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

describe('the texts of one frame', () => {
  const latin1 = fc.string({ unit: fc.nat(0xff).map((unit) => String.fromCharCode(unit)), maxLength: 40 })
  const texts = fc.oneof(
    { weight: 4, arbitrary: latin1 },
    fc.string({ unit: 'binary-ascii', minLength: 200, maxLength: 1_500 }),
    fc.nat(6_000).map((length) => 'y'.repeat(length)),
  )

  const gaps = fc.oneof(fc.nat(9), fc.nat(2_000))

  test('property: whatever is read is what was written, whatever becomes of the frame', () => {
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 40 }), gaps, fc.nat(3), (written, gap, alignment) => {
        const encoded = written.map((text) => Buffer.from(text, 'latin1'))
        const length = encoded.reduce((sum, { byteLength }) => sum + gap + byteLength, 0)
        const frame = new Uint8Array(new ArrayBuffer(alignment + length), alignment).fill(0xff)
        const memory = new FrameMemory()
        memory.open(frame, written.length)
        let offset = 0
        const places = encoded.map((bytes) => {
          frame.set(bytes, offset + gap)
          const start = offset + gap
          offset = start + bytes.byteLength
          return { start, end: offset }
        })
        const read = places.map(({ start, end }) => memory.latin1Of(frame, start, end))
        expect(places.map(({ start, end }) => separateMemory.latin1Of(frame, start, end))).toEqual(written)
        frame.fill(0)
        expect(read).toEqual(written)
      }),
      { numRuns: 300 },
    )
  })

  test('given a text before the one that was read last, then it is read all the same', () => {
    const frame = Buffer.from('first, second and third')
    const memory = new FrameMemory()
    memory.open(frame, 3)
    expect(memory.latin1Of(frame, 7, 13)).toBe('second')
    expect(memory.latin1Of(frame, 0, 5)).toBe('first')
  })

  test('given the next frame, then nothing is read from the one before', () => {
    const memory = new FrameMemory()
    for (const text of ['one', 'two', 'a text that is longer', 'b text that is longer']) {
      memory.open(Buffer.from(text), 1)
      expect(memory.latin1Of(Buffer.from(text), 0, text.length)).toBe(text)
      memory.close()
    }
  })
})

/** Bytes of which two that are far apart are hardly ever followed by the same. */
function counting(byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, index) => (index * 31 + (index >>> 8)) & 0xff)
}
