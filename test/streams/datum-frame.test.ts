import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FrameBuilder } from '#framework/network'
import { equalBytes } from '#framework/primitives'
import { DatumFrameReader, DatumFrameWriter } from '../../framework/streams/codec/datum-frame.js'

const headerBytes = 5

function append(writer: DatumFrameWriter, sequence: number, datum: Uint8Array): void {
  const offset = writer.reserve(sequence, datum.byteLength)
  writer.buffer.set(datum, offset)
}

function frameOf(first: number, datums: readonly Uint8Array[]): Uint8Array {
  const writer = new DatumFrameWriter(new FrameBuilder({ frameBytesMax: 1 << 20 }))
  datums.forEach((datum, index) => append(writer, first + index, datum))
  expect(writer.count).toBe(datums.length)
  const { bodyBytes } = writer
  const frame = writer.take()
  expect(frame.byteLength).toBe(headerBytes + bodyBytes)
  return frame.subarray(headerBytes)
}

test('any datums come out as they went in', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 100 }),
      fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 20 }),
      (first, datums) => {
        const reader = new DatumFrameReader(frameOf(first, datums))
        expect(reader.first).toBe(first)
        expect(reader.payloadBytes).toBe(datums.reduce((sum, datum) => sum + datum.byteLength, 0))
        const read: Uint8Array[] = []
        while (reader.remaining > 0) {
          expect(reader.sequence).toBe(first + read.length)
          read.push(reader.next())
        }
        expect(read).toEqual(datums)
      },
    ),
  )
})

test.each([0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff >> 2])('a datum of %d bytes', (length) => {
  const datum = new Uint8Array(length).fill(7)
  expect(equalBytes(new DatumFrameReader(frameOf(5, [datum])).next(), datum)).toBe(true)
})

test('a writer is empty again after a frame was taken', () => {
  const writer = new DatumFrameWriter(new FrameBuilder())
  append(writer, 1, Uint8Array.of(1))
  writer.take()
  expect(writer.count).toBe(0)
  expect(writer.bodyBytes).toBe(0)
  append(writer, 9, Uint8Array.of(2))
  expect(new DatumFrameReader(writer.take().subarray(headerBytes)).first).toBe(9)
})

