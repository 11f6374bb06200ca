import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes, fromHex, toHex } from '#framework/primitives'

test('bytes come back from their hexadecimal text of either case', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(toHex(bytes)).toMatch(/^[0-9a-f]*$/)
      expect(fromHex(toHex(bytes))).toEqual(bytes)
      expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes)
    }),
  )
})

test('a part of a larger buffer is seen as that part only', () => {
  const part = Uint8Array.of(1, 2, 3, 4, 5).subarray(1, 3)
  expect(toHex(part)).toBe('0203')
  expect(concatBytes(part, part)).toEqual(Uint8Array.of(2, 3, 2, 3))
  expect(equalBytes(part, Uint8Array.of(2, 3))).toBe(true)
})

test.each(['0', 'abc', 'zz', '0 ', ' 0', '0g', 'é0', '00\n', '@0', '`0'])('%p is not hexadecimal', (text) => {
  expect(() => fromHex(text)).toThrow(expect.objectContaining({ code: 'HEX_MALFORMED' }))
})

test('bytes made from hexadecimal have memory of their own', () => {
  expect(fromHex('00ff').buffer.byteLength).toBe(2)
})

test('bytes are equal when they are the same and as many', () => {
  fc.assert(
    fc.property(fc.uint8Array({ max: 2 }), fc.uint8Array({ max: 2 }), (a, b) => {
      expect(equalBytes(a, b)).toBe(toHex(a) === toHex(b))
    }),
  )
})

test('concatenating keeps every part, in order and in fresh memory', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (parts) => {
      const whole = concatBytes(...parts)
      expect([...whole]).toEqual(parts.flatMap((part) => [...part]))
      whole.fill(7)
      expect(parts.every((part) => part.buffer !== whole.buffer)).toBe(true)
    }),
  )
})

test('well-formed text comes back from its UTF-8, also with a byte order mark', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(decodeUtf8(encodeUtf8(text))).toBe(text)
    }),
  )
  expect(decodeUtf8(encodeUtf8('\ufeffa'))).toBe('\ufeffa')
})

test.each([[[0xff]], [[0xc3]], [[0xed, 0xa0, 0x80]], [[0xc0, 0x80]]])(
  'bytes %p are refused as text and not replaced',
  (bytes) => {
    expect(() => decodeUtf8(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: 'UTF8_MALFORMED' }),
    )
  },
)
