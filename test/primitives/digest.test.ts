import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  ZERO_DIGEST,
  abbreviate,
  bytesOf,
  concatBytes,
  derive,
  digestFromHex,
  digestFromInteger,
  digestFromRaw,
  digestOf,
  digestOfBytes,
  digestOfParts,
  encodeUtf8,
  hashBytes,
  peerIdFromHex,
  peerIdFromRaw,
  randomDigest,
  rehash,
  seededRandom,
  shortId,
  toHex,
} from '#framework/primitives'

const MY_APP = 'e03989181c8f0a8f6d7dd41c2780886a44dce46ee9419d91d2c2b99851afd811'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('N-13: given a name from outside that spells the id of something else, hashing keeps them apart, and hex is never hashed', () => {
  expect(digestOf(MY_APP)).toBe(MY_APP)
  expect(hashBytes(encodeUtf8(MY_APP))).not.toBe(MY_APP)
  expect(digestFromHex(MY_APP)).toBe(MY_APP)
  expect(() => digestFromHex('my-app')).toThrow(expect.objectContaining({ code: 'DIGEST_MALFORMED' }))
})

describe('a digest of a name', () => {
  test.each([
    ['', 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
    ['my-app', MY_APP],
    ['mosaik', 'b1950ece12beb7cb9b00e98132e4b3dc6c1b14e62218b33f2696ecde15bbe8fb'],
    ['tag1', '8c6deea0877b11b4b5e79ba4bb6bb1438438e713ad6fa777194684c2d10ff6e5'],
    ['my-stream1', '7ffd019deedf7ede49b63c8d943ef1894792051502734c3c24a1248aae63a79b'],
    ['mosaik.tickets.jwt.v1', '4586eafab50d29f2ad5212e08f84d0a789cd6a565ce8d344652b1b7b60973d8c'],
  ])('given %p, is the vector of the specification', (name, digest) => {
    expect(digestOf(name)).toBe(digest)
    expect(digestOfBytes(encodeUtf8(name))).toBe(digest)
    expect(hashBytes(encodeUtf8(name))).toBe(digest)
  })

  test('given 64 hexadecimal characters of any case, is those bytes verbatim', () => {
    const mixed = MY_APP.slice(0, 32).toUpperCase() + MY_APP.slice(32)
    expect(digestOf(mixed)).toBe(MY_APP)
    expect(digestOfBytes(encodeUtf8(mixed))).toBe(MY_APP)
    expect(hashBytes(encodeUtf8(MY_APP))).not.toBe(MY_APP)
  })

  test.each([
    ['one character too few', MY_APP.slice(1)],
    ['one too many', `${MY_APP}0`],
    ['one that is no digit', `${MY_APP.slice(1)}g`],
    ['a line feed after them', `${MY_APP}\n`],
    ['a line feed among them', `${MY_APP.slice(1)}\n`],
  ])('given %s, is hashed', (_, name) => {
    expect(digestOf(name)).toBe(hashBytes(encodeUtf8(name)))
    expect(digestOfBytes(encodeUtf8(name))).toBe(hashBytes(encodeUtf8(name)))
  })

  test('given 32 raw bytes as text, is hashed and not adopted', () => {
    const raw = bytesOf(digestOf('my-app'))
    expect(digestOfBytes(raw)).toBe(hashBytes(raw))
    expect(digestFromRaw(raw)).toBe(MY_APP)
  })

  test('given any text, is the same by its bytes, and idempotent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        const digest = digestOf(name)
        expect(digest).toMatch(/^[0-9a-f]{64}$/)
        expect(digestOfBytes(encodeUtf8(name))).toBe(digest)
        expect(digestOf(digest)).toBe(digest)
      }),
    )
  })
})

describe('a derived digest', () => {
  test('is the vector of the specification', () => {
    expect(derive(digestOf('my-app'), 'sub-identifier')).toBe(
      '095a4ff7cade1d452486a5b1efd9782ecb05cce4dc96b6111c2e0dd0ed6fdb1c',
    )
    expect(rehash(digestOf('my-app'))).toBe(
      '21f05ec6832d1ad19b928e6081ef5012203fa09a16a189e0ddbea9fcdb5b472f',
    )
  })

  test('is the hash of the id and the info, one after the other', () => {
    fc.assert(
      fc.property(bytes32, fc.uint8Array(), (raw, info) => {
        const id = digestFromRaw(raw)
        expect(derive(id, info)).toBe(hashBytes(concatBytes(raw, info)))
        expect(rehash(id)).toBe(hashBytes(raw))
      }),
    )
  })

  test('of parts is the hash of them together, without lengths or separators', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (parts) => {
        expect(digestOfParts(...parts)).toBe(hashBytes(concatBytes(...parts)))
      }),
    )
  })
})

