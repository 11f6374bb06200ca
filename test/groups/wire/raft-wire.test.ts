import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { ClusterId, Entry, MemberId, Message } from '../../../framework/groups/raft/index.js'
import {
  decodeEntries,
  decodeMessage,
  encodeEntries,
  encodeMessage,
} from '../../../framework/groups/wire/raft-wire.js'

const ends = { from: 'a/1' as MemberId, to: 'b/2' as MemberId }
const count = fc.maxSafeNat()
const flag = fc.boolean()
const envelope = {
  clusterId: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((raw) => Buffer.from(raw).toString('hex') as ClusterId),
  from: fc.constant(ends.from),
  to: fc.constant(ends.to),
  term: count,
}

function entriesFrom(firstIndex: number): fc.Arbitrary<Entry[]> {
  const entry = fc.record({
    term: count,
    kind: fc.constantFrom('command', 'session', 'noop', 'configuration'),
    commandCount: fc.nat(2 ** 32 - 1),
    applicationIndex: count,
    timestampMs: count,
    payload: fc.uint8Array({ maxLength: 60 }),
    hash: count,
  })
  return fc
    .array(entry, { maxLength: 5 })
    .map((some) => some.map((each, place): Entry => ({ ...each, index: firstIndex + place })))
}

function of<T extends Message['type']>(type: T, fields: object): fc.Arbitrary<Message> {
  return fc.record({ ...envelope, type: fc.constant(type), ...fields }) as unknown as fc.Arbitrary<Message>
}

const appends = fc.nat(2 ** 40).chain((prevIndex) =>
  of('append', {
    prevIndex: fc.constant(prevIndex),
    prevTerm: count,
    prevHash: count,
    commitIndex: count,
    round: count,
    roundTick: count,
    answer: fc.constantFrom('when-durable' as const, 'at-once' as const, 'none' as const, 'quiesce' as const),
    entries: entriesFrom(prevIndex + 1),
  }),
)
const messages = fc.oneof(
  appends,
  of('pre-vote-request', { lastIndex: count, lastTerm: count }),
  of('pre-vote-answer', { requestedTerm: count, granted: flag }),
  of('vote-request', { lastIndex: count, lastTerm: count, transfer: flag }),
  of('vote-answer', { granted: flag }),
  of('sync-required', { firstIndex: count, commitIndex: count, round: count, roundTick: count }),
  of('append-answer', {
    accepted: flag,
    round: count,
    roundTick: count,
    matchIndex: count,
    rejectedIndex: count,
    conflictTerm: count,
    conflictIndex: count,
    lastIndex: count,
  }),
  of('timeout-now', {}),
)

test('property: every message comes back from its bytes as it was', () => {
  fc.assert(
    fc.property(messages, (message) => {
      expect(decodeMessage(encodeMessage(message), ends)).toEqual(message)
    }),
    { numRuns: 400 },
  )
})

test('property: entries that follow each other come back as they were', () => {
  const some = fc.nat(1_000).chain((first) => fc.tuple(fc.constant(first), entriesFrom(first)))
  fc.assert(
    fc.property(some, ([first, entries]) => {
      expect(decodeEntries(encodeEntries(entries), first)).toEqual(entries)
    }),
  )
})

test('who sends is what the bond says, whatever the message would like', () => {
  const message: Message = {
    type: 'timeout-now',
    clusterId: '0'.repeat(32) as ClusterId,
    term: 3,
    from: 'somebody/else' as MemberId,
    to: 'another/one' as MemberId,
  }
  expect(decodeMessage(encodeMessage(message), ends)).toMatchObject(ends)
})

describe('bytes that are no message', () => {
  test('property: are refused with GROUP_MESSAGE_MALFORMED, and nothing is allocated for what they claim', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeMessage(bytes, ends)
        } catch (error) {
          expect(error).toMatchObject({ code: 'GROUP_MESSAGE_MALFORMED' })
        }
      }),
      { numRuns: 500 },
    )
  })

  test('property: a message that is cut or goes on is none', () => {
    fc.assert(
      fc.property(messages, fc.nat(), (message, cut) => {
        const bytes = encodeMessage(message)
        const malformed = expect.objectContaining({ code: 'GROUP_MESSAGE_MALFORMED' })
        expect(() => decodeMessage(bytes.subarray(0, cut % bytes.byteLength), ends)).toThrow(malformed)
        expect(() => decodeMessage(Buffer.concat([bytes, Buffer.of(0)]), ends)).toThrow(malformed)
      }),
    )
  })

  test('an append that claims four billion entries is refused at once', () => {
    const bytes = Buffer.from(
      encodeMessage({
        type: 'append',
        clusterId: '0'.repeat(32) as ClusterId,
        term: 1,
        ...ends,
        prevIndex: 0,
        prevTerm: 0,
        prevHash: 0,
        commitIndex: 0,
        round: 1,
        roundTick: 1,
        answer: 'at-once',
        entries: [],
      }),
    )
    bytes.writeUInt32LE(0xffff_ffff, bytes.length - 4)
    expect(() => decodeMessage(bytes, ends)).toThrow(/ends early/)
  })
})
