import { describe, expect, test } from '@jest/globals'
import { encodeContent } from '../../framework/discovery/entry.js'
import { OwnEntry } from '../../framework/discovery/own-entry.js'
import { compareStamps, signEntry } from '../../framework/discovery/signed-record.js'
import { NOW, contentOf, departureRecord, entryRecord, identityOf, network } from './support.js'

function ownEntry(startedAtMs = NOW, tags: string[] = []) {
  return new OwnEntry(identityOf('me'), network, contentOf({ tags }), startedAtMs)
}

describe('records of an own entry', () => {
  test('given a sign of life, then the record outranks the last, and version and content are the same', () => {
    const own = ownEntry()
    const before = own.record
    const after = own.beat(NOW)
    expect(compareStamps(after.stamp, before.stamp)).toBeGreaterThan(0)
    expect(after.entry.version).toEqual(before.entry.version)
    expect(after.content).toEqual(before.content)
  })

  test('D-7, departure right after a ping: given a departure, then it is strictly newer than any announced version, signs of life included', () => {
    const own = ownEntry()
    own.change({ tags: ['x'] }, NOW)
    const beaten = own.beat(NOW + 30_000)
    const departure = own.depart(NOW)
    expect(departure.stamp.update).toBeGreaterThan(beaten.stamp.beat)
    expect(compareStamps(departure.stamp, own.record.stamp)).toBeGreaterThan(0)
  })
})

describe('records of our identity that others hold', () => {
  test('given what we said ourselves, or an earlier life said before, then it is past', () => {
    const own = ownEntry()
    const first = own.record
    own.change({ tags: ['x'] }, NOW + 5)
    expect(own.judge(first)).toBe('past')
    expect(own.judge(own.record)).toBe('past')
    expect(own.judge(entryRecord('me', { run: NOW - 1_000, beat: NOW + 9_999_999 }))).toBe('past')
    expect(own.judge(departureRecord('me', { run: NOW - 1_000 }))).toBe('past')
  })

  test('restart with the same key and a clock set back: given a later record of an earlier life, then we outrank it', () => {
    const own = ownEntry(NOW - 3_600_000, ['new life'])
    for (const earlier of [entryRecord('me', { run: NOW }), departureRecord('me', { run: NOW + 1_000 })]) {
      expect(own.judge(earlier)).toBe('earlier-life')
      own.outrank(earlier, NOW - 3_600_000)
      expect(compareStamps(own.record.stamp, earlier.stamp)).toBeGreaterThan(0)
      expect(own.judge(earlier)).toBe('past')
    }
    expect(own.record.entry.tags).toEqual(['new life'])
  })

  test('duplicate identity: given two processes with one key, then each has proof of the other after it was answered', () => {
    const older = ownEntry(NOW)
    const newer = ownEntry(NOW + 1_000)
    // The newer one cannot tell the older one from an earlier life of its own.
    expect(newer.judge(older.record)).toBe('past')
    // Nor can the older one tell; it speaks up, and refers to the record that only a living process has made.
    expect(older.judge(newer.record)).toBe('earlier-life')
    older.outrank(newer.record, NOW + 2_000)
    expect(newer.judge(older.record)).toBe('duplicate-identity')
    newer.outrank(older.record, NOW + 3_000)
    expect(older.judge(newer.record)).toBe('duplicate-identity')
  })

  test('duplicate identity: given a record of our own run that we have not made, then it is one', () => {
    const own = ownEntry()
    const twin = signEntry(identityOf('me'), {
      network,
      stamp: { run: NOW, update: NOW + 1, beat: NOW + 1 },
      content: encodeContent(contentOf({ tags: ['twin'] })),
    })
    expect(own.judge(twin)).toBe('duplicate-identity')
  })

  test('given that we have departed, then our farewell is not taken for a duplicate', () => {
    const own = ownEntry()
    expect(own.judge(own.depart(NOW))).toBe('past')
  })
})
