import { isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  concatBytes,
  decode,
  encode,
  encodeShared,
  fromHex,
  isMosaikError,
  toHex,
} from '#framework/primitives'
import { anyText } from '../support/any-text.js'

const MALFORMED = expect.objectContaining({ code: 'CODEC_MALFORMED' })
const UNSUPPORTED = expect.objectContaining({ code: 'CODEC_UNSUPPORTED' })

const date = fc.date({ noInvalidDate: true })
const bigint = fc.oneof(fc.bigInt(), fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }), fc.bigInt({ min: 0n }))
const number = fc.oneof(
  // The negative zero becomes the other one.
  fc.double().map((value) => (value === 0 ? 0 : value)),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.float().map((value) => (value === 0 ? 0 : value)),
  fc.integer({ min: -200, max: 300 }),
)
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  anyText({ maxLength: 80 }),
  fc.string({ unit: 'binary-ascii', maxLength: 400 }),
)
const key = text.filter((candidate) => candidate !== '__proto__')
const bytes = fc.uint8Array({ maxLength: 400 })
const leaf = fc.oneof(fc.constantFrom(null, true, false), number, text, bigint, date, bytes)
const { value: anything } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
}))

const nested = (depth: number, innermost: unknown = 1): unknown => {
  let value = innermost
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { inner: value }
  return value
}

/** What an error says about where it happened. */
const detailsOf = (run: () => unknown): Readonly<Record<string, unknown>> => {
  try {
    run()
  } catch (error) {
    if (isMosaikError(error)) return error.details
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a value that can travel', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(anything, (value) => {
        return isDeepStrictEqual(decode(encode(value)), value)
      }),
      { numRuns: 400 },
    )
  })

  test.each([
    [
      'numbers at the edges of their forms',
      [31, 32, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32],
    ],
    ['negative ones', [-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1]],
    ['the largest and strangest', [Number.MAX_SAFE_INTEGER, Number.MIN_VALUE, Infinity, -Infinity, NaN, 1.5]],
    ['bigints, however small', [0n, 1n, -1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)]],
    [
      'bigints beyond 64 bits',
      [2n ** 64n, -(2n ** 63n) - 1n, 2n ** 71n - 1n, 2n ** 71n, -(2n ** 71n), 2n ** 4_095n - 1n],
    ],
    [
      'times of every form',
      [new Date(0), new Date(1), new Date(2 ** 32 * 1_000), new Date(-1), new Date(8.64e15)],
    ],
    [
      'more times',
      [new Date(2 ** 34 * 1_000 - 1), new Date(2 ** 34 * 1_000), new Date(-8.64e15), new Date(999)],
    ],
    ['keys like those of every object', [{ constructor: 1, toString: 2, hasOwnProperty: 3, '': 4, 7: 5 }]],
    ['a text that begins with a byte order mark', ['\ufeffabc', `\ufeff${'x'.repeat(190)}`]],
    ['a text with the character that stands for malformed ones', ['\ufffd', '\ufffd'.repeat(40)]],
  ])('may hold %s', (_, value) => {
    expect(decode(encode(value))).toStrictEqual(value)
  })

  test('may hold texts, bytes, lists and maps at the edges of their forms', () => {
    for (const length of [0, 15, 16, 31, 32, 47, 48, 49, 255, 256, 65_535, 65_536, 70_000]) {
      for (const value of [
        'x'.repeat(length),
        'é'.repeat(length),
        '🧩'.repeat(length),
        new Uint8Array(length).fill(7),
        Array.from({ length }, (_, i) => i),
        Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i])),
      ]) {
        expect(isDeepStrictEqual(decode(encode(value)), value)).toBe(true)
      }
    }
  })

  test('keeps numbers numbers and bigints bigints', () => {
    expect(decode(encode([2 ** 40, 2n ** 40n, 5, 5n]))).toStrictEqual([2 ** 40, 2n ** 40n, 5, 5n])
  })

  test('is written in the shortest form, as the specification has it', () => {
    const hex = (value: unknown): string => toHex(encode(value))
    expect(hex({ compact: true, schema: 0 })).toBe('82a7636f6d70616374c3a6736368656d6100')
    expect([hex(null), hex(-1), hex(-33), hex(128), hex(65_536), hex(0.5)]).toEqual([
      'c0',
      'ff',
      'd0df',
      'cc80',
      'ce00010000',
      'cb3fe0000000000000',
    ])
    expect([hex(2 ** 32), hex(-(2 ** 31) - 1), hex(Number.MAX_SAFE_INTEGER)]).toEqual([
      'cf0000000100000000',
      'd3ffffffff7fffffff',
      'cf001fffffffffffff',
    ])
    expect([hex(1n), hex(-1n), hex(128n), hex(2n ** 64n)]).toEqual([
      'd44201',
      'd442ff',
      'd5420080',
      'c70942010000000000000000',
    ])
    expect([hex(new Date(1_000)), hex(new Date(1)), hex(new Date(-1))]).toEqual([
      'd6ff00000001',
      'd7ff003d090000000000',
      'c70cff3b8b87c0ffffffffffffffff',
    ])
    expect([hex(new Uint8Array(2)), hex('é'), hex('')]).toEqual(['c4020000', 'a2c3a9', 'a0'])
  })

  test('may be a plain object of another realm, or without a prototype', () => {
    const foreign: unknown = runInNewContext('({ a: [1, { b: 2 }] })')
    expect(decode(encode(foreign))).toStrictEqual({ a: [1, { b: 2 }] })
    expect(decode(encode(Object.assign(Object.create(null), { a: 1 })))).toStrictEqual({ a: 1 })
  })

  test('may be a Buffer, of which only its own part is written', () => {
    const part = Buffer.from('abcdef').subarray(1, 3)
    const back = decode(encode(part))
    expect(back).toStrictEqual(Uint8Array.of(98, 99))
    expect(Buffer.isBuffer(back)).toBe(false)
  })

  test('loses its symbols and the members that are undefined, and the negative zero its sign', () => {
    expect(decode(encode({ a: 1, b: undefined, [Symbol('s')]: 2 }))).toStrictEqual({ a: 1 })
    expect(decode(encode([-0]))).toStrictEqual([0])
  })

  test('may be nested 64 deep, and no deeper in either direction', () => {
    expect(decode(encode(nested(64)))).toStrictEqual(nested(64))
    expect(() => encode(nested(65))).toThrow(UNSUPPORTED)
    expect(() => decode(concatBytes(Uint8Array.of(0x91), encode(nested(64))))).toThrow(MALFORMED)
  })
})

