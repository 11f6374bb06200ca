import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { completionOf, type Unwritten } from '../../../framework/groups/member/unwritten.js'
import type { Entry, HardState } from '../../../framework/groups/raft/index.js'
import { boundsAfter } from '../../../framework/groups/storage/log-bounds.js'
import type { RestoredGroup } from '../../../framework/groups/storage/index.js'
import { noopEntry } from '../raft/noop-entry.js'

const incarnation = 'a1'.repeat(8)

/** What makes two logs differ is in which term an entry was made. */
function log(...terms: readonly number[]): Entry[] {
  let hash = 7
  return terms.map((term, place) => {
    hash = hash * 31 + term
    return noopEntry(place + 1, term, hash)
  })
}

function hardState(term: number): HardState {
  return { clusterId: undefined, term, votedFor: undefined }
}

function stored(entries: readonly Entry[], as = incarnation): RestoredGroup {
  return { hardState: hardState(1), entries, incarnation: as, isVolatile: false }
}

function unwrittenOf(entries: readonly Entry[], from: number, term: number): Unwritten {
  return { incarnation, hardState: hardState(term), entries: entries.slice(from - 1) }
}

test('given a storage that failed before the last entries, then these are written behind what it has', () => {
  const whole = log(1, 1, 2, 2)
  const completion = completionOf(stored(whole.slice(0, 2)), unwrittenOf(whole, 3, 2))!
  expect(completion.write).toEqual({ hardState: hardState(2), entries: whole.slice(2) })
  expect(completion.restored).toMatchObject({ hardState: hardState(2), entries: whole })
})

test('given a storage that failed before it took back what another leader had appended, then that is taken back', () => {
  const whole = log(1, 1, 3)
  const completion = completionOf(stored(log(1, 1, 2, 2)), unwrittenOf(whole, 3, 3))!
  expect(completion.write).toEqual({ hardState: hardState(3), truncateFrom: 3, entries: whole.slice(2) })
  expect(completion.restored.entries).toEqual(whole)
})

test.each([
  ['ends before the entries begin', stored(log(1)), unwrittenOf(log(1, 1, 2, 2), 3, 2)],
  ['is that of another member', stored(log(1, 1), 'b2'.repeat(8)), unwrittenOf(log(1, 1, 2), 3, 2)],
  ['is not known to go on to them', stored(log(1, 1)), unwrittenOf([], 1, 2)],
])('given a storage that %s, then it cannot be completed', (_, restored, unwritten) => {
  expect(completionOf(restored, unwritten)).toBeUndefined()
})

test('given any writes of which some were taken in, when the rest is written, then the log is what the member had', () => {
  const anyTerms = fc
    .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 })
    .map((terms) => terms.toSorted((a, b) => a - b))
  fc.assert(
    fc.property(
      anyTerms.map((terms) => log(...terms)),
      anyTerms,
      fc.nat(),
      fc.nat(),
      (whole, otherTerms, rawFrom, rawTaken) => {
        const from = 1 + (rawFrom % whole.length)
        const taken = rawTaken % (whole.length - from + 2)
        // What is behind the durable part is of others, until the writes that were taken in have replaced it.
        const durable = whole.slice(0, from - 1 + taken)
        const terms = durable.map(({ term }) => term)
        const restored = stored(taken === 0 ? log(...terms, ...otherTerms) : durable)
        const { write, restored: completed } = completionOf(restored, unwrittenOf(whole, from, 4))!
        const bounds = { snapshotIndex: 0, baseIndex: 0, lastIndex: restored.entries.length }
        expect(boundsAfter(bounds, write).lastIndex).toBe(whole.length)
        expect(completed.entries.map(({ hash }) => hash)).toEqual(whole.map(({ hash }) => hash))
      },
    ),
  )
})
