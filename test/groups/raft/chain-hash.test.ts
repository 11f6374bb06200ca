import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { murmurChain, type EntryKind, type HashedFields } from '#framework/groups/raft'
import { murmur3 } from '../../../framework/groups/raft/chain-hash.js'

const anyFields: fc.Arbitrary<HashedFields> = fc.record({
  index: fc.nat(1_000),
  term: fc.nat(1_000),
  kind: fc.constantFrom<EntryKind>('command', 'session', 'noop', 'configuration'),
  commandCount: fc.nat(10),
  applicationIndex: fc.nat(1_000),
  timestampMs: fc.nat(2 ** 41),
  payload: fc.uint8Array({ maxLength: 70 }),
})

test.each([
  ["I will not buy this tobacconist's, it is scratched.", '9b5b7ba2ef3f7866889adeaf00f3f98e'],
  ['', '00000000000000000000000000000000'],
])('given %j, when hashed, then it is what MurmurHash3_x86_128 says', (text, expected) => {
  const words = [...murmur3(Buffer.from(text), 0)].map((word) => word.toString(16).padStart(8, '0'))
  expect(words.join('')).toBe(expected)
})

test('given bytes in front as words, when hashed, then it is as if they were all bytes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.uint8Array({ maxLength: 40 }),
      (front, rest) => {
        const words = new Uint32Array(Uint8Array.from(front).buffer)
        const split = [...murmur3(rest, 7, words)]
        expect(split).toEqual([...murmur3(Buffer.concat([front, rest]), 7)])
      },
    ),
  )
})

test('given entries, when anything about one is different, then so is the hash', () => {
  fc.assert(
    fc.property(anyFields, anyFields, fc.nat(), fc.nat(), (one, other, before, beforeOther) => {
      const isSame = JSON.stringify([one, before]) === JSON.stringify([other, beforeOther])
      expect(murmurChain.next(before, one) === murmurChain.next(beforeOther, other)).toBe(isSame)
      expect(murmurChain.next(before, one)).not.toBe(murmurChain.next(before, { ...one, term: one.term + 1 }))
      expect(Number.isSafeInteger(murmurChain.next(before, one))).toBe(true)
    }),
  )
})

test('given any one bit of a payload, when it flips, then the hash is another', () => {
  fc.assert(
    fc.property(anyFields, fc.nat(), (fields, at) => {
      if (fields.payload.length === 0) return
      const flipped = Uint8Array.from(fields.payload)
      flipped[at % flipped.length]! ^= 1 << (at % 8)
      expect(murmurChain.next(1, { ...fields, payload: flipped })).not.toBe(murmurChain.next(1, fields))
    }),
  )
})
