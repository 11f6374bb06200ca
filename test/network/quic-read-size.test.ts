import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
// Not exported to other folders: how much a transport reads at a time is its own business.
import { ReadSize } from '../../framework/network/quic/read-size.js'

const kibibyte = 1024

/** The size after reads that have brought these parts of what they asked for. */
function sizeAfter(parts: readonly number[], size = new ReadSize()): ReadSize {
  for (const part of parts) size.onRead(Math.max(1, Math.round(part * size.bytes)))
  return size
}

const busy = (): ReadSize => sizeAfter([1, 1, 1, 1])

describe('how much a QUIC stream reads at a time', () => {
  it('given a new stream, when nothing has come yet, then a read asks for little', () => {
    expect(new ReadSize().bytes).toBe(kibibyte)
  })

  it('given a stream whose reads come back full, when four have, then it asks for 128 KiB and for no more after that', () => {
    expect(busy().bytes).toBe(128 * kibibyte)
    expect(sizeAfter([1, 1], busy()).bytes).toBe(128 * kibibyte)
  })

  it('given a busy stream, when reads bring a quarter or more, then it goes on asking for as much', () => {
    expect(sizeAfter([0.25, 0.6, 0.99, 0.3], busy()).bytes).toBe(128 * kibibyte)
  })

  it('given a busy stream, when the last read before a pause brings next to nothing, then the pending one holds little', () => {
    const size = busy()
    size.onRead(200)
    expect(size.bytes).toBe(kibibyte)
  })

  it('given a busy stream, when a read brings a sixteenth, then the next one has room for more than that again', () => {
    const size = busy()
    size.onRead(8 * kibibyte)
    expect(size.bytes).toBe(16 * kibibyte)
  })

  it('given any reads, then a size is a power of two within its bounds, and never below what would have held the last read', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (parts) => {
        const size = new ReadSize()
        for (const part of parts) {
          const byteLength = Math.max(1, Math.round(part * size.bytes))
          size.onRead(byteLength)
          expect(Number.isInteger(Math.log2(size.bytes))).toBe(true)
          expect(size.bytes).toBeGreaterThanOrEqual(Math.max(kibibyte, byteLength))
          expect(size.bytes).toBeLessThanOrEqual(128 * kibibyte)
        }
      }),
    )
  })
})
