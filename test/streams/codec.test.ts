import { execFileSync } from 'node:child_process'
import { describe, expect, jest, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { MessagePackCodec } from '../../framework/streams/codec/datum-codec.js'
import { generate } from '../../framework/streams/codec/generate.js'
import { interpret } from '../../framework/streams/codec/interpret.js'
import { layoutOf } from '../../framework/streams/codec/layout.js'
import { PackedCodec } from '../../framework/streams/codec/packed-codec.js'

const ways = [
  ['generated', generate],
  ['interpreted', interpret],
] as const

function packed<T>(schema: z.ZodType<T>, make = generate): PackedCodec<T> {
  const layout = layoutOf(stream('any', schema).shape)
  if (layout === undefined) throw new Error('there is no layout')
  return new PackedCodec(schema, layout, make)
}

const idOf = (schema: z.ZodType): string => stream('any', schema).codec.id

function encoded<T>(codec: PackedCodec<T>, datum: T): Buffer {
  const target = Buffer.alloc(1 << 16)
  return target.subarray(0, codec.encode(datum, target, 0))
}

const Nested: z.ZodType<unknown> = z.lazy(() => z.array(Nested))
interface List {
  readonly value: number
  readonly next?: List | undefined
}
const List: z.ZodType<List> = z.object({
  value: z.int(),
  get next() {
    return List.optional()
  },
})

describe.each(ways)('packed/2, %s', (_, make) => {
  const vectors: readonly [what: string, schema: z.ZodType, value: unknown, hex: string][] = [
    ['text', z.string(), 'aé', '0461e9'],
    ['text beyond Latin-1', z.string(), 'aœ', '0761c593'],
    ['an empty text', z.string(), '', '00'],
    ['long text', z.string(), 'a'.repeat(200), `9003${'61'.repeat(200)}`],
    ['long text beyond ASCII', z.string(), 'é'.repeat(30), `3c${'e9'.repeat(30)}`],
    ['text with more bytes than characters', z.string(), '€'.repeat(50), `ad02${'e282ac'.repeat(50)}`],
    ['a number', z.number(), 1.5, '000000000000f83f'],
    ['the negative zero', z.number(), -0, '0000000000000080'],
    ['an integer of either sign', z.int(), 0, '00'],
    ['one below zero', z.int(), -1, '41'],
    ['one of more than six bits', z.int(), 64, '8001'],
    ['the least integer', z.int(), -(2 ** 53 - 1), 'ffffffffffffff1f'],
    ['an integer without sign', z.int().min(0), 300, 'ac02'],
    ['the greatest integer', z.int().min(0), 2 ** 53 - 1, 'ffffffffffffff0f'],
    ['false', z.boolean(), false, '00'],
    ['true', z.boolean(), true, '01'],
    ['null', z.null(), null, ''],
    ['the only value', z.literal('x'), 'x', ''],
    ['one of several values, in the order of their JSON', z.literal(['b', 'a', 1, null]), null, '03'],
    ['one of more than 256 values', z.enum(manyNames(300)), 'n299', 'de00'],
    ['a time', z.date(), new Date(1), '000000000000f03f'],
    ['a big integer', z.bigint(), -2n, '01feffffffffffffff'],
    ['a bigger integer', z.bigint(), 2n ** 63n, '0200000000000000800000000000000000'],
    ['bytes', z.instanceof(Uint8Array), Uint8Array.of(1, 2), '020102'],
    ['an array', z.array(z.boolean()), [true, false], '020100'],
    ['a tuple', z.tuple([z.boolean(), z.int()]), [true, 5], '0105'],
    ['an object, by names', z.object({ b: z.int(), a: z.boolean() }), { b: 2, a: true }, '0102'],
    [
      'optional fields after required ones',
      z.object({ a: z.int().optional(), c: z.int().optional(), b: z.int() }),
      { b: 1, c: 2 },
      '020102',
    ],
    ['a record', z.record(z.string(), z.int()), { x: 1, y: 2 }, '02027801027902'],
    ['an alternative, by the order of the shape', z.union([z.string(), z.number(), z.null()]), 'a', '020261'],
    ['what contains itself', List, { value: 1, next: { value: 2 } }, '01010002'],
  ]

  test.each(vectors)('%s has its bytes', (_what, schema, value, hex) => {
    const codec = packed(schema, make)
    const bytes = encoded(codec, value)
    expect(bytes.toString('hex')).toBe(hex)
    expect(codec.decode(bytes, 0, bytes.byteLength)).toEqual(value)
  })

  const malformed: readonly [what: string, schema: z.ZodType, hex: string, path: string][] = [
    ['bytes that end early', z.object({ a: z.array(z.number()) }), '0100', '/a'],
    ['bytes after the datum', z.boolean(), '0100', '/'],
    ['a text that goes on beyond the end', z.string(), '0461', '/'],
    ['malformed UTF-8', z.object({ a: z.string() }), '05c328', '/a'],
    ['malformed UTF-8 in a long text', z.string(), `61${'61'.repeat(47)}ff`, '/'],
    ['UTF-8 that could be Latin-1', z.string(), '05c3a9', '/'],
    ['more elements than there are bytes', z.array(z.number()), 'ffffffff0f', '/'],
    ['more members than there are bytes', z.record(z.string(), z.null()), 'ffffffff0f', '/'],
    ['a longer form of a length', z.string(), '8000', '/'],
    ['a longer form of an integer', z.int(), '8000', '/'],
    ['an integer beyond 2^53', z.int().min(0), 'ffffffffffffff1f', '/'],
    ['an integer of more than 8 bytes', z.int(), 'ffffffffffffffffff01', '/'],
    ['a zero with a sign', z.int(), '40', '/'],
    ['a choice that is not there', z.tuple([z.int(), z.boolean()]), '0002', '/1'],
    ['an alternative that is not there', z.union([z.string(), z.null()]), '02', '/'],
    ['presence of a field that is not there', z.object({ a: z.int().optional() }), '02', '/'],
    ['a time between milliseconds', z.date(), '000000000000e03f', '/'],
    ['a time too far away', z.date(), 'ffffffffffffef7f', '/'],
    ['no time', z.date(), '000000000000f87f', '/'],
    ['a big integer without words', z.bigint(), '00', '/'],
    ['a big integer with more words than it takes', z.bigint(), `02${'00'.repeat(16)}`, '/'],
    ['a big integer of more than 64 words', z.bigint(), `41${'11'.repeat(65 * 8)}`, '/'],
    ['the key __proto__', z.record(z.string(), z.int()), '01125f5f70726f746f5f5f01', '/'],
    ['a deep nesting', Nested, '01'.repeat(100), `/${Array(64).fill(0).join('/')}`],
  ]

  test.each(malformed)('S-5: given %s, then they are refused, with the path', (_what, schema, hex, path) => {
    const bytes = Buffer.from(hex, 'hex')
    expect(() => packed(schema, make).decode(bytes, 0, bytes.byteLength)).toThrow(
      expect.objectContaining({
        code: 'DATUM_INVALID',
        kind: 'undecodable',
        message: expect.stringContaining(`${path}: `),
      }),
    )
  })

  test('given a value that breaks a constraint, then it is a mismatch, with the path that zod names', () => {
    const lenient = packed(z.object({ list: z.array(z.int()) }), make)
    const strict = packed(z.object({ list: z.array(z.int().max(2)) }), make)
    const bytes = encoded(lenient, { list: [1, 2, 3] })
    expect(() => strict.decode(bytes, 0, bytes.byteLength)).toThrow(
      expect.objectContaining({ kind: 'mismatch', message: expect.stringContaining('/list/2: ') }),
    )
  })

  test('given a key twice, then the later one counts', () => {
    const bytes = Buffer.from('02026101026102', 'hex')
    expect(packed(z.record(z.string(), z.int()), make).decode(bytes, 0, bytes.byteLength)).toEqual({ a: 2 })
  })

  test('given bytes in a datum, then what is decoded shares no memory with them', () => {
    const codec = packed(z.array(z.instanceof(Uint8Array)), make)
    const data = [Uint8Array.of(1, 2, 3), new Uint8Array(100).fill(4)]
    const bytes = encoded(codec, data)
    const decoded = codec.decode(bytes, 0, bytes.byteLength)
    bytes.fill(9)
    expect(decoded).toEqual(data)
    expect(decoded.map((part) => part.buffer.byteLength)).toEqual([3, 100])
  })

  test('given names and values that mean something in code, then they are names and values', () => {
    const odd = [
      `"`,
      `'`,
      '`${1}`',
      '\\',
      '\n',
      '\u2028',
      '*/',
      '});',
      'undefined',
      'then',
      '0',
      '10',
      '9',
      '',
    ]
    const schema = z.object({
      ...Object.fromEntries(odd.map((name) => [name, z.literal([name, `${name}!`])])),
      optional: z.strictObject(Object.fromEntries(odd.map((name) => [name, z.string()]))).optional(),
    })
    const value = {
      ...Object.fromEntries(odd.map((name) => [name, name])),
      optional: Object.fromEntries(odd.map((name) => [name, name])),
    }
    const codec = packed(schema, make)
    const bytes = encoded(codec, value)
    expect(codec.decode(bytes, 0, bytes.byteLength)).toEqual(value)
  })

  test('given a getter that changes its mind, then what is written can be read', () => {
    const codec = packed(z.object({ a: z.union([z.string(), z.number()]) }), make)
    let count = 0
    const datum = {
      get a(): string | number {
        return count++ % 2 === 0 ? 'text' : 1
      },
    }
    for (let index = 0; index < 4; index++) {
      const bytes = encoded(codec, datum)
      expect(codec.decode(bytes, 0, bytes.byteLength)).toEqual({ a: expect.anything() })
    }
  })

  test('given what is wrong behind the end of the room, then it is thrown, and not that there is no room', () => {
    const codec = packed(z.object({ a: z.string(), b: z.int() }), make)
    const target = Buffer.alloc(3)
    expect(codec.encode({ a: 'long text', b: 1 }, target, 0)).toBe(-1)
    expect(() => codec.encode({ a: 'long text', b: 0.5 }, target, 0)).toThrow(/"b"/)
    const texts = packed(z.object({ a: z.string(), b: z.string() }), make)
    expect(() => texts.encode({ a: 'long text', b: '\ud800' }, target, 0)).toThrow(/b/)
    expect(() => codec.encode({ a: 'long text\ud800', b: 1 }, target, 0)).toThrow(
      expect.objectContaining({ code: 'CODEC_UNSUPPORTED', details: { path: ['a'] } }),
    )
  })

  test.each([
    ['€', `ad02${'e282ac'.repeat(50)}`],
    ['é', `64${'e9'.repeat(50)}`],
  ])('given a text of %s, then it takes just the room that it needs', (character, hex) => {
    const codec = packed(z.string(), make)
    const whole = Buffer.from(hex, 'hex')
    for (let room = 0; room < 4 * 50; room++) {
      const target = Buffer.alloc(room)
      const isEnough = room >= whole.byteLength
      expect(codec.encode(character.repeat(50), target, 0)).toBe(isEnough ? whole.byteLength : -1)
      if (isEnough) expect(target.subarray(0, whole.byteLength)).toEqual(whole)
    }
  })

  test('given a nesting, then it may be as deep as in MessagePack, and no deeper', () => {
    const codec = packed(Nested, make)
    const reference = new MessagePackCodec(Nested)
    const nested = (depth: number): unknown[] => (depth === 0 ? [] : [nested(depth - 1)])
    const target = Buffer.alloc(1000)
    expect(reference.encode(nested(64), target, 0)).toBeGreaterThan(0)
    const bytes = encoded(codec, nested(64))
    expect(codec.decode(bytes, 0, bytes.byteLength)).toEqual(nested(64))
    for (const each of [codec, reference]) {
      expect(() => each.encode(nested(65), target, 0)).toThrow(
        expect.objectContaining({ code: 'CODEC_UNSUPPORTED' }),
      )
    }
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(() => codec.encode(cycle, target, 0)).toThrow()
  })

  test('given alternatives that both accept a value, then what zod keeps of it is written', () => {
    const inclusive = z.union([z.object({ a: z.int() }), z.object({ a: z.int(), b: z.int() })])
    const codec = packed(inclusive, make)
    const bytes = encoded(codec, { a: 1, b: 2 })
    expect(codec.decode(bytes, 0, bytes.byteLength)).toEqual({ a: 1 })
  })

  test('given a default that is not of the shape, then it is refused', () => {
    const surplus = z.object({ a: z.object({ b: z.int() }).default({ b: 1, more: 2 } as { b: number }) })
    const codec = packed(surplus, make)
    expect(() => encoded(codec, {} as z.output<typeof surplus>)).toThrow(
      expect.objectContaining({ code: 'CODEC_UNSUPPORTED' }),
    )
  })

  test('given what zod judges in its own way, then it is taken and refused in this way', () => {
    const take = <T>(schema: z.ZodType<T>, value: unknown): T => {
      const codec = packed(schema, make)
      const bytes = encoded(codec, value as T)
      return codec.decode(bytes, 0, bytes.byteLength)
    }
    expect(take(z.string().max(2), '😀😀')).toBe('😀😀')
    expect(() => take(z.string().min(3), '😀😀')).toThrow(z.ZodError)
    expect(() => take(z.object({ a: z.string().exactOptional() }), { a: undefined })).toThrow(z.ZodError)
    const mixed = z.object({ a: z.strictObject({ b: z.int() }) })
    expect(() => take(mixed, { a: { b: 1, c: 2 } })).toThrow(z.ZodError)
    const someBytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length > 0)
    expect(() => take(someBytes, new Uint8Array())).toThrow(z.ZodError)
    expect(take(z.union([z.object({ a: z.int().optional() }), z.date()]), new Date(0))).toEqual({})
    expect(() => take(z.record(z.string(), z.int()), { [Symbol('a')]: 1 })).toThrow(z.ZodError)
  })

  test('undefined is no datum', () => {
    expect(() => encoded(packed(z.string().optional(), make), undefined)).toThrow(
      expect.objectContaining({ code: 'DATUM_UNDEFINED' }),
    )
  })
})