describe('encoded bytes', () => {
  test('are never written to again', () => {
    const messages = Array.from({ length: 3_000 }, (_, i) => ({ seq: i, text: 'x'.repeat(i % 90) }))
    const encoded = messages.map((message) => encode(message))
    expect(encoded.map((message) => decode(message))).toStrictEqual(messages)
  })

  test('that are shared are those of encode, and lie in one place until the next call', () => {
    fc.assert(
      fc.property(anything, (value) => {
        expect(encodeShared(value)).toEqual(encode(value))
      }),
    )
    const first = encodeShared({ n: 1 })
    expect(encodeShared({ n: 2 }).buffer).toBe(first.buffer)
    expect(decode(first)).toEqual({ n: 2 })
  })

  test('that are shared do not leave the memory of a large message behind', () => {
    encodeShared(new Uint8Array(8 << 20))
    expect(encodeShared('small').buffer.byteLength).toBeLessThan(64 * 1024)
  })

  test('are right when a getter of the value encodes something itself', () => {
    const value = {
      before: 1,
      get inner() {
        return encode({ nested: 'x'.repeat(100) })
      },
      after: 2,
    }
    expect(decode(encode(value))).toStrictEqual({
      before: 1,
      inner: encode({ nested: 'x'.repeat(100) }),
      after: 2,
    })
  })

  test('are right after a value that could not be encoded', () => {
    const before = encode('before')
    expect(() => encode(['partly written', () => undefined])).toThrow(UNSUPPORTED)
    const after = encode('after')
    expect([decode(before), decode(after)]).toEqual(['before', 'after'])
  })
})

describe('a value that cannot travel', () => {
  class Order {
    readonly id = 1
  }
  const loop: unknown[] = []
  loop.push(loop)

  test.each([
    ['a function', () => undefined],
    ['a symbol', Symbol('s')],
    ['a Map', new Map()],
    ['a Set', new Set()],
    ['an Error', new Error('x')],
    ['a RegExp', /x/],
    ['an instance of a class', new Order()],
    ['an instance of a class without a name', new (class {})()],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['other typed arrays', new Float64Array(1)],
    ['a DataView', new DataView(new ArrayBuffer(1))],
    ['a promise', Promise.resolve()],
    ['a boxed number', Object(1)],
    ['an invalid Date', new Date(NaN)],
    ['undefined', undefined],
    ['undefined in an array', [1, undefined]],
    // oxlint-disable-next-line no-sparse-arrays -- the hole is the point.
    ['a hole in an array', [1, , 2]],
    ['a text with half a surrogate pair', '\ud800'],
    ['such a text in an array', [`${'x'.repeat(60)}\udc00`]],
    ['such a text as a member', { a: '\udc00' }],
    ['such a text as a key', { '\ud800': 1 }],
    [
      'a getter that throws',
      Object.defineProperty({}, 'a', { enumerable: true, get: () => decode(new Uint8Array()) }),
    ],
    ['an integer of more than 512 bytes', 2n ** 4_095n],
    ['a value that contains itself', loop],
    ['the key __proto__', JSON.parse('{"__proto__": 1}')],
  ])('is refused, not changed: %s', (_, value) => {
    expect(() => encode(value)).toThrow(UNSUPPORTED)
  })

  test('is named together with the way to it', () => {
    const value = { orders: [{ fine: { deep: 1 } }, { lines: new Map() }] }
    expect(() => encode(value)).toThrow('an instance of Map cannot be encoded at orders.1.lines')
    expect(detailsOf(() => encode(value))).toEqual({ path: ['orders', 1, 'lines'] })
    expect(detailsOf(() => encode(Symbol('s')))).toEqual({ path: [] })
    expect(detailsOf(() => encode({ a: [1, undefined] }))).toEqual({ path: ['a', 1] })
    expect(detailsOf(() => encode([{ a: 1, b: '\ud800' }]))).toEqual({ path: [0, 'b'] })
    expect(detailsOf(() => encode({ a: JSON.parse('{"__proto__": 1}') }))).toEqual({
      path: ['a', '__proto__'],
    })
  })
})

