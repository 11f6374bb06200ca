import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { decode, encode } from '#framework/primitives'
import type { Criteria } from '#framework/streams'
import { compileCriteria } from '../../framework/streams/criteria/compile-criteria.js'

interface Trade {
  readonly symbol: string
  readonly side: 'buy' | 'sell'
  readonly price: number
  readonly at: Date
  readonly lots: bigint
  readonly key: Uint8Array
  readonly note?: string | undefined
  readonly account: { readonly country: string | null }
  readonly tags: readonly string[]
  readonly legs: readonly { readonly symbol: string; readonly ratio: number }[]
  readonly extra: Readonly<Record<string, number>>
}

const trade: Trade = {
  symbol: 'BTC',
  side: 'buy',
  price: 150,
  at: new Date('2026-01-01'),
  lots: 7n,
  key: Uint8Array.of(1, 2),
  account: { country: 'DE' },
  tags: ['spot', 'vip.gold'],
  legs: [{ symbol: 'ETH', ratio: 2 }],
  extra: { weight: 3 },
}

describe('a datum meets', () => {
  test.each<Criteria<Trade>>([
    {},
    { symbol: 'BTC' },
    { symbol: 'BTC', price: 150 },
    { symbol: { $in: ['ETH', 'BTC'] } },
    { price: { $gt: 149, $gte: 150, $lt: 151, $lte: 150 } },
    { symbol: { $gte: 'BTA', $lt: 'BTD' } },
    { symbol: { $prefix: 'BT' } },
    { symbol: { $prefix: '' } },
    { at: new Date('2026-01-01') },
    { at: { $gt: new Date('2025-12-31'), $in: [new Date('2026-01-01')] } },
    { lots: 7n },
    { lots: { $gt: 6n } },
    { key: Uint8Array.of(1, 2) },
    { key: { $in: [Uint8Array.of(3), Uint8Array.of(1, 2)] } },
    { account: { country: 'DE' } },
    { account: { country: { $in: ['DE', null] } } },
    { note: { $exists: false } },
    { account: { $exists: true } },
    { note: { $not: 'x' } },
    { $not: { symbol: 'ETH' } },
    { $or: [{ symbol: 'ETH' }, { side: 'buy' }] },
    { $and: [{ symbol: 'BTC' }, { $not: { price: { $gt: 150 } } }] },
    { tags: { $some: 'spot' } },
    { tags: { $some: { $prefix: 'vip.' } } },
    { legs: { $some: { symbol: 'ETH', ratio: { $gt: 1 } } } },
    { extra: { weight: 3 } },
    { extra: { $exists: true } },
  ])('%j', (criteria) => {
    expect(compileCriteria(criteria)(trade)).toBe(true)
    // As the producer has them.
    expect(compileCriteria(decode(encode(criteria)))(trade)).toBe(true)
  })
})

describe('a datum does not meet', () => {
  test.each<Criteria<Trade>>([
    { symbol: 'btc' },
    { symbol: 'BTC', price: 151 },
    { symbol: { $in: [] } },
    { price: { $gt: 150 } },
    { price: { $lt: 150 } },
    { symbol: { $prefix: 'BTCX' } },
    { at: new Date('2026-01-02') },
    { lots: 8n },
    { key: Uint8Array.of(1) },
    { account: { country: null } },
    // A field that is not there meets nothing but its absence.
    { note: 'x' },
    { note: { $gt: '' } },
    { note: { $prefix: '' } },
    { note: { $exists: true } },
    { $not: {} },
    { $or: [] },
    { tags: { $some: 'futures' } },
    { legs: { $some: { symbol: 'ETH', ratio: { $gt: 2 } } } },
    { extra: { height: 3 } },
  ])('%j', (criteria) => {
    expect(compileCriteria(criteria)(trade)).toBe(false)
  })

  test.each<[unknown, unknown]>([
    [{ price: { $gt: 1 } }, { price: '2' }],
    [{ price: { $gt: 1 } }, { price: 2n }],
    [{ price: { $gte: 1 } }, { price: new Date(2) }],
    [{ price: { $lte: 1 } }, { price: NaN }],
    [{ price: 1 }, { price: 1n }],
    [{ tags: { $some: 'a' } }, { tags: 'a' }],
    [{ text: { $prefix: 'a' } }, { text: ['a'] }],
    [{ 'a.b': 1 }, { a: { b: 1 } }],
    [{ symbol: 'x' }, 'x'],
    [{ symbol: 'x' }, null],
    // What every object has by nature is no field.
    [{ constructor: { name: 'Object' } }, {}],
    [{ toString: { $exists: true } }, {}],
  ])('%j, of another type or of none: %j', (criteria, datum) => {
    expect(compileCriteria(criteria)(datum)).toBe(false)
  })

  test('when looking at it throws', () => {
    const datum = {
      get price(): number {
        throw new Error('not now')
      },
    }
    expect(compileCriteria({ price: 1 })(datum)).toBe(false)
  })
})