describe('which codec there is', () => {
  const field = z.object({ field: z.string() })

  test.each<[string, z.ZodType]>([
    ['anything', z.any()],
    ['fields of anything', z.object({ field: z.unknown() })],
    ['other fields', z.looseObject({ field: z.string() })],
    ['other fields of a type', field.catchall(z.number())],
    ['an intersection', z.intersection(field, z.record(z.string(), z.string()))],
    ['a tuple of varying length', z.tuple([z.string()], z.number())],
    ['a tuple with optional elements', z.tuple([z.string(), z.number().optional()])],
    ['elements that take no bytes', z.array(z.null())],
    ['a field that every object has', z.object({ toString: z.string() })],
    ['the field __proto__', z.object({ ['__proto__']: z.string() })],
  ])('given %s in the schema, then it is MessagePack', (_what, schema) => {
    expect(idOf(z.object({ schema: z.array(z.tuple([schema, z.int()])) }))).toBe('msgpack/1')
  })

  test('given schemas of the same shape, then they have the same layout', () => {
    const a = z.object({ x: z.union([z.string(), z.null()]), y: z.enum(['p', 'q']), z: z.int() })
    const b = z.object({
      z: z.number().int(),
      y: z.enum(['q', 'p']),
      x: z
        .string()
        .refine(() => true)
        .nullable(),
    })
    expect(idOf(a)).toBe('packed/2')
    expect(layoutOf(stream('a', a).shape)).toEqual(layoutOf(stream('b', b).shape))
  })

  test.each(ways)(
    'given alternatives that only their fields tell apart, one in the other, when it is %s, then what is inside is not judged again at each level',
    (_, make) => {
      const Tree: z.ZodType<unknown> = z.union([
        z.object({ leaf: z.int() }),
        z.object({ child: z.lazy(() => Tree) }),
      ])
      const program = make(layoutOf(stream('any', Tree).shape)!, 'fit')
      let looks = 0
      let tree: unknown = {
        get leaf() {
          looks++
          return 1
        },
      }
      for (let depth = 1; depth < 20; depth++) tree = { child: tree }
      expect(program.accepts(tree)).toBe(true)
      expect(looks).toBeLessThan(5)
      expect(program.encode(tree, Buffer.alloc(1_000), 0)).toBe(21)
      expect(looks).toBeLessThan(50)
    },
  )

  test('given recursion through a union of one, then the layout is that without the union', () => {
    const Direct: z.ZodType<unknown> = z.object({ next: z.lazy(() => Direct).nullable() })
    const Detour: z.ZodType<unknown> = z.union([z.object({ next: z.lazy(() => Detour).nullable() })])
    const bytes = encoded(packed(Detour), { next: { next: null } })
    expect(bytes).toEqual(encoded(packed(Direct), { next: { next: null } }))
    expect(packed(Detour).decode(bytes, 0, bytes.byteLength)).toEqual({ next: { next: null } })
  })

  test('given a process that may not generate code, then it reads and writes the same', () => {
    const script = `
      import { stream } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}
      import { z } from 'zod'
      let canGenerate = true
      try { new Function('') } catch { canGenerate = false }
      const { codec } = stream('any', z.object({ a: z.int(), b: z.array(z.string()) }))
      const target = Buffer.alloc(100)
      const end = codec.encode({ a: 1, b: ['c'] }, target, 0)
      console.log(JSON.stringify([canGenerate, codec.id, target.toString('hex', 0, end), codec.decode(target, 0, end)]))`
    const output = execFileSync(
      process.execPath,
      ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', script],
      { encoding: 'utf8', cwd: new URL('../..', import.meta.url) },
    )
    expect(JSON.parse(output)).toEqual([false, 'packed/2', '01010263', { a: 1, b: ['c'] }])
  })
})

