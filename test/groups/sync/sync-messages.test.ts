import { expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { encode } from '#framework/primitives'
import { configurationOf, type ClusterId, type Entry, type MemberId } from '#framework/groups/raft'
import {
  ANSWER_BYTES_MAX,
  ANSWER_ENTRIES_MAX,
  decodeSync,
  encodeSync,
  type SyncMessage,
} from '../../../framework/groups/sync/sync-messages.js'

const clusterId = 'c1'.repeat(16) as ClusterId
const envelope = { clusterId, requestId: 7 }
const [first, second] = ['1', '2'].map((digit) => digit.repeat(32)) as [ClusterId, ClusterId]
const configuration = {
  ...configurationOf(['a/1', 'b/1'] as MemberId[], ['c/1' as MemberId]),
  lineage: [{ clusterId: first, lastTerm: 0, lastIndex: 0, committed: 0 }],
  verdicts: [{ winner: first, loser: second, shared: 0, isAgreed: true }],
}
const facts = { index: 5, term: 2, applicationIndex: 3, hash: 2 ** 53 - 1, configuration }

function entriesFrom(firstIndex: number, ...payloads: readonly Uint8Array[]): Entry[] {
  return payloads.map((payload, place) => ({
    index: firstIndex + place,
    term: 2,
    kind: 'command',
    commandCount: 1,
    applicationIndex: 1,
    timestampMs: 1,
    hash: 3,
    payload,
  }))
}

const messages: readonly SyncMessage[] = [
  { type: 'availability-request', ...envelope },
  { type: 'availability', ...envelope, firstIndex: 1, lastIndex: 0 },
  { type: 'availability', ...envelope, firstIndex: 6, lastIndex: 9, snapshot: { facts, byteLength: 10 } },
  { type: 'entries-request', ...envelope, firstIndex: 1, lastIndex: 9, bytesMax: 1 },
  {
    type: 'entries',
    ...envelope,
    firstIndex: 4,
    entries: entriesFrom(4, new Uint8Array(0), Uint8Array.of(1)),
  },
  { type: 'piece-request', ...envelope, index: 5, hash: 1, byteLength: 9, offset: 0 },
  { type: 'piece', ...envelope, offset: 3, bytes: Uint8Array.of(1, 2) },
  { type: 'absent', ...envelope },
]

test.each(messages)('$type comes back as it was', (message) => {
  expect(plain(decodeSync(encodeSync(message)))).toEqual(plain(message))
})

function plain(message: SyncMessage): unknown {
  const text = JSON.stringify(message, (_, value: unknown) =>
    value instanceof Uint8Array ? [...value] : value,
  )
  return JSON.parse(text)
}

test.each<[string, Record<string, unknown>]>([
  ['of no type', { type: 'hello', ...envelope }],
  ['of no cluster', { type: 'absent', requestId: 7, clusterId: 'x' }],
  ['with half a number', { type: 'availability', ...envelope, firstIndex: 1, lastIndex: 1.5 }],
  ['with an entry at 0', { type: 'entries-request', ...envelope, firstIndex: 0, lastIndex: 9, bytesMax: 1 }],
  ['without entries', { type: 'entries', ...envelope, firstIndex: 1, entries: Buffer.alloc(4) }],
  [
    'with bytes that are no entries',
    { type: 'entries', ...envelope, firstIndex: 1, entries: Buffer.from('?') },
  ],
  ['with a long piece', { type: 'piece', ...envelope, offset: 0, bytes: Buffer.alloc(ANSWER_BYTES_MAX + 1) }],
])('a message %s is refused', (_, message) => {
  expect(() => decodeSync(encode(message))).toThrow(
    expect.objectContaining({ code: 'GROUP_MESSAGE_MALFORMED' }),
  )
})

test('a message that is too long is not looked at', () => {
  expect(() => decodeSync(new Uint8Array(4 * 1024 * 1024))).toThrow(
    expect.objectContaining({ code: 'GROUP_MESSAGE_MALFORMED' }),
  )
})

test('an answer that is as long as it may be is taken', () => {
  const payload = new Uint8Array(ANSWER_BYTES_MAX / ANSWER_ENTRIES_MAX)
  const entries = entriesFrom(1, ...Array.from({ length: ANSWER_ENTRIES_MAX }, () => payload))
  const decoded = decodeSync(encodeSync({ type: 'entries', ...envelope, firstIndex: 1, entries }))
  expect(decoded).toMatchObject({ type: 'entries', entries: { length: ANSWER_ENTRIES_MAX } })
})

test('whatever bytes come, they are a message or refused', () => {
  const changed = fc
    .tuple(fc.constantFrom(...messages), fc.nat(), fc.nat(255))
    .map(([message, at, value]) => {
      const bytes = Uint8Array.from(encodeSync(message))
      bytes[at % bytes.length] = value
      return bytes
    })
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      try {
        decodeSync(bytes)
      } catch (error) {
        expect(error).toMatchObject({ code: 'GROUP_MESSAGE_MALFORMED' })
      }
    }),
  )
})