test('a stream of plain values has criteria too', () => {
  const criteria: Criteria<number> = { $gt: 3 }
  expect([1, 5].map(compileCriteria(criteria))).toEqual([false, true])
  expect(['a', 'b'].map(compileCriteria('b' satisfies Criteria<string>))).toEqual([false, true])
})

test('later changes of the criteria change nothing', () => {
  const symbols = ['BTC']
  const key = Uint8Array.of(1, 2)
  const matches = compileCriteria({ symbol: { $in: symbols }, key })
  symbols.length = 0
  key.fill(0)
  expect(matches(trade)).toBe(true)
})

function nested(levels: number): unknown {
  return levels === 1 ? 1 : { a: nested(levels - 1) }
}

/** Criteria for items of that many lists: two parts each. */
function lists(count: number): unknown[] {
  return Array.from({ length: count }, (_, n) => ({ [`list${n}`]: { $some: { $prefix: 'x' } } }))
}

describe('criteria that make no sense are refused with their place', () => {
  const cyclic: Record<string, unknown> = {}
  cyclic['again'] = cyclic
  test.each<[string, unknown, RegExp]>([
    ['undefined', undefined, /at \/: expected a value or an object, not undefined/],
    ['an undefined field', { symbol: undefined }, /at \/symbol: .*not undefined/],
    ['a list', ['BTC'], /at \/: .*not a list/],
    ['a function', { price: () => true }, /at \/price: .*not function/],
    ['a regular expression', { symbol: /^B/ }, /at \/symbol: .*not an object/],
    ['an unknown operator', { price: { $gr: 1 } }, /at \/price\/\$gr: there is no such operator: "\$gt"\?/],
    ['no list for $in', { symbol: { $in: 'BTC' } }, /at \/symbol\/\$in: expected a list, not string/],
    [
      'an object in $in',
      { symbol: { $in: ['BTC', {}] } },
      /at \/symbol\/\$in\/1: expected a value, not an object/,
    ],
    ['a bound without order', { symbol: { $gt: true } }, /at \/symbol\/\$gt: expected a number, /],
    ['NaN', { price: NaN }, /at \/price: NaN equals nothing/],
    ['no text for $prefix', { symbol: { $prefix: 1 } }, /at \/symbol\/\$prefix: expected text, not number/],
    ['no boolean for $exists', { note: { $exists: 1 } }, /at \/note\/\$exists: expected true or false/],
    ['no list for $or', { $or: {} }, /at \/\$or: expected a list, not an object/],
    ['a mistake in $and', { $and: [{}, { a: { $x: 1 } }] }, /at \/\$and\/1\/a\/\$x: /],
    ['too many levels', nested(9), /more than 8 levels/],
    ['a cycle', cyclic, /more than 8 levels/],
    [
      'too many parts',
      { $or: Array.from({ length: 256 }, (_, price) => ({ price })) },
      /more than 256 parts/,
    ],
    [
      'too much that every item of a list is asked',
      { tags: { $some: { $or: Array.from({ length: 16 }, (_, n) => ({ $prefix: `${n}` })) } } },
      /more than 32 parts in "\$some"/,
    ],
    ['too much that items of several lists are asked', { $or: lists(17) }, /more than 32 parts in "\$some"/],
    ['a key without end', { ['$'.repeat(100_000)]: 1 }, /^.{0,200}$/],
    ['too many bytes', { symbol: 'x'.repeat(4_096) }, /\d+ bytes are too long: at most 4096/],
    ['half a surrogate pair', { symbol: '\ud800' }, /malformed text/],
  ])('%s', (_, criteria, message) => {
    expect(() => compileCriteria(criteria)).toThrow(
      expect.objectContaining({ code: 'STREAM_CRITERIA_INVALID', message: expect.stringMatching(message) }),
    )
  })

  test('some parts for items are not too many, and values to look up are none', () => {
    expect(compileCriteria({ $or: lists(15) })({ list14: ['x'] })).toBe(true)
    const days = Array.from({ length: 300 }, (_, day) => new Date(day))
    expect(compileCriteria({ $some: { $in: days } })([new Date(299)])).toBe(true)
    expect(compileCriteria({ $some: { $in: days } })([new Date(300), 299])).toBe(false)
  })

  test('given many values to look up, then a datum is not compared with each', () => {
    const bytes = Array.from({ length: 1_000 }, (_, n) => Uint8Array.of(n >> 8, n))
    const dates = Array.from({ length: 500 }, (_, n) => new Date(1_000 * n))
    let looks = 0
    const date = new Date(500_000)
    date.getTime = () => {
      looks++
      return 500_000
    }
    expect(compileCriteria({ $in: dates })(date)).toBe(false)
    expect(looks).toBe(1)
    expect(compileCriteria({ $in: bytes })(Uint8Array.of(3, 231))).toBe(true)
    expect(compileCriteria({ $in: bytes })(Uint8Array.of(3, 232))).toBe(false)
  })

  test('eight levels are not too many', () => {
    expect(compileCriteria(nested(8))({ a: { a: { a: { a: { a: { a: { a: 1 } } } } } } })).toBe(true)
  })
})

