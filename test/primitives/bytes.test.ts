import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes, encodeUtf8, equalBytes, fromHex, toHex } from '#framework/primitives'

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

test('text becomes UTF-8, in which a lone surrogate is the replacement character', () => {
  expect(toHex(encodeUtf8('aé€🧩'))).toBe('61c3a9e282acf09fa7a9')
  expect(toHex(encodeUtf8('\ud800'))).toBe('efbfbd')
})
