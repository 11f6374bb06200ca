import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { consumerOptionsOf, producerOptionsOf } from '../../framework/streams/defaults.js'
import { isAnythingRequired } from '../../framework/streams/eligibility/eligibility.js'

const schema = z.object({ n: z.number() })
const isTrusted = (): boolean => true

test('given a definition and options that require nothing, then nothing is required of the other end', () => {
  const definition = stream('defaults.nothing', schema)
  expect(isAnythingRequired(consumerOptionsOf(definition, {}))).toBe(false)
  expect(isAnythingRequired(producerOptionsOf(definition, {}))).toBe(false)
})

test('given options that require something, then that is required, with or without requirements of the definition', () => {
  const plain = stream('defaults.plain', schema)
  expect(consumerOptionsOf(plain, { require: isTrusted, maxRttMs: 5 })).toMatchObject({
    require: isTrusted,
    maxRttMs: 5,
  })
  const strict = stream('defaults.strict', schema, { producersMust: { require: isTrusted, maxRttMs: 3 } })
  expect(consumerOptionsOf(strict, { require: isTrusted, maxRttMs: 5 })).toMatchObject({
    require: [isTrusted, isTrusted],
    maxRttMs: 3,
  })
})
