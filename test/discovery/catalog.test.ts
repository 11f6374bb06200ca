import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { digestOf } from '#framework/primitives'
import {
  emptyState,
  insertUnsigned,
  merge,
  nextExpiryMs,
  purge,
  removeUnsigned,
  withMe,
  type CatalogRules,
  type CatalogState,
} from '../../framework/discovery/catalog.js'
import type { SignedRecord } from '../../framework/discovery/signed-record.js'
import { departureRecord, entryRecord, identityOf } from './support.js'

const rules: CatalogRules = {
  purgeAfterMs: 300,
  tombstoneMs: 600,
  maxDriftMs: 50,
  contentBytesMax: 2 ** 26,
  recordsMax: 100,
}
const me = entryRecord('me').entry
const start = emptyState(me)
const peer = (name: string) => identityOf(name).peerId

function at(monotonicMs: number, ageMs = 0) {
  return { nowMs: 10_000, monotonicMs, ageMs }
}

function mergeAll(state: CatalogState, records: readonly SignedRecord[], monotonicMs = 0): CatalogState {
  return records.reduce((current, record) => merge(current, record, at(monotonicMs), rules).state, state)
}

/** What a state holds, without when it was heard. */
function heldBy(state: CatalogState) {
  return {
    records: [...state.records].map(([id, { record }]) => [id, record.digest]),
    peers: [...state.catalog.peers],
  }
}

