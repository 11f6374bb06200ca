import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { z } from 'zod'
import { digestOf, isMosaikError } from '#framework/primitives'
import { stream } from '#framework/streams'

const shapeOf = (schema: z.ZodType): string => stream('any', schema).shape
const problemsOf = (schema: z.ZodType): string => {
  try {
    stream('any', schema)
  } catch (error) {
    if (isMosaikError(error, 'STREAM_SCHEMA_UNSUPPORTED')) return error.message
    throw error
  }
  return ''
}

describe('identity', () => {
  test('the id is the digest of the name, and 64 hexadecimal digits are the id itself', () => {
    expect(stream('prices', z.string()).id).toBe(digestOf('prices'))
    const id = 'ab'.repeat(32)
    expect(stream(id, z.string()).id).toBe(id)
  })

  test('a definition is frozen', () => {
    expect(Object.isFrozen(stream('prices', z.string()))).toBe(true)
  })

  test.each(['', ' prices', 'prices ', 'a\nb', 'a\u0000b', 'x'.repeat(129)])('%j is no name', (name) => {
    expect(() => stream(name, z.string())).toThrow(expect.objectContaining({ code: 'STREAM_NAME_INVALID' }))
  })
})

describe('the fingerprint', () => {
  test('does not depend on the order of fields, options or allowed values', () => {
    const a = z.object({ x: z.string(), y: z.union([z.number(), z.date()]), z: z.enum(['p', 'q']) })
    const b = z.object({ z: z.enum(['q', 'p']), y: z.union([z.date(), z.number()]), x: z.string() })
    expect(stream('a', a).fingerprint).toBe(stream('b', b).fingerprint)
  })

  test('does not depend on annotations', () => {
    const plain = z.object({ x: z.string(), description: z.number(), title: z.string() })
    const annotated = z
      .object({
        x: z
          .string()
          .describe('a text')
          .meta({ title: 'X', examples: ['y'], whatever: 1 }),
        description: z.number(),
        title: z.string().meta({ id: 'Title' }),
      })
      .describe('all of it')
    expect(shapeOf(annotated)).toBe(shapeOf(plain))
    expect(shapeOf(plain)).toContain('"description":{"type":"number"}')
  })

  test('a default makes no difference, because datums travel with defaults filled in; being optional does', () => {
    expect(shapeOf(z.object({ x: z.number().default(1) }))).toBe(shapeOf(z.object({ x: z.number() })))
    expect(shapeOf(z.object({ x: z.number().optional() }))).not.toBe(shapeOf(z.object({ x: z.number() })))
  })

  test('a constraint makes a difference, a refinement none', () => {
    expect(shapeOf(z.number().min(1))).not.toBe(shapeOf(z.number()))
    expect(shapeOf(z.number().refine((n) => n > 1))).toBe(shapeOf(z.number()))
  })

  test('dates, big integers and bytes are told apart from each other and from anything', () => {
    const shapes = [z.date(), z.bigint(), z.instanceof(Uint8Array), z.unknown(), z.string(), z.null()].map(
      shapeOf,
    )
    expect(new Set(shapes).size).toBe(shapes.length)
    expect(shapes.slice(0, 3)).toEqual(['{"type":"date"}', '{"type":"bigint"}', '{"type":"bytes"}'])
  })

  test('a recursive schema has one shape, wherever its author tied the knot', () => {
    const tree = z.object({
      value: z.number(),
      get children() {
        return z.array(tree)
      },
    })
    const unrolled = z.object({ value: z.number(), children: z.array(tree.describe('a child')) })
    expect(shapeOf(unrolled)).toBe(shapeOf(tree))
    expect(shapeOf(tree)).toContain('{"$up":2}')
    const other = z.object({
      value: z.string(),
      get children() {
        return z.array(other)
      },
    })
    expect(shapeOf(other)).not.toBe(shapeOf(tree))
    expect(shapeOf(z.object({ left: tree, right: tree.meta({ id: 'Tree' }) }))).toBe(
      shapeOf(z.object({ right: tree, left: tree })),
    )
  })

  test('two recursive schemas that contain each other have the same shape from either definition', () => {
    type Branch = { leaf?: Leaf | undefined }
    type Leaf = { branch?: Branch | undefined }
    const branch: z.ZodType<Branch> = z.object({
      get leaf() {
        return leaf.optional()
      },
    })
    const leaf: z.ZodType<Leaf> = z.object({
      get branch() {
        return branch.optional()
      },
    })
    expect(shapeOf(z.object({ a: branch, b: leaf }))).toBe(shapeOf(z.object({ b: leaf, a: branch })))
    expect(shapeOf(branch)).not.toBe(shapeOf(leaf))
  })

  test('any two ways to write the same schema have the same shape, and the shape is JSON', () => {
    fc.assert(
      fc.property(schemaPlans(), fc.integer(), (plan, seed) => {
        const shape = shapeOf(build(plan, 0))
        expect(() => JSON.parse(shape)).not.toThrow()
        expect(shapeOf(build(plan, seed))).toBe(shape)
      }),
      { numRuns: 200 },
    )
  })
})

