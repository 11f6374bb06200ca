import { expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import type { ClusterId, MemberId, Message } from '#framework/groups/raft'
import { CommitWords, holdMs } from '../../../framework/groups/worker/commit-words.js'

type Append = Extract<Message, { type: 'append' }>

function word(commitIndex: number, over: Partial<Append> = {}): Append {
  return {
    type: 'append',
    clusterId: 'c0'.repeat(16) as ClusterId,
    from: 'a' as MemberId,
    to: 'b' as MemberId,
    term: 1,
    prevIndex: commitIndex,
    prevTerm: 1,
    prevHash: 0,
    entries: [],
    commitIndex,
    round: 1,
    roundTick: 0,
    answer: 'none',
    ...over,
  }
}

const entry = {
  index: 9,
  term: 1,
  kind: 'command',
  commandCount: 1,
  applicationIndex: 9,
  timestampMs: 0,
  hash: 0,
  payload: new Uint8Array(1),
} as const

function setUp() {
  const clock = new ManualClock()
  const sent: string[] = []
  const words = new CommitWords<string>({
    clock,
    send: (to, { commitIndex, entries }) => sent.push(`${to} ${commitIndex}${'+'.repeat(entries.length)}`),
  })
  return { clock, sent, words }
}

test('given somebody who waits for nothing, when entries are committed, then it hears that a little later', () => {
  const { clock, sent, words } = setUp()
  words.pass('b', word(3))
  words.pass('b', word(4))
  words.pass('c', word(4))
  clock.advance(holdMs - 1)
  expect(sent).toEqual([])
  clock.advance(1)
  expect(sent).toEqual(['b 4', 'c 4'])
  expect(clock.pendingCount).toBe(0)
})

test('given a word that is held back, when there are new entries, then they bring it', () => {
  const { clock, sent, words } = setUp()
  words.pass('b', word(3))
  words.pass('b', word(3, { entries: [entry], answer: 'when-durable' }))
  clock.advance(holdMs)
  expect(sent).toEqual(['b 3+'])
})

test('given somebody who has submitted entries, when they are committed, one after the other, then it hears that at once, and nobody else', () => {
  const { sent, words } = setUp()
  words.onSubmitted('b', 5)
  words.pass('b', word(4))
  words.pass('c', word(4))
  words.pass('b', word(5))
  words.pass('b', word(6))
  expect(sent).toEqual(['b 4', 'b 5'])
})

test('given what it has submitted was committed with new entries, then it waits for nothing any more', () => {
  const { sent, words } = setUp()
  words.onSubmitted('b', 5)
  words.pass('b', word(5, { entries: [entry], answer: 'when-durable' }))
  words.pass('b', word(6))
  expect(sent).toEqual(['b 5+'])
})

test('given an append without entries that looks for where the logs part, then it is not held back', () => {
  const { sent, words } = setUp()
  words.pass('b', word(3, { answer: 'when-durable' }))
  expect(sent).toEqual(['b 3'])
})

test('given words that are held back, when one is released, or all, then they are said at once and once', () => {
  const { clock, sent, words } = setUp()
  words.pass('b', word(3))
  words.pass('c', word(3))
  words.pass('d', word(3))
  words.release('c')
  words.forget('d')
  words.releaseAll()
  expect(sent).toEqual(['c 3', 'b 3'])
  expect(clock.pendingCount).toBe(0)
})
