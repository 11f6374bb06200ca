import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { z } from 'zod'
import { schemaDifferences, stream } from '#framework/streams'

const differences = (producer: z.ZodType, consumer: z.ZodType): readonly string[] =>
  schemaDifferences(stream('p', producer).shape, stream('c', consumer).shape)

test('equal schemas have no differences', () => {
  expect(differences(z.object({ a: z.string() }), z.object({ a: z.string().describe('x') }))).toEqual([])
})

test('a field of another type', () => {
  expect(differences(z.object({ load: z.number() }), z.object({ load: z.string() }))).toEqual([
    '/load: producer number, consumer string',
  ])
})

test('fields that only one side has, or does not require', () => {
  const producer = z.object({ a: z.string(), b: z.date(), c: z.string() })
  const consumer = z.object({ a: z.string(), c: z.string().optional(), d: z.array(z.number()) })
  expect(differences(producer, consumer)).toEqual([
    '/b: producer date, consumer nothing',
    '/c: producer required, consumer optional',
    '/d: producer nothing, consumer array of number',
  ])
})

test('deep inside objects and arrays', () => {
  const schema = (id: z.ZodType) => z.object({ orders: z.array(z.object({ id })) })
  expect(differences(schema(z.number()), schema(z.instanceof(Uint8Array)))).toEqual([
    '/orders/*/id: producer number, consumer bytes',
  ])
})

test('the same type with another constraint, other allowed values, another kind of value altogether', () => {
  expect(differences(z.number().min(0), z.number())).toEqual([
    '/: producer number with minimum 0, consumer number',
  ])
  expect(differences(z.enum(['a', 'b']), z.enum(['a']))).toEqual(['/: producer "a" or "b", consumer "a"'])
  expect(differences(z.object({ a: z.string() }), z.string())).toEqual([
    '/: producer object, consumer string',
  ])
  expect(differences(z.record(z.string(), z.number()), z.record(z.string(), z.date()))).toEqual([
    '/: producer record of number, consumer record of date',
  ])
})

test('no more than asked for', () => {
  const fields = (type: z.ZodType) => z.object({ a: type, b: type, c: type, d: type, e: type })
  expect(differences(fields(z.string()), fields(z.number()))).toHaveLength(3)
})

test('a recursive schema ends', () => {
  const tree = z.object({
    value: z.number(),
    get children() {
      return z.array(tree)
    },
  })
  const flat = z.object({ value: z.number(), children: z.array(z.string()) })
  expect(differences(tree, flat)).toEqual(['/children/*: producer a part of itself, consumer string'])
})

test('whatever another machine calls a shape is survived, and answered briefly', () => {
  const deep = '{"type":"array","items":'.repeat(3_000) + '{}' + '}'.repeat(3_000)
  expect(schemaDifferences(deep, deep.replace('{}', '{"type":"null"}'))).toHaveLength(1)
  expect(schemaDifferences('', 'null')).toEqual([])
  fc.assert(
    fc.property(fc.json(), fc.json(), (a, b) => {
      for (const text of schemaDifferences(a, b)) expect(text.length).toBeLessThan(4_000)
    }),
  )
})