describe('merging', () => {
  const anyRecord = fc
    .record({
      name: fc.constantFrom('a', 'b', 'c'),
      run: fc.integer({ min: 0, max: 2 }),
      update: fc.integer({ min: 0, max: 2 }),
      beat: fc.integer({ min: 0, max: 2 }),
      tags: fc.subarray(['x', 'y']),
      departs: fc.boolean(),
    })
    .map(({ name, run, update, beat, tags, departs }) => {
      const stamp = { run, update: run + update, beat: run + update + beat }
      return departs ? departureRecord(name, stamp) : entryRecord(name, { ...stamp, tags })
    })
  const anyRecords = fc.array(anyRecord, { maxLength: 12 })

  test('commutes: given the same records in any order, then the catalogs are equal', () => {
    fc.assert(
      fc.property(anyRecords, fc.array(fc.nat()), (records, keys) => {
        const shuffled = records
          .map((record, index) => ({ record, key: keys[index] ?? 0 }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ record }) => record)
        expect(heldBy(mergeAll(start, shuffled.toReversed()))).toEqual(heldBy(mergeAll(start, records)))
      }),
      { numRuns: 60 },
    )
  })

  test('associates: given what others have merged before, then the catalogs are equal', () => {
    fc.assert(
      fc.property(anyRecords, anyRecords, anyRecords, (a, b, c) => {
        const recordsOf = (state: CatalogState) => [...state.records.values()].map(({ record }) => record)
        const left = mergeAll(mergeAll(mergeAll(start, a), b), c)
        const right = mergeAll(mergeAll(start, a), recordsOf(mergeAll(mergeAll(start, b), c)))
        expect(heldBy(right)).toEqual(heldBy(left))
      }),
      { numRuns: 60 },
    )
  })

  test('is idempotent: given the same records once more, then nothing changes, not even the catalog object', () => {
    fc.assert(
      fc.property(anyRecords, (records) => {
        const once = mergeAll(start, records)
        const twice = mergeAll(once, records, 100)
        expect(twice.catalog).toBe(once.catalog)
        expect(heldBy(twice)).toEqual(heldBy(once))
      }),
      { numRuns: 60 },
    )
  })

  test('versions only grow: given any records, then what is held of a peer is never replaced by anything older', () => {
    fc.assert(
      fc.property(anyRecords, (records) => {
        let state = start
        for (const record of records) {
          const before = state.records.get(record.peer)?.record.stamp
          state = merge(state, record, at(0), rules).state
          const after = state.records.get(record.peer)?.record.stamp
          const order = (stamp = { run: -1, update: -1, beat: -1 }) => [stamp.run, stamp.update, stamp.beat]
          const [a, b] = [order(before), order(after)]
          const firstDifference = a.findIndex((value, index) => value !== b[index])
          if (firstDifference >= 0) expect(b[firstDifference]).toBeGreaterThan(a[firstDifference] ?? 0)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('given a new peer, then it is discovered; given a later version, updated; given an older one, refused', () => {
    const first = merge(start, entryRecord('a', { run: 1, update: 5 }), at(0), rules)
    expect(first.change).toMatchObject({ type: 'discovered', entry: { version: { run: 1, update: 5 } } })
    const second = merge(first.state, entryRecord('a', { run: 1, update: 6, tags: ['t'] }), at(0), rules)
    expect(second.change).toMatchObject({ type: 'updated', entry: { tags: ['t'] } })
    const third = merge(second.state, entryRecord('a', { run: 1, update: 5, beat: 99 }), at(0), rules)
    expect(third).toEqual({ state: second.state, refused: 'outdated' })
    expect(second.state.catalog.size).toBe(1)
    expect(second.state.catalog.get(peer('a'))?.tags).toEqual(['t'])
  })

  test('given a sign of life that changes nothing, then nobody is told, and the peer lives on', () => {
    const known = merge(start, entryRecord('a', { run: 1, beat: 1, tags: ['t'] }), at(0), rules).state
    const beaten = merge(known, entryRecord('a', { run: 1, update: 1, beat: 2, tags: ['t'] }), at(200), rules)
    expect(beaten.change).toBeUndefined()
    expect(beaten.refused).toBeUndefined()
    expect(beaten.state.catalog).toBe(known.catalog)
    expect(purge(beaten.state, 400, rules).changes).toEqual([])
    expect(purge(known, 400, rules).changes).toHaveLength(1)
  })

  test('D-16: given an author who uses one version for two contents, then all agree on the later beat and are told', () => {
    const one = entryRecord('a', { run: 1, update: 1, beat: 1, tags: ['one'] })
    const two = entryRecord('a', { run: 1, update: 1, beat: 2, tags: ['two'] })
    const result = merge(merge(start, one, at(0), rules).state, two, at(0), rules)
    expect(result.change).toMatchObject({ type: 'updated', entry: { tags: ['two'] } })
  })

  test('given a restart with the same key, then the entry of the newer run replaces the old one at once', () => {
    const before = merge(start, entryRecord('a', { run: 1, update: 900 }), at(0), rules).state
    const after = merge(before, entryRecord('a', { run: 2, update: 2 }), at(0), rules)
    expect(after.change).toMatchObject({ type: 'updated', entry: { version: { run: 2, update: 2 } } })
  })

  test('given a record of ourselves or of another network, then it is refused', () => {
    expect(merge(start, entryRecord('me', { run: 9_999 }), at(0), rules)).toEqual({
      state: start,
      refused: 'own',
    })
    const foreign = entryRecord('a', { network: digestOf('another network') })
    expect(merge(start, foreign, at(0), rules)).toEqual({ state: start, refused: 'network' })
  })

  test('D-14, malicious far-future timestamp: given a record stamped beyond the drift, then it is refused', () => {
    expect(merge(start, entryRecord('a', { run: 10_050 }), at(0), rules).refused).toBeUndefined()
    expect(merge(start, entryRecord('a', { run: 10_051 }), at(0), rules).refused).toBe('future')
    expect(merge(start, entryRecord('a', { run: 1, beat: 4e12 }), at(0), rules).refused).toBe('future')
    expect(merge(start, departureRecord('a', { run: 4e12 }), at(0), rules).refused).toBe('future')
  })

  test('given as many records as there is room for, then another peer is refused, and known ones still change', () => {
    const small = { ...rules, recordsMax: 2 }
    let state = merge(start, entryRecord('a', { run: 1 }), at(0), small).state
    state = merge(state, entryRecord('b', { run: 1 }), at(0), small).state
    expect(merge(state, entryRecord('c'), at(0), small)).toEqual({ state, refused: 'full' })
    expect(merge(state, entryRecord('a', { run: 2 }), at(0), small).change).toMatchObject({ type: 'updated' })
  })

  test('given contents that take all the room there is, then more is refused, and what says as much as before still changes', () => {
    const first = entryRecord('a', { tags: ['x'.repeat(100)] })
    const tight = { ...rules, contentBytesMax: first.contentBytes + 20 }
    const { state } = merge(start, first, at(0), tight)
    const other = merge(state, entryRecord('b', { tags: ['y'] }), at(0), tight)
    expect(other).toEqual({ state, refused: 'full' })
    const longer = entryRecord('a', { run: 1_000, update: 1_001, tags: ['x'.repeat(150)] })
    expect(merge(state, longer, at(0), tight)).toEqual({ state, refused: 'full' })
    const changed = entryRecord('a', { run: 1_000, update: 1_002, tags: ['y'.repeat(100)] })
    expect(merge(state, changed, at(0), tight).change).toMatchObject({ type: 'updated' })
  })

  test('given no room but departures, then the oldest departure gives way', () => {
    const small = { ...rules, recordsMax: 2 }
    for (const [younger, older] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      let state = merge(start, departureRecord(younger), at(10), small).state
      state = merge(state, departureRecord(older), at(5), small).state
      state = merge(state, entryRecord('c'), at(20), small).state
      expect([...state.records.keys()].toSorted()).toEqual([peer(younger), peer('c')].toSorted())
    }
  })
})

describe('departures', () => {
  test('D-6: given a departure, then the peer departs, and no older entry of it comes back', () => {
    const known = merge(start, entryRecord('a', { run: 1, update: 5 }), at(0), rules).state
    const gone = merge(known, departureRecord('a', { run: 1, update: 6 }), at(0), rules)
    expect(gone.change).toMatchObject({ type: 'departed', peer: peer('a'), cause: 'graceful' })
    expect(gone.state.catalog.size).toBe(0)
    const revived = merge(gone.state, entryRecord('a', { run: 1, update: 5, beat: 9 }), at(0), rules)
    expect(revived).toEqual({ state: gone.state, refused: 'outdated' })
  })

  test('given a departure of a peer that was never known, then it is remembered and nobody is told', () => {
    const result = merge(start, departureRecord('a', { run: 1, update: 6 }), at(0), rules)
    expect(result.change).toBeUndefined()
    expect(merge(result.state, entryRecord('a', { run: 1, update: 5 }), at(0), rules).refused).toBe(
      'outdated',
    )
  })

  test('given a departed peer, when it starts again, then it is discovered', () => {
    const gone = merge(start, departureRecord('a', { run: 1, update: 6 }), at(0), rules).state
    const back = merge(gone, entryRecord('a', { run: 7 }), at(0), rules)
    expect(back.change).toMatchObject({ type: 'discovered' })
  })

  test('given a departure, then it is forgotten only after every live record of the peer must be', () => {
    const gone = merge(start, departureRecord('a'), at(0), rules).state
    expect(purge(gone, rules.tombstoneMs - 1, rules).state.records.size).toBe(1)
    const { state, changes } = purge(gone, rules.tombstoneMs, rules)
    expect(state.records.size).toBe(0)
    expect(changes).toEqual([])
  })
})

describe('purging', () => {
  test('D-14: given a silent peer, then it is purged after purgeAfter by our own clock, whatever its clock says', () => {
    const state = mergeAll(start, [entryRecord('a', { run: 1 }), entryRecord('b', { run: 10_049 })], 1_000)
    expect(nextExpiryMs(state, rules)).toBe(1_300)
    expect(purge(state, 1_299, rules).changes).toEqual([])
    const { state: purged, changes } = purge(state, 1_300, rules)
    expect(changes.map((change) => change.type)).toEqual(['departed', 'departed'])
    expect(changes[0]).toMatchObject({ cause: 'stale' })
    expect(purged.catalog.size).toBe(0)
    expect(nextExpiryMs(purged, rules)).toBe(Infinity)
  })

  test('given a record that was heard a while ago by whoever brought it, then its age counts', () => {
    const state = merge(start, entryRecord('a'), at(1_000, 299), rules).state
    expect(nextExpiryMs(state, rules)).toBe(1_001)
    expect(merge(start, entryRecord('a'), at(1_000, 300), rules).refused).toBe('stale')
  })

  test('D-6: given a dead peer, when two nodes keep telling each other of it, then both forget it for good', () => {
    let [one, other] = [merge(start, entryRecord('a'), at(0), rules).state, start]
    for (let now = 0; now <= 1_000; now += 50) {
      ;[one, other] = [purge(one, now, rules).state, purge(other, now, rules).state]
      const [held, back] = [one.records.get(peer('a')), other.records.get(peer('a'))]
      if (held) other = merge(other, held.record, at(now, now - held.heardAtMs), rules).state
      if (back) one = merge(one, back.record, at(now, now - back.heardAtMs), rules).state
      if (now >= 300) expect([one.catalog.size, other.catalog.size]).toEqual([0, 0])
    }
  })

  test('given an old sign of life after a fresh one, then the peer does not age by it', () => {
    const known = merge(start, entryRecord('a', { run: 1, beat: 1 }), at(1_000), rules).state
    const state = merge(known, entryRecord('a', { run: 1, update: 1, beat: 2 }), at(1_010, 250), rules).state
    expect(nextExpiryMs(state, rules)).toBe(1_300)
  })
})

describe('entries without signature', () => {
  const entry = entryRecord('a', { run: 5 }).entry

  test('given none, when one is inserted, then the peer is discovered, and marked as unsigned', () => {
    const { state, change } = insertUnsigned(start, entry)
    expect(change).toEqual({ type: 'discovered', entry })
    expect(state.catalog.unsigned).toEqual(new Set([entry.peer]))
    expect(state.records.size).toBe(0)
    expect(purge(state, Infinity, rules).changes).toEqual([])
  })

  test('given one, when a signed entry arrives, then it takes its place', () => {
    const inserted = insertUnsigned(start, entry).state
    const { state, change } = merge(inserted, entryRecord('a', { run: 1 }), at(0), rules)
    expect(change).toMatchObject({ type: 'updated' })
    expect(state.catalog.unsigned.size).toBe(0)
    expect(state.catalog.size).toBe(1)
  })

  test('given a signed entry, ourselves, another network, or nothing newer, then inserting is refused', () => {
    const signed = merge(start, entryRecord('a', { run: 1 }), at(0), rules).state
    expect(insertUnsigned(signed, entry).refused).toBe('outdated')
    expect(insertUnsigned(start, me).refused).toBe('own')
    expect(insertUnsigned(start, { ...entry, network: digestOf('other') }).refused).toBe('network')
    const inserted = insertUnsigned(start, entry).state
    expect(insertUnsigned(inserted, entry).refused).toBe('outdated')
    const newer = { ...entry, version: { run: 6, update: 6 }, tags: ['new'] }
    expect(insertUnsigned(inserted, newer).change).toEqual({ type: 'updated', entry: newer })
  })

  test('given one, when removed, then the peer departs; a signed one cannot be removed', () => {
    const inserted = insertUnsigned(start, entry).state
    const { state, change } = removeUnsigned(inserted, entry.peer)
    expect(change).toEqual({ type: 'departed', peer: entry.peer, entry, cause: 'removed' })
    expect(state.catalog.size).toBe(0)
    const signed = merge(start, entryRecord('a'), at(0), rules).state
    expect(removeUnsigned(signed, entry.peer)).toEqual({ state: signed })
  })
})

test('D-18: given a catalog, then it answers for ourselves too, without counting us as a peer', () => {
  const changed = entryRecord('me', { run: 2, tags: ['mine'] }).entry
  const { catalog } = withMe(start, changed)
  expect(catalog.get(me.peer)).toBe(changed)
  expect(catalog.size).toBe(0)
  expect(catalog.peers.has(me.peer)).toBe(false)
})
