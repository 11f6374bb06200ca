import { expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import type { ClusterId, MemberId, Message } from '#framework/groups/raft'
import { HeldAppends, heldEntriesMax, holdMs } from '../../../framework/groups/worker/held-appends.js'
import { noopEntry } from '../raft/noop-entry.js'

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

const entry = (index: number): Append['entries'][number] => noopEntry(index, 1, 0)

/** Entries that are committed, for somebody who is not needed for that. */
function committed(...indices: readonly number[]): Append {
  return word(indices.at(-1)!, { prevIndex: indices[0]! - 1, entries: indices.map((index) => entry(index)) })
}

function setUp() {
  const clock = new ManualClock()
  const sent: string[] = []
  const words = new HeldAppends<string>({
    clock,
    send: (to, { commitIndex, entries }) =>
      sent.push(`${to} ${commitIndex}${entries.map(({ index }) => `+${index}`).join('')}`),
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
  words.pass('b', word(3, { prevIndex: 8, entries: [entry(9)], answer: 'when-durable' }))
  clock.advance(holdMs)
  expect(sent).toEqual(['b 3+9'])
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
  words.pass('b', word(5, { prevIndex: 8, entries: [entry(9)], answer: 'when-durable' }))
  words.pass('b', word(6))
  expect(sent).toEqual(['b 5+9'])
})

test('given committed entries for somebody who waits for none of them, then those of a while share a message', () => {
  const { clock, sent, words } = setUp()
  words.pass('b', committed(3))
  words.pass('b', committed(4, 5))
  words.pass('b', word(5))
  words.pass('b', committed(6))
  expect(sent).toEqual([])
  clock.advance(holdMs)
  expect(sent).toEqual(['b 6+3+4+5+6'])
  expect(clock.pendingCount).toBe(0)
})

test('given entries that are held back, when one comes that is not committed yet, then all of them leave at once', () => {
  const { sent, words } = setUp()
  words.pass('b', committed(3))
  words.pass('b', word(3, { prevIndex: 3, entries: [entry(4)], answer: 'when-durable' }))
  words.pass('c', word(3, { prevIndex: 3, entries: [entry(4)] }))
  expect(sent).toEqual(['b 3+3+4', 'c 3+4'])
})

test('given entries that are held back, when what comes next does not follow them, or is a question, then they leave before it', () => {
  const { sent, words } = setUp()
  words.pass('b', committed(3))
  words.pass('b', word(9, { prevIndex: 7, entries: [entry(8)], answer: 'when-durable' }))
  words.pass('b', committed(9))
  words.pass('b', word(9, { answer: 'when-durable' }))
  expect(sent).toEqual(['b 3+3', 'b 9+8', 'b 9+9', 'b 9'])
})

test('given entries that are held back, when they get many, or somebody waits for them, then they leave', () => {
  const { sent, words } = setUp()
  for (let index = 1; index <= heldEntriesMax; index++) words.pass('b', committed(index))
  expect(sent).toHaveLength(1)
  words.pass('c', committed(3))
  words.onSubmitted('c', 4)
  words.pass('c', committed(4))
  expect(sent.at(-1)).toBe('c 4+3+4')
})

test('given entries of an earlier term that are held back, when this one has something to say, then they are let go', () => {
  const { clock, sent, words } = setUp()
  words.pass('b', committed(3))
  words.pass('b', word(4, { term: 2 }))
  clock.advance(holdMs)
  expect(sent).toEqual(['b 4'])
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