describe('a digest that spells an integer', () => {
  test.each([
    [42n, 8, '2a00000000000000'],
    [1, 1, '01'],
    [256, 2, '0001'],
    [0x01020304, 4, '04030201'],
    [-1, 1, 'ff'],
    [255, 1, 'ff'],
    [-2n, 16, `fe${'ff'.repeat(15)}`],
    [2n ** 128n - 1n, 16, 'ff'.repeat(16)],
  ] as const)('given %p in %p bytes, ends in %p', (value, widthBytes, ending) => {
    expect(digestFromInteger(value, widthBytes)).toBe(ending.padStart(64, '0'))
  })

  test('does not keep the width: 1 in one byte is 256 in two', () => {
    expect(digestFromInteger(1, 1)).toBe(digestFromInteger(256, 2))
    expect(digestFromInteger(0, 8)).toBe(ZERO_DIGEST)
  })

  test.each([
    [256, 1],
    [-129, 1],
    [2n ** 64n, 8],
    [0.5, 4],
    [2 ** 53, 8],
  ] as const)('given %p in %p bytes, is refused', (value, widthBytes) => {
    expect(() => digestFromInteger(value, widthBytes)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })
})

describe('an id', () => {
  test('comes back from its bytes and from its text', () => {
    fc.assert(
      fc.property(bytes32, (raw) => {
        expect(bytesOf(digestFromRaw(raw))).toEqual(raw)
        expect(digestFromHex(toHex(raw).toUpperCase())).toBe(toHex(raw))
        expect(peerIdFromHex(peerIdFromRaw(raw))).toBe(toHex(raw))
      }),
    )
  })

  test('gives out its bytes as a copy', () => {
    const id = digestOf('my-app')
    bytesOf(id).fill(0)
    expect(toHex(bytesOf(id))).toBe(MY_APP)
  })

  test('sorts as text the way its bytes sort', () => {
    fc.assert(
      fc.property(bytes32, bytes32, (a, b) => {
        expect(digestFromRaw(a) < digestFromRaw(b)).toBe(Buffer.compare(a, b) < 0)
      }),
    )
  })

  test.each([0, 31, 33, 64])('is not adopted from %p bytes', (length) => {
    const bytes = new Uint8Array(length)
    expect(() => digestFromRaw(bytes)).toThrow(expect.objectContaining({ code: 'DIGEST_LENGTH' }))
    expect(() => peerIdFromRaw(bytes)).toThrow(expect.objectContaining({ code: 'DIGEST_LENGTH' }))
  })

  test.each(['', 'my-app', MY_APP.slice(1), `${MY_APP}00`, `0x${MY_APP.slice(2)}`, `${MY_APP}\n`])(
    'is not read from the text %p, which is never hashed instead',
    (text) => {
      expect(() => digestFromHex(text)).toThrow(expect.objectContaining({ code: 'DIGEST_MALFORMED' }))
      expect(() => peerIdFromHex(text)).toThrow(expect.objectContaining({ code: 'DIGEST_MALFORMED' }))
    },
  )

  test('is short as its first five bytes', () => {
    expect(shortId(digestOf('my-app'))).toBe('e03989181c')
  })

  test.each([
    [2, 'e0..11'],
    [3, 'e0..11'],
    [8, 'e0398918..51afd811'],
    [31, `${MY_APP.slice(0, 30)}..${MY_APP.slice(-30)}`],
    [32, MY_APP],
    [100, MY_APP],
  ])('abbreviated to %p bytes is %p', (length, text) => {
    expect(abbreviate(digestOf('my-app'), length)).toBe(text)
  })

  test.each([1, 0, -2, 2.5, NaN])('cannot be abbreviated to %p bytes', (length) => {
    expect(() => abbreviate(ZERO_DIGEST, length)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })

  test('made at random is another one each time, and the same for the same seed', () => {
    const random = seededRandom('ids')
    const first = randomDigest(random)
    expect(randomDigest(random)).not.toBe(first)
    expect(randomDigest(seededRandom('ids'))).toBe(first)
  })
})
