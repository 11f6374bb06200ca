import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { encode, encodeArray, encodeMap } from '#framework/primitives'

const value = fc.oneof(fc.string(), fc.integer(), fc.uint8Array(), fc.array(fc.boolean(), { maxLength: 3 }))

test('given elements that are encoded already, then their array is encoded as all of it at once', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 40 }), (elements) => {
      expect(encodeArray(elements.map((element) => encode(element)))).toEqual(encode(elements))
    }),
  )
  const many = Array.from({ length: 70 }, (_, n) => n)
  for (const length of [0, 15, 16, 70]) {
    const elements = many.slice(0, length)
    expect(encodeArray(elements.map((element) => encode(element)))).toEqual(encode(elements))
  }
})

test('given members that are encoded already, then their object is encoded as all of it at once', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        value,
        { maxKeys: 15 },
      ),
      (members) => {
        const encoded = Object.fromEntries(
          Object.entries(members).map(([key, member]) => [key, encode(member)]),
        )
        expect(encodeMap(encoded)).toEqual(encode(members))
      },
    ),
  )
})