/** What the documentation says, word by word. */
function meets(value: unknown, criteria: unknown): boolean {
  if (typeof criteria !== 'object' || criteria === null) return value === criteria
  return Object.entries(criteria).every(([key, operand]) => {
    const comparable = typeof value === typeof operand
    switch (key) {
      case '$in':
        return (operand as unknown[]).some((each) => meets(value, each))
      case '$gt':
        return comparable && (value as number) > (operand as number)
      case '$gte':
        return comparable && (value as number) >= (operand as number)
      case '$lt':
        return comparable && (value as number) < (operand as number)
      case '$lte':
        return comparable && (value as number) <= (operand as number)
      case '$prefix':
        return typeof value === 'string' && value.startsWith(operand as string)
      case '$exists':
        return (value !== undefined) === operand
      case '$some':
        return Array.isArray(value) && value.some((item) => meets(item, operand))
      case '$not':
        return !meets(value, operand)
      case '$and':
        return (operand as unknown[]).every((each) => meets(value, each))
      case '$or':
        return (operand as unknown[]).some((each) => meets(value, each))
      default: {
        const holder = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
        return meets(Object.hasOwn(holder, key) ? holder[key] : undefined, operand)
      }
    }
  })
}

const scalars = fc.oneof(
  fc.constantFrom('', 'a', 'ab', 'b'),
  fc.integer({ min: -2, max: 2 }),
  fc.boolean(),
  fc.constant(null),
)
const orderables = fc.oneof(fc.constantFrom('', 'a', 'ab', 'b'), fc.integer({ min: -2, max: 2 }))
const fields = fc.constantFrom('a', 'b', 'constructor')

