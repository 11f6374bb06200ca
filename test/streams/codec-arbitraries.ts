// Arbitrary schemas, each with arbitrary values that it (mostly) accepts.
import fc from 'fast-check'
import { z } from 'zod'

export interface SchemaCase {
  readonly schema: z.ZodType
  readonly value: fc.Arbitrary<unknown>
}

const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ minLength: 40 }),
  fc.string({ unit: fc.nat(0xff).map((unit) => String.fromCharCode(unit)), maxLength: 60 }),
)
const numbers = fc.double({ noNaN: true, noDefaultInfinity: true })
const integers = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 }))
const bigints = fc.oneof(fc.bigInt(), fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }))

function one(schema: z.ZodType, value: fc.Arbitrary<unknown>): SchemaCase {
  return { schema, value }
}

/** Schemas that contain no others. Those at the end are not plain: zod has to judge them. */
const leaves = fc.constantFrom<SchemaCase>(
  one(z.string(), texts),
  one(z.string().min(1).max(5), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 })),
  one(z.string().length(3), fc.string({ minLength: 3, maxLength: 3 })),
  one(z.string().regex(/^[a-f]+$/), fc.stringMatching(/^[a-f]+$/)),
  one(z.uuid(), fc.uuid()),
  one(z.number(), numbers),
  one(z.number().min(-10).lt(10), fc.double({ min: -10, max: 9, noNaN: true })),
  one(z.number().gt(0).max(1), fc.double({ min: 0.001, max: 1, noNaN: true })),
  one(z.int(), integers),
  one(z.number().int(), integers),
  one(z.int32(), fc.integer()),
  one(z.uint32(), fc.nat()),
  one(z.int().positive(), fc.integer({ min: 1 })),
  one(z.int().min(-5).max(5), fc.integer({ min: -5, max: 5 })),
  one(z.boolean(), fc.boolean()),
  one(z.null(), fc.constant(null)),
  one(z.literal('only'), fc.constant('only')),
  one(z.literal([1, 'a', true, null, -0]), fc.constantFrom(1, 'a', true, null, 0, -0)),
  one(z.enum(['red', 'green', 'blue']), fc.constantFrom('red', 'green', 'blue')),
  one(z.enum(manyNames(300)), fc.constantFrom(...manyNames(300))),
  one(z.date(), fc.date({ noInvalidDate: true })),
  one(z.bigint(), bigints),
  one(z.instanceof(Uint8Array), fc.uint8Array({ maxLength: 80 })),
  one(
    z.string().refine((text) => text.length % 2 === 0),
    fc.string(),
  ),
  one(z.string().trim(), texts),
  one(z.string().startsWith('a').endsWith('z'), fc.constantFrom('az', 'a\nz', 'b')),
  one(z.email(), fc.emailAddress()),
  one(z.url(), fc.webUrl()),
  one(z.number().multipleOf(0.5), numbers),
  one(z.number().default(7), fc.option(numbers, { nil: undefined })),
  one(z.int().catch(3), fc.oneof(integers, texts)),
  one(z.string().readonly(), texts),
  one(z.date().min(new Date(0)), fc.date({ noInvalidDate: true })),
)

const anything = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true }),
  fc.constantFrom<unknown>(undefined, -0, Number.NaN, { a: undefined }, Buffer.from('bytes')),
)

/** Schemas that may accept a datum and not what arrives of it, or make something else of their own output. */
const unruly = fc.constantFrom<SchemaCase>(
  one(z.any(), anything),
  one(z.unknown(), anything),
  one(
    z.object({ a: z.int().optional() }).refine((value) => 'a' in value),
    fc.constantFrom({}, { a: 1 }, { a: undefined }),
  ),
  one(z.looseObject({ a: z.any() }), fc.record({ a: anything, b: anything }, { requiredKeys: [] })),
  one(
    z.string().overwrite((text) => `${text}!`),
    texts,
  ),
  one(
    z.string().overwrite((text) => text.slice(1) + text.slice(0, 1)),
    fc.string(),
  ),
  one(
    z
      .number()
      .overwrite((value) => value + 1)
      .max(3),
    fc.integer({ min: 0, max: 3 }),
  ),
  one(z.string().trim().toLowerCase().normalize(), texts),
)

function manyNames(count: number): [string, ...string[]] {
  return Array.from({ length: count }, (_, index) => `name${index}`) as [string, ...string[]]
}

interface Tree {
  readonly value: unknown
  readonly children?: readonly Tree[]
}
const Tree: z.ZodType<Tree> = z.lazy(() =>
  z.object({ value: z.union([z.string(), z.number()]), children: z.array(Tree).optional() }),
)
const trees = fc.letrec((tie) => ({
  tree: fc.record(
    {
      value: fc.oneof(texts, numbers),
      children: fc.array(tie('tree'), { maxLength: 3, depthIdentifier: 'tree' }),
    },
    { requiredKeys: ['value'] },
  ),
})).tree