describe('bytes from anyone', () => {
  test('either decode or are refused as malformed, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        let value
        try {
          value = decode(noise)
        } catch (error) {
          expect(error).toEqual(MALFORMED)
          return
        }
        // What was understood can be written, and is then the same.
        expect(isDeepStrictEqual(decode(encode(value)), value)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  test('that are a message changed in one byte do no worse', () => {
    fc.assert(
      fc.property(anything, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
        const message = Uint8Array.from(encode(value))
        message[at % message.length]! ^= change
        try {
          decode(message)
        } catch (error) {
          expect(error).toEqual(MALFORMED)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('that are only the beginning of a message are refused, wherever they end', () => {
    fc.assert(
      fc.property(anything, fc.nat(), (value, end) => {
        const message = encode(value)
        expect(() => decode(message.subarray(0, end % message.length))).toThrow(MALFORMED)
      }),
    )
  })

  test('that go on after the message are refused', () => {
    fc.assert(
      fc.property(anything, bytes, (value, more) => {
        fc.pre(more.length > 0)
        expect(() => decode(concatBytes(encode(value), more))).toThrow(MALFORMED)
      }),
    )
  })

  test.each([
    ['nothing', ''],
    ['the byte that is never used', 'c1'],
    ['a list of 4 billion', 'ddffffffff'],
    ['a map of 4 billion', 'dfffffffff'],
    ['a text of 4 GB', 'dbffffffff61'],
    ['bytes of 4 GB', 'c6ffffffff00'],
    ['an extension of 4 GB', 'c9ffffffff00'],
    ['a list one longer than what follows', '92c0'],
    ['a map one longer than what follows', '82a161c0a162'],
    ['a map whose key is a number', '8101c0'],
    ['a map whose key is nil', '81c0c0'],
    ['a map whose key is a list', '8190c0'],
    ['a map whose key is bytes', '81c40161c0'],
    ['the key __proto__', '81a95f5f70726f746f5f5fc0'],
    ['the key __proto__ in a longer form', '81d9095f5f70726f746f5f5fc0'],
    ['a record definition of msgpackr', 'd4724091a16101'],
    ['a longer record definition', 'd572400091a16101'],
    ['a shared reference of msgpackr', 'd67000000001'],
    ['an error of msgpackr', 'd46500'],
    ['a regular expression of msgpackr', 'd4780092a161a0'],
    ['a set of msgpackr', 'd4730090'],
    ['a typed array of msgpackr', 'd4740061'],
    ['a string bundle of msgpackr', 'd66200000000c0'],
    ['the undefined of msgpackr', 'd40000'],
    ['the invalid time of msgpackr', 'd4ffff'],
    ['a time with a billion nanoseconds', 'd7ffee6b280000000000'],
    ['a time beyond what a Date can be', 'c70cff000000007fffffffffffffff'],
    ['a time of five bytes', 'c705ff0000000000'],
    ['an unsigned integer that a number does not hold', 'cf0020000000000001'],
    ['a signed integer that a number does not hold', 'd3ffdfffffffffffff'],
    ['an integer without bytes', 'c70042'],
    ['an integer of 513 bytes', `c8020142${'00'.repeat(513)}`],
    ['a text that is not UTF-8', 'a1ff'],
    ['a text with half a surrogate pair', 'a3eda080'],
    ['a text with an overlong form', 'a2c080'],
    ['a long text that is not UTF-8', `d928${'61'.repeat(39)}ff`],
    ['a long key that is not UTF-8', `81d928${'61'.repeat(39)}ffc0`],
  ])('are refused: %s', (_, hex) => {
    expect(() => decode(fromHex(hex))).toThrow(MALFORMED)
  })

  test('are refused with the place where it went wrong', () => {
    expect(detailsOf(() => decode(fromHex('93c0c0c1')))).toEqual({ offset: 4 })
    expect(() => decode(fromHex('93c0c0'))).toThrow('malformed message: the message ends early (byte 3)')
  })

  test.each([
    [
      'every length of a number',
      'ccff cdffff ceffffffff d0ff d1ffff d2ffffffff',
      [255, 65_535, 2 ** 32 - 1, -1, -1, -1],
    ],
    ['lengths longer than needed', 'd90161 da000161 db0000000161 cc01 cd0001', ['a', 'a', 'a', 1, 1]],
    [
      'more of them',
      'c40161 c5000161 c60000000161 dc0000 dd00000000 de0000 df00000000',
      [...Array(3).fill(Uint8Array.of(97)), [], [], {}, {}],
    ],
    ['small floats', 'ca3fc00000 ca7f800000', [1.5, Infinity]],
    [
      '64-bit integers, as numbers',
      'cf00000000000000ff d3ffffffffffffffff d3ffe0000000000001',
      [255, -1, -Number.MAX_SAFE_INTEGER],
    ],
    ['integers of any length', 'd44201 d542ff00 d642ffffffff c7014280', [1n, -256n, -1n, -128n]],
    ['times with parts of a millisecond', 'd7ff003d090400000001', [new Date(1_001)]],
    [
      'keys of every form',
      '81d90161c0 81da000161c0 81db00000001 61c0',
      [{ a: null }, { a: null }, { a: null }],
    ],
  ])('are understood in any form: %s', (_, hex, values) => {
    const message = concatBytes(Uint8Array.of(0x90 | values.length), fromHex(hex.replaceAll(' ', '')))
    expect(decode(message)).toStrictEqual(values)
  })

  test('cannot reach the prototype of an object', () => {
    const value = decode(fromHex('81ab636f6e7374727563746f7281a970726f746f7479706581a178c3'))
    expect(isDeepStrictEqual(value, { constructor: { prototype: { x: true } } })).toBe(true)
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })

  test('given a key twice, mean the later', () => {
    expect(decode(fromHex('82a16101a16102'))).toStrictEqual({ a: 2 })
  })

  test('with keys that are cached alike are not mixed up', () => {
    const maps = Array.from({ length: 5_000 }, (_, i) => ({ [`key-${(i * 2_654_435_761) % 65_521}`]: i }))
    for (let round = 0; round < 2; round++) expect(decode(encode(maps))).toStrictEqual(maps)
    // One character of two bytes against two of one byte.
    expect(decode(encode([{ ab: 1 }, { é: 2 }, { ab: 3 }]))).toStrictEqual([{ ab: 1 }, { é: 2 }, { ab: 3 }])
  })

  test('are not referred to by what was decoded', () => {
    const message = Uint8Array.from(encode({ bytes: Uint8Array.of(1, 2, 3), text: 'abc' }))
    const value = decode(message)
    message.fill(0)
    expect(value).toStrictEqual({ bytes: Uint8Array.of(1, 2, 3), text: 'abc' })
  })

  test('may be a Buffer, or a part of a larger array', () => {
    const message = concatBytes(
      Uint8Array.of(9, 9),
      encode({ a: ['x'.repeat(40), Uint8Array.of(5)] }),
      Uint8Array.of(9),
    )
    const expected = { a: ['x'.repeat(40), Uint8Array.of(5)] }
    expect(decode(message.subarray(2, -1))).toStrictEqual(expected)
    const fromBuffer = decode(Buffer.from(message).subarray(2, -1))
    expect(fromBuffer).toStrictEqual(expected)
  })

  test('that were decoded into byte strings leave each of them with memory of its own', () => {
    const [first, second] = decode(encode([Uint8Array.of(1), { deep: [Uint8Array.of(2)] }])) as [
      Uint8Array,
      { deep: [Uint8Array] },
    ]
    expect(first.buffer.byteLength).toBe(1)
    expect(second.deep[0].buffer.byteLength).toBe(1)
  })

  test('that claim a lot at every depth cost no memory for it', () => {
    // 64 lists, each of which claims as many elements as there are bytes left.
    const size = 1 << 20
    const message = new Uint8Array(size).fill(0xc0)
    for (let depth = 0, at = 0; depth < 64; depth++) {
      const left = size - at - 5
      message.set([0xdd, left >>> 24, left >>> 16, left >>> 8, left], at)
      at += 5
    }
    const before = process.memoryUsage()
    expect(() => decode(message)).toThrow(MALFORMED)
    const after = process.memoryUsage()
    expect(after.heapUsed - before.heapUsed).toBeLessThan(64 * size)
  })
})