test('any cut or changed frame is read as some datums or refused, and nothing else', () => {
  const whole = frameOf(3, [Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3)])
  fc.assert(
    fc.property(
      fc.nat(whole.byteLength),
      fc.nat(whole.byteLength - 1),
      fc.nat(255),
      (length, position, value) => {
        const changed = whole.slice()
        changed[position] = value
        for (const bytes of [whole.subarray(0, length), changed]) {
          try {
            const reader = new DatumFrameReader(bytes)
            while (reader.remaining > 0) reader.next()
          } catch (error) {
            expect(error).toMatchObject({ code: 'DATUM_FRAME_MALFORMED' })
          }
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('a head that claims four thousand million datums is refused by what is there', () => {
  const bytes = frameOf(0, [Uint8Array.of(1)])
  bytes.fill(0xff, 8, 12)
  expect(() => new DatumFrameReader(bytes)).toThrow(
    expect.objectContaining({ code: 'DATUM_FRAME_MALFORMED' }),
  )
})

test('sequence numbers beyond 2^53 are refused', () => {
  const bytes = frameOf(0, [Uint8Array.of(1)])
  bytes.fill(0xff, 0, 8)
  expect(() => new DatumFrameReader(bytes)).toThrow(/2\^53/)
})

describe('the form of a selection', () => {
  interface Selected {
    readonly sequence: number
    readonly datum: Uint8Array
  }

  function selectionOf(lost: number, selected: readonly Selected[]): Uint8Array {
    const writer = new DatumFrameWriter(new FrameBuilder({ frameBytesMax: 1 << 20 }), 'selection')
    for (const [index, { sequence, datum }] of selected.entries()) {
      expect(writer.continuesWith(sequence)).toBe(true)
      const expectedBytes = writer.bodyBytes + writer.bytesFor(sequence, datum.byteLength)
      const offset = writer.reserve(sequence, datum.byteLength, index === 0 ? lost : 0)
      writer.buffer.set(datum, offset)
      if (index > 0) expect(writer.bodyBytes).toBe(expectedBytes)
    }
    return writer.take().subarray(headerBytes)
  }

  const selections = fc
    .record({
      first: fc.integer({ min: 0, max: 2 ** 50 }),
      steps: fc.array(fc.tuple(fc.integer({ min: 0, max: 2 ** 28 - 1 }), fc.uint8Array({ maxLength: 200 })), {
        minLength: 1,
        maxLength: 20,
      }),
    })
    .map(({ first, steps }) => {
      let next = first
      return steps.map(([skipped, datum], index) => {
        const sequence = index === 0 ? first : next + skipped
        next = sequence + 1
        return { sequence, datum }
      })
    })

  test('any selection comes out as it went in, with its sequence numbers', () => {
    fc.assert(
      fc.property(selections, fc.double({ min: 0, max: 1, noNaN: true }), (selected, share) => {
        const lost = Math.floor(share * selected[0]!.sequence)
        const reader = new DatumFrameReader(selectionOf(lost, selected), 'selection')
        expect(reader.first).toBe(selected[0]!.sequence)
        expect(reader.endSequence).toBe(selected.at(-1)!.sequence + 1)
        expect(reader.lost).toBe(lost)
        const read: Selected[] = []
        while (reader.remaining > 0) {
          const { sequence } = reader
          reader.advance()
          read.push({ sequence, datum: reader.bytes.subarray(reader.start, reader.end) })
        }
        expect(read).toEqual(selected)
      }),
    )
  })

  test('a frame is over where something was lost, or more skipped than it can say', () => {
    const writer = new DatumFrameWriter(new FrameBuilder(), 'selection')
    expect(writer.continuesWith(7, 3)).toBe(true)
    writer.reserve(7, 0, 3)
    expect(writer.continuesWith(9, 1)).toBe(false)
    expect(writer.continuesWith(8 + 2 ** 28 - 1)).toBe(true)
    expect(writer.continuesWith(8 + 2 ** 28)).toBe(false)
  })

  test('any changed frame is read as some datums or refused, and nothing else', () => {
    const whole = selectionOf(2, [
      { sequence: 3, datum: Uint8Array.of(1, 2) },
      { sequence: 300, datum: Uint8Array.of() },
      { sequence: 301, datum: Uint8Array.of(3) },
    ])
    fc.assert(
      fc.property(
        fc.nat(whole.byteLength),
        fc.nat(whole.byteLength - 1),
        fc.nat(255),
        (length, at, value) => {
          const changed = whole.slice()
          changed[at] = value
          for (const bytes of [whole.subarray(0, length), changed]) {
            try {
              const reader = new DatumFrameReader(bytes, 'selection')
              let sequence = -1
              while (reader.remaining > 0) {
                expect(reader.sequence).toBeGreaterThan(sequence)
                sequence = reader.sequence
                reader.next()
              }
              expect(reader.endSequence).toBe(sequence + 1)
            } catch (error) {
              expect(error).toMatchObject({ code: 'DATUM_FRAME_MALFORMED' })
            }
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('nothing is skipped before the first datum: how many are missing is what its sequence number says', () => {
    const bytes = selectionOf(0, [{ sequence: 5, datum: Uint8Array.of(1) }])
    bytes[20] = 1
    expect(() => new DatumFrameReader(bytes, 'selection')).toThrow(/before the first/)
  })

  test('no more can be lost than there was', () => {
    const bytes = selectionOf(6, [{ sequence: 5, datum: Uint8Array.of(1) }])
    expect(() => new DatumFrameReader(bytes, 'selection')).toThrow(/more is lost/)
  })
})