const { datums } = fc.letrec<{ datums: unknown }>((tie) => ({
  datums: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalars,
    fc.dictionary(fields, tie('datums'), { maxKeys: 3 }),
    fc.array(tie('datums'), { maxLength: 3 }),
  ),
}))

const { criteria: anyCriteria } = fc.letrec<{ criteria: unknown }>((tie) => {
  const some = tie('criteria')
  const operators = fc.record(
    {
      $in: fc.array(scalars, { maxLength: 3 }),
      $gt: orderables,
      $gte: orderables,
      $lt: orderables,
      $lte: orderables,
      $prefix: fc.constantFrom('', 'a', 'ab'),
      $exists: fc.boolean(),
      $some: some,
      $not: some,
      $and: fc.array(some, { maxLength: 2 }),
      $or: fc.array(some, { maxLength: 2 }),
    },
    { requiredKeys: [] },
  )
  return {
    criteria: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'criteria' },
      scalars,
      fc.dictionary(fields, some, { maxKeys: 2 }),
      fc.tuple(operators, fc.nat(10)).map(([all, pick]) => {
        // One or two operators at a time: with all of them almost nothing would ever be met.
        const entries = Object.entries(all)
        return Object.fromEntries([...entries.slice(pick), ...entries].slice(0, 1 + (pick % 2)))
      }),
    ),
  }
})

/** Whether criteria that make sense are within the limits. */
function isShortEnough(criteria: unknown): boolean {
  try {
    compileCriteria(criteria)
    return true
  } catch (error) {
    expect(error).toMatchObject({ details: { problem: expect.stringMatching(/^more than \d+ parts/) } })
    return false
  }
}

test('what criteria mean is what the documentation says', () => {
  fc.assert(
    fc.property(anyCriteria, datums, (criteria, datum) => {
      fc.pre(isShortEnough(criteria))
      expect(compileCriteria(criteria)(datum)).toBe(meets(datum, criteria))
    }),
    { numRuns: 2_000 },
  )
})

test('anything at all is compiled or refused, and what is compiled never throws', () => {
  fc.assert(
    fc.property(
      fc.anything({ withBigInt: true, withDate: true, withTypedArray: true }),
      datums,
      (criteria, datum) => {
        let matches
        try {
          matches = compileCriteria(criteria)
        } catch (error) {
          expect(error).toMatchObject({ code: 'STREAM_CRITERIA_INVALID' })
          return
        }
        expect(typeof matches(datum)).toBe('boolean')
      },
    ),
    { numRuns: 1_000 },
  )
})

// What compiles and what must not: each `@ts-expect-error` fails the type check when the mistake below it goes unnoticed.
export const accepted: readonly Criteria<Trade>[] = [
  { side: 'buy', note: 'x' },
  { side: { $in: ['buy', 'sell'] }, extra: { anything: { $lt: 4 } } },
  { $or: [{ symbol: { $prefix: 'B' } }, { legs: { $some: { $not: { ratio: 1 } } } }] },
]
export const refused: readonly Criteria<Trade>[] = [
  // @ts-expect-error there is no such field
  { symbl: 'BTC' },
  // @ts-expect-error a price is a number
  { price: '150' },
  // @ts-expect-error nobody holds
  { side: 'hold' },
  // @ts-expect-error nor here
  { side: { $in: ['hold'] } },
  // @ts-expect-error a bound of another type
  { price: { $gt: 'a' } },
  // @ts-expect-error numbers do not begin with text
  { price: { $prefix: '1' } },
  // @ts-expect-error operators have a $
  { price: { gt: 1 } },
  // @ts-expect-error there is no such operator
  { price: { $above: 1 } },
  // @ts-expect-error there is no such field further in
  { account: { city: 'Berlin' } },
  // @ts-expect-error text is no list
  { symbol: { $some: 'B' } },
  // @ts-expect-error a mistake within $or
  { $or: [{ price: 'x' }] },
  // @ts-expect-error a mistake within $some
  { legs: { $some: { ratio: '1' } } },
]
