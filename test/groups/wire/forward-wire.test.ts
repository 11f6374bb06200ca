import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { toHex } from '#framework/primitives'
import {
  decodeForward,
  encodeForward,
  type ForwardMessage,
} from '../../../framework/groups/wire/forward-wire.js'
import { MalformedMessageError } from '../../../framework/groups/wire/message-bytes.js'

const count = fc.maxSafeNat()

function of<T extends ForwardMessage['type']>(
  type: T,
  fields: Record<string, fc.Arbitrary<unknown>>,
  requiredKeys = Object.keys(fields),
): fc.Arbitrary<ForwardMessage> {
  const all = { type: fc.constant(type), id: count, ...fields }
  return fc.record(all, {
    requiredKeys: ['type', 'id', ...requiredKeys] as never,
  }) as unknown as fc.Arbitrary<ForwardMessage>
}

const submission = fc.record({
  commandCount: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  payload: fc.uint8Array({ maxLength: 40 }),
})
const hexOf = (byteLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: byteLength, maxLength: byteLength }).map((bytes) => toHex(bytes))
const clusterId = hexOf(16)
const messages = fc.oneof(
  of(
    'submit',
    {
      isQuiet: fc.boolean(),
      opening: fc.uint8Array({ minLength: 1, maxLength: 20 }),
      submissions: fc.array(submission, { minLength: 1, maxLength: 4 }),
    },
    ['isQuiet', 'submissions'],
  ),
  of('read', { consistency: fc.constantFrom('strong', 'lease') }),
  of('transfer', { to: fc.string({ unit: 'grapheme' }) }),
  of('read-index', { clusterId, voters: hexOf(32) }),
  of('term', { clusterId }),
  of('unconfirmed', { term: count, index: count }),
  of('in-term', { term: count }),
  of('appended', { term: count, firstIndices: fc.array(count, { maxLength: 5 }) }),
  of('readable', { index: count }),
  of('transferring', {}),
  of('refused', { reason: fc.constantFrom('not-leader', 'busy', 'refused') }),
)

test('what leaders are asked, and answer, comes out as it went in', () => {
  fc.assert(
    fc.property(messages, (message) => {
      expect(decodeForward(encodeForward(message))).toEqual(message)
    }),
  )
})

describe('refused is', () => {
  const submit = encodeForward({
    type: 'submit',
    id: 1,
    isQuiet: true,
    submissions: [{ commandCount: 1, payload: Uint8Array.of(1, 2, 3) }],
  })

  test('a request to submit nothing', () => {
    const nothing = encodeForward({ type: 'submit', id: 1, isQuiet: true, submissions: [] })
    expect(() => decodeForward(nothing)).toThrow(MalformedMessageError)
  })

  test('what ends early, or goes on', () => {
    fc.assert(
      fc.property(messages, fc.nat(), (message, at) => {
        const bytes = encodeForward(message)
        expect(() => decodeForward(bytes.subarray(0, at % bytes.byteLength))).toThrow(MalformedMessageError)
        expect(() => decodeForward(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(MalformedMessageError)
      }),
    )
  })

  test('anything else, and nothing but that error comes of it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeForward(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessageError)
        }
      }),
    )
  })

  test.each([
    ['another type', 0, 200],
    ['a submission without commands', 1 + 8 + 1 + 4 + 4, 0],
    ['more submissions than there are bytes for', 1 + 8 + 1 + 4 + 3, 255],
  ])('%s', (_, place, value) => {
    const bytes = Uint8Array.from(submit)
    bytes[place] = value
    expect(() => decodeForward(bytes)).toThrow(MalformedMessageError)
  })
})