describe('who judges', () => {
  const valid = { id: 'a', count: 1, list: [1.5], kind: 'x' as const }
  const Plain = z.object({
    id: z.string().max(3),
    count: z.int().positive(),
    list: z.array(z.number()).min(1),
    kind: z.enum(['x', 'y']),
    note: z.string().nullish(),
  })

  test('given a plain schema, then zod is asked only what is wrong', () => {
    const codec = packed(Plain)
    const parse = jest.spyOn(Plain, 'safeParse')
    const bytes = encoded(codec, valid)
    expect(codec.decode(bytes, 0, bytes.byteLength)).toEqual(valid)
    expect(parse).not.toHaveBeenCalled()
    expect(() => encoded(codec, { ...valid, count: 0 })).toThrow(z.ZodError)
    expect(parse).toHaveBeenCalledTimes(1)
  })

  test.each<[string, z.ZodType<unknown>]>([
    ['a refinement', z.string().refine((text) => text !== 'b')],
    ['a conversion of text', z.string().toLowerCase()],
    ['coercion', z.coerce.string() as z.ZodType<unknown>],
    ['a pattern with flags', z.string().regex(/^a$/i)],
    ['several patterns', z.string().regex(/a/).regex(/^a/)],
    ['a default', z.string().default('a')],
    ['an own JSON schema', Object.assign(z.string(), {})],
  ])(
    'given %s, then zod is asked each time: about a datum, what would arrive of it, and what has arrived',
    (what, field) => {
      if (what === 'an own JSON schema') field._zod.toJSONSchema = () => ({ type: 'string' })
      const schema = z.object({ field })
      const codec = packed(schema)
      const parse = jest.spyOn(schema, 'safeParse')
      const bytes = encoded(codec, { field: 'a' })
      expect(codec.decode(bytes, 0, bytes.byteLength)).toEqual({ field: 'a' })
      expect(parse).toHaveBeenCalledTimes(3)
    },
  )

  test('given other keys, then they are left out, or refused by a strict object', () => {
    const value = { id: 'a', more: 1 }
    const codec = packed(z.object({ id: z.string() }))
    const bytes = encoded(codec, value)
    expect(codec.decode(bytes, 0, bytes.byteLength)).toEqual({ id: 'a' })
    expect(codec.judge(value)).toEqual({ id: 'a' })
    expect(() => encoded(packed(z.strictObject({ id: z.string() })), value)).toThrow(/more/)
  })
})

