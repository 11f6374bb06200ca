import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bytesOf, digestFromRaw, digestOf } from '#framework/primitives'
import { decodeBundle, encodeBundle, partHeadBytes } from '../../../framework/groups/wire/bundle.js'

const part = fc.record({
  bond: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(digestFromRaw),
  message: fc.uint8Array({ maxLength: 300 }),
})

test('given any messages for any bonds, when bundled, then they come out as they went in', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      const plain = decodeBundle(encodeBundle(parts)).map(({ bond, message }) => ({
        bond,
        message: Uint8Array.from(message),
      }))
      expect(plain).toEqual(parts)
    }),
  )
})

test('given a bundle, then it is as specified', () => {
  const bond = digestOf('bond')
  const bytes = encodeBundle([{ bond, message: Uint8Array.of(7, 8, 9) }])
  expect([...bytes]).toEqual([...bytesOf(bond), 3, 0, 7, 8, 9])
})

test('given a bundle that is cut off anywhere within a part, then it is none', () => {
  const bytes = encodeBundle([{ bond: digestOf('bond'), message: new Uint8Array(20) }])
  for (let end = 1; end < bytes.byteLength; end++) {
    expect(() => decodeBundle(bytes.subarray(0, end))).toThrow('a bundle ends early')
  }
  expect(bytes.byteLength).toBe(partHeadBytes + 20)
})