describe('what cannot travel', () => {
  test('is refused all at once, each part with its path and what to do', () => {
    const schema = z.object({
      seen: z.set(z.string()),
      orders: z.array(z.object({ at: z.date(), index: z.map(z.string(), z.number()) })),
      size: z.string().transform(Number),
      when: z.codec(z.string(), z.date(), {
        decode: (text) => new Date(text),
        encode: (date) => date.toISOString(),
      }),
      pair: z.tuple([z.string(), z.symbol()]),
      byName: z.record(z.string(), z.function()),
      one: z.union([z.string(), z.custom<URL>((value) => value instanceof URL)]),
    })
    const problems = problemsOf(schema)
    expect(problems).toContain('/seen: a Set cannot travel')
    expect(problems).toContain('/orders/*/index: a Map cannot travel')
    expect(problems).toContain('/size: a transform')
    expect(problems).toContain('/when: a transform, pipe or codec')
    expect(problems).toContain('/pair/1: symbol')
    expect(problems).toContain('/byName/*: function')
    expect(problems).toContain('/one: it says nothing')
    expect(problems).not.toContain('/orders/*/at')
  })

  test.each([
    ['a promise', z.promise(z.string())],
    ['undefined', z.union([z.string(), z.undefined()])],
    ['a preprocessed value', z.preprocess((value) => value, z.string())],
    ['text that becomes a boolean', z.stringbool()],
    ['a literal big integer', z.literal([1n])],
    ['NaN', z.nan()],
    ['a check without a type', z.custom()],
    ['another class', z.instanceof(Date)],
    ['a file', z.file()],
  ])('%s', (_, schema) => {
    expect(problemsOf(schema)).toContain('  /: ')
  })

  test('a field that is called like a keyword of JSON Schema has the right path', () => {
    const schema = z.object({ properties: z.object({ items: z.set(z.string()) }) })
    expect(problemsOf(schema)).toContain('/properties/items: a Set')
  })
})

test('a definition types its datums by what the schema puts out', () => {
  const definition = stream('typed', z.object({ n: z.number().default(1), at: z.date().optional() }))
  const datum: NonNullable<ReturnType<typeof definition.schema.parse>> = { n: 1, at: new Date(0) }
  expect(definition.schema.parse(datum)).toEqual(datum)
  // @ts-expect-error -- a datum has its defaults filled in.
  const incomplete: typeof datum = {}
  expect(incomplete).toEqual({})
})

/** A schema to build in several ways. */
type Plan =
  | { readonly kind: 'text' | 'number' | 'date' | 'bytes' | 'null' }
  | { readonly kind: 'array'; readonly item: Plan }
  | { readonly kind: 'union'; readonly options: readonly Plan[] }
  | { readonly kind: 'object'; readonly fields: readonly (readonly [string, Plan, boolean])[] }

function schemaPlans(): fc.Arbitrary<Plan> {
  return fc.letrec<{ plan: Plan }>((tie) => ({
    plan: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constantFrom('text', 'number', 'date', 'bytes', 'null').map((kind): Plan => ({ kind }) as Plan),
      fc.record({ kind: fc.constant('array' as const), item: tie('plan') }),
      fc.record({
        kind: fc.constant('union' as const),
        options: fc.array(tie('plan'), { minLength: 2, maxLength: 3 }),
      }),
      fc.record({
        kind: fc.constant('object' as const),
        fields: fc.uniqueArray(fc.tuple(fc.string({ maxLength: 5 }), tie('plan'), fc.boolean()), {
          maxLength: 4,
          selector: ([name]) => name,
        }),
      }),
    ),
  })).plan
}

/** Builds a plan; other seeds give other orders and annotations, never another meaning. */
function build(plan: Plan, seed: number): z.ZodType {
  const turned = <T>(values: readonly T[]): T[] => (seed % 2 === 0 ? [...values] : values.toReversed())
  const schema = ((): z.ZodType => {
    switch (plan.kind) {
      case 'text':
        return z.string()
      case 'number':
        return z.number()
      case 'date':
        return z.date()
      case 'bytes':
        return z.instanceof(Uint8Array)
      case 'null':
        return z.null()
      case 'array':
        return z.array(build(plan.item, seed))
      case 'union':
        return z.union(turned(plan.options.map((option) => build(option, seed))))
      case 'object':
        return z.object(
          Object.fromEntries(
            turned(plan.fields).map(([name, field, isRequired]) => {
              const built = build(field, seed)
              return [name, isRequired ? built : built.optional()]
            }),
          ),
        )
    }
  })()
  return seed % 3 === 0 ? schema : schema.describe(`annotated ${seed}`)
}