function manyNames(count: number): [string, ...string[]] {
  return Array.from({ length: count }, (_, index) => `n${index}`) as [string, ...string[]]
}

describe('what a consumer would not get as it was judged', () => {
  const shout = z.string().overwrite((text) => `${text}!`)
  const turn = z.string().overwrite((text) => text.slice(1) + text.slice(0, 1))
  const next = z.number().overwrite((value) => value + 1)
  const present = z.object({ a: z.string().optional() }).refine((value) => 'a' in value)

  test.each<[what: string, schema: z.ZodType, datum: unknown]>([
    ['undefined for a value of any kind', z.object({ a: z.any() }), { a: undefined }],
    ['undefined for a value of an unknown kind', z.object({ a: z.unknown() }), { a: undefined }],
    ['an optional key that has to be there, with undefined', present, { a: undefined }],
    ['text that becomes longer each time', shout, 'a'],
    ['such text in a value without a layout', z.object({ text: shout, any: z.any() }), { text: 'a', any: 1 }],
    ['text that becomes too long', shout.max(2), 'a'],
    ['text that is another one of the same length', turn, 'abc'],
    [
      'such text in a value without a layout',
      z.object({ text: turn, any: z.any() }),
      { text: 'abc', any: 1 },
    ],
    ['a number that becomes too large later', z.object({ n: next.max(3), any: z.any() }), { n: 1, any: 1 }],
  ])('%s is refused', (_what, schema, datum) => {
    const { codec } = stream('any', schema)
    const target = Buffer.alloc(1_000)
    expect(() => codec.encode(datum, target, 0)).toThrow(expect.objectContaining({ code: 'DATUM_ALTERED' }))
  })

  test.each<[what: string, schema: z.ZodType, datum: unknown, output: unknown]>([
    ['text that is trimmed', z.string().trim().toLowerCase(), ' A ', 'a'],
    ['a default', z.object({ a: z.number().default(3) }), {}, { a: 3 }],
    [
      'a value of any kind',
      z.object({ a: z.any() }),
      { a: [1, null, { b: 'c' }] },
      { a: [1, null, { b: 'c' }] },
    ],
    ['an optional key that is there', present, { a: 'b' }, { a: 'b' }],
    ['the negative zero of a refined number', z.array(z.number().refine(() => true)), [-0], [-0]],
  ])('%s is the same at both ends', (_what, schema, datum, output) => {
    const { codec } = stream('any', schema)
    const target = Buffer.alloc(1_000)
    const end = codec.encode(datum, target, 0)
    expect(codec.decode(target, 0, end)).toEqual(output)
  })
})