const recursive = fc.constantFrom<SchemaCase>(
  one(Tree, trees),
  one(z.json(), fc.jsonValue()),
  one(z.array(z.union([z.string(), z.lazy(() => Tree)])), fc.array(fc.oneof(texts, trees), { maxLength: 3 })),
)

const fieldNames = fc.constantFrom(
  'a',
  'b',
  'c',
  'id',
  '1',
  '0',
  "it's",
  'a"b',
  'ü',
  'with space',
  'undefined',
)

/** As {@link schemaCases}, with parts that may not have a layout, and of which not all that is accepted can travel. */
export function unrulyCases(depth: number): fc.Arbitrary<SchemaCase> {
  return schemaCases(depth, fc.oneof(leaves, unruly))
}

/** Up to `depth` levels of schemas in each other. */
export function schemaCases(depth: number, innermost = leaves): fc.Arbitrary<SchemaCase> {
  if (depth === 0) return innermost
  const inner = schemaCases(depth - 1, innermost)
  return fc.oneof(
    { weight: 2, arbitrary: innermost },
    { weight: 4, arbitrary: objectCases(inner) },
    { weight: 1, arbitrary: recursive },
    {
      weight: 1,
      arbitrary: inner.map(({ schema, value }) =>
        one(z.array(schema).max(4), fc.array(value, { maxLength: 4 })),
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .array(inner, { maxLength: 3 })
        .map((cases) =>
          one(
            z.tuple(cases.map(({ schema }) => schema) as [z.ZodType, ...z.ZodType[]]),
            fc.tuple(...cases.map(({ value }) => value)),
          ),
        ),
    },
    {
      weight: 1,
      arbitrary: inner.map(({ schema, value }) =>
        one(
          z.record(z.string().max(20), schema),
          fc.dictionary(fc.string({ maxLength: 20 }), value, { maxKeys: 4 }),
        ),
      ),
    },
    { weight: 1, arbitrary: inner.map(({ schema, value }) => one(schema.nullable(), fc.option(value))) },
    {
      weight: 2,
      arbitrary: fc
        .array(inner, { minLength: 2, maxLength: 4 })
        .map((cases) =>
          one(z.union(cases.map(({ schema }) => schema)), fc.oneof(...cases.map(({ value }) => value))),
        ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(inner, inner)
        .map(([a, b]) =>
          one(
            z.discriminatedUnion('kind', [
              z.object({ kind: z.literal('a'), content: a.schema }),
              z.object({ kind: z.enum(['b', 'c']), content: b.schema }),
            ]),
            fc.oneof(
              fc.record({ kind: fc.constant('a'), content: a.value }),
              fc.record({ kind: fc.constantFrom('b', 'c'), content: b.value }),
            ),
          ),
        ),
    },
  )
}

function objectCases(inner: fc.Arbitrary<SchemaCase>): fc.Arbitrary<SchemaCase> {
  const fields = fc.uniqueArray(fc.tuple(fieldNames, inner, fc.boolean()), {
    selector: ([name]) => name,
    maxLength: 10,
  })
  return fc.tuple(fields, fc.boolean()).map(([members, isStrict]) => {
    const shape = Object.fromEntries(
      members.map(([name, { schema }, isOptional]) => [name, isOptional ? schema.optional() : schema]),
    )
    const values = Object.fromEntries(members.map(([name, { value }]) => [name, value]))
    const requiredKeys = members.filter(([, , isOptional]) => !isOptional).map(([name]) => name)
    return one(isStrict ? z.strictObject(shape) : z.object(shape), fc.record(values, { requiredKeys }))
  })
}

/** Values that schemas were not made for. */
const strange = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withSparseArray: true, withTypedArray: true }),
  fc.constantFrom<unknown>(
    undefined,
    null,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
    0.5,
    2 ** 53,
    '\ud800',
    'a\udc00',
    '😀😀😀😀😀😀',
    new Date(Number.NaN),
    new Map(),
    Object.create(Uint8Array.prototype) as unknown,
    Buffer.from('bytes'),
    Symbol('symbol'),
    Object.freeze({}),
    [undefined],
    2n ** 5000n,
    { kind: 'a' },
    JSON.parse('{"__proto__":1}') as unknown,
    new (class Instance {
      a = 1
    })(),
  ),
)

/** A value of a schema in which something is strange, at some place. */
export function spoilt(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(value, strange, fc.nat(), fc.nat({ max: 3 }))
    .map(([valid, odd, seed, depth]) => withOdd(valid, odd, seed, depth))
}

function withOdd(value: unknown, odd: unknown, seed: number, depth: number): unknown {
  if (depth === 0 || typeof value !== 'object' || value === null) return odd
  if (Array.isArray(value)) {
    const place = seed % (value.length + 1)
    return value.with === undefined || place === value.length
      ? [...(value as unknown[]), odd]
      : value.with(place, withOdd(value[place], odd, seed, depth - 1))
  }
  if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) return odd
  const keys = [...Object.keys(value), 'more']
  const key = keys[seed % keys.length]!
  const member = (value as Record<string, unknown>)[key]
  return { ...value, [key]: withOdd(member, odd, seed, depth - 1) }
}
