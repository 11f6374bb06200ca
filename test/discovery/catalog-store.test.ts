import { describe, expect, test } from '@jest/globals'
import { NOW, departureRecord, entryRecord, identityOf, manyRecords, storeOf } from './support.js'

describe('taking in records', () => {
  test('given several records at once, then watchers are woken once, before any event', () => {
    const { store, events } = storeOf('me')
    const order: string[] = []
    store.catalog.subscribe(({ size }) => order.push(`catalog of ${size}, after ${events.length} events`))
    store.takeAll(
      manyRecords(3, NOW).map((record) => ({ record, ageMs: 0 })),
      'sync',
    )
    expect(order).toEqual(['catalog of 3, after 0 events'])
    expect(events).toHaveLength(3)
  })

  test('D-11: given a sign of life, then nobody is woken', () => {
    const { store, events } = storeOf('me')
    store.take(entryRecord('a', { run: NOW }), 'gossip')
    let woken = 0
    store.catalog.subscribe(() => woken++)
    expect(store.take(entryRecord('a', { run: NOW, update: NOW, beat: NOW + 1 }), 'gossip')).toBeUndefined()
    expect(woken).toBe(0)
    expect(events).toHaveLength(1)
  })

  test('D-17: given discoveries, updates, departures and refusals, then each is counted by its way or reason', () => {
    const { store, registry } = storeOf('me')
    store.take(entryRecord('a', { run: NOW }), 'sync')
    store.take(entryRecord('a', { run: NOW, update: NOW + 1, tags: ['t'] }), 'feed')
    store.take(entryRecord('a', { run: NOW }), 'gossip')
    store.take(departureRecord('a', { run: NOW, update: NOW + 2 }), 'gossip')
    store.take(entryRecord('b', { run: NOW + 60_000 }), 'sync')
    expect(registry.value('mosaik_discovery_peers_discovered_total', { via: 'sync' })).toBe(1)
    expect(registry.value('mosaik_discovery_peer_updates_total', { via: 'feed' })).toBe(1)
    expect(registry.value('mosaik_discovery_peers_departed_total', { cause: 'graceful' })).toBe(1)
    expect(registry.value('mosaik_discovery_entries_rejected_total', { reason: 'outdated' })).toBe(1)
    expect(registry.value('mosaik_discovery_entries_rejected_total', { reason: 'future' })).toBe(1)
  })

  test('given new and changed entries, then their addresses are learnt', () => {
    const { store, learnt } = storeOf('me')
    store.take(entryRecord('a', { run: NOW }), 'gossip')
    store.take(entryRecord('a', { run: NOW, update: NOW, beat: NOW + 1 }), 'gossip')
    store.take(entryRecord('a', { run: NOW + 1 }), 'gossip')
    const { peerId } = identityOf('a')
    expect(learnt).toEqual([peerId, peerId])
  })

  test('given what came by sync, then discoveries and departures are news, updates are not', () => {
    const { store } = storeOf('me')
    const known = entryRecord('a', { run: NOW })
    expect(store.takeAll([{ record: known, ageMs: 0 }], 'sync').news).toEqual([{ record: known, ageMs: 0 }])
    const updated = entryRecord('a', { run: NOW, update: NOW + 1, tags: ['t'] })
    expect(store.takeAll([{ record: updated, ageMs: 0 }], 'sync').news).toEqual([])
    const gone = departureRecord('a', { run: NOW, update: NOW + 2 })
    expect(store.takeAll([{ record: gone, ageMs: 0 }], 'sync').news).toEqual([{ record: gone, ageMs: 0 }])
  })
})

describe('events for what is done by hand', () => {
  test('D-17, event for feed/insert/remove: given feed, insert, remove and clear, then each is an event', () => {
    const { store, events } = storeOf('me')
    const [a, b, c] = [entryRecord('a', { run: NOW }), entryRecord('b').entry, entryRecord('c').entry]
    store.take(a, 'feed')
    expect(store.insert(b)).toBe(true)
    expect(store.insert(b)).toBe(false)
    expect(store.insert(c)).toBe(true)
    expect(store.removeUnsigned([b.peer])).toBe(true)
    expect(store.removeUnsigned([b.peer])).toBe(false)
    expect(store.removeUnsigned(store.catalog.value.unsigned)).toBe(true)
    expect(store.removeUnsigned(store.catalog.value.unsigned)).toBe(false)
    expect(events).toEqual([
      { type: 'discovered', entry: a.entry, via: 'feed' },
      { type: 'discovered', entry: b, via: 'local' },
      { type: 'discovered', entry: c, via: 'local' },
      { type: 'departed', peer: b.peer, entry: b, cause: 'removed' },
      { type: 'departed', peer: c.peer, entry: c, cause: 'removed' },
    ])
  })
})

describe('purging', () => {
  test('given peers that fall silent one after the other, then each is purged in its time, and no timer is left', () => {
    const { store, clock, events } = storeOf('me', { purgeAfterMs: 1_000, tombstoneMs: 2_000 })
    store.take(entryRecord('a', { run: NOW }), 'gossip')
    clock.advance(600)
    store.take(entryRecord('b', { run: NOW }), 'gossip')
    clock.advance(399)
    expect(store.catalog.value.size).toBe(2)
    clock.advance(1)
    expect(store.catalog.value.size).toBe(1)
    clock.advance(600)
    expect(store.catalog.value.size).toBe(0)
    expect(events.slice(2)).toMatchObject([
      { type: 'departed', peer: identityOf('a').peerId, cause: 'stale' },
      { type: 'departed', peer: identityOf('b').peerId, cause: 'stale' },
    ])
    expect(clock.pendingCount).toBe(0)
  })

  test('given signs of life, then a peer is not purged', () => {
    const { store, clock } = storeOf('me', { purgeAfterMs: 1_000 })
    for (let beat = 0; beat < 10; beat++) {
      store.take(entryRecord('a', { run: NOW, update: NOW, beat: NOW + beat }), 'gossip')
      clock.advance(900)
    }
    expect(store.catalog.value.size).toBe(1)
  })

  test('given a store that was closed, then its timer is gone and its watch has ended', () => {
    const { store, clock } = storeOf('me')
    store.take(entryRecord('a', { run: NOW }), 'gossip')
    store.close()
    expect(clock.pendingCount).toBe(0)
    expect(store.catalog.ended).toBe(true)
  })
})

describe('clock skew', () => {
  test('D-14, clock skew: given a clock 60 s ahead, then its records are refused by every way, counted, and reported once', () => {
    const { store, events, registry, clock } = storeOf('me')
    const ahead = entryRecord('a', { run: NOW + 60_000 })
    expect(store.take(ahead, 'gossip')).toBe('future')
    expect(store.take(ahead, 'sync')).toBe('future')
    expect(store.take(ahead, 'feed')).toBe('future')
    expect(events).toEqual([{ type: 'clock-skewed', peer: ahead.peer, aheadMs: 60_000 }])
    expect(registry.value('mosaik_discovery_entries_rejected_total', { reason: 'future' })).toBe(3)
    clock.advance(20_000)
    expect(store.take(ahead, 'gossip')).toBeUndefined()
    expect(store.take(entryRecord('a', { run: NOW + 120_000 }), 'gossip')).toBe('future')
    expect(events.filter(({ type }) => type === 'clock-skewed')).toHaveLength(2)
  })

  test('D-14, clock skew: given a clock 60 s or a year behind, then the peer is known like any other', () => {
    const { store } = storeOf('me')
    expect(store.take(entryRecord('a', { run: NOW - 60_000 }), 'sync')).toBeUndefined()
    expect(store.take(entryRecord('b', { run: NOW - 31_536_000_000 }), 'sync')).toBeUndefined()
    expect(store.catalog.value.size).toBe(2)
  })
})

describe('records of our own identity', () => {
  test('D-15, own entry cannot be replaced: given a later record with our key, then we say the same again, and later', () => {
    const { store, own, events } = storeOf('me')
    own.change({ tags: ['mine'] }, NOW)
    let announced = 0
    store.onOwnChange(() => announced++)
    const foreign = entryRecord('me', { run: NOW + 5_000, tags: ['theirs'] })
    expect(store.take(foreign, 'feed')).toBe('own')
    expect(store.catalog.value.me.tags).toEqual(['mine'])
    expect(store.ownRecord.stamp.run).toBeGreaterThan(foreign.stamp.run)
    expect(announced).toBe(1)
    expect(events).toEqual([])
  })

  test('restart with the same key and a clock set back by an hour: then others accept the new life at once', () => {
    const [others, old] = [storeOf('other'), storeOf('me')]
    others.store.take(old.store.ownRecord, 'sync')
    const restarted = storeOf('me', { startedAtMs: NOW - 3_600_000 })
    expect(others.store.take(restarted.store.ownRecord, 'sync')).toBe('outdated')
    restarted.store.take(old.store.ownRecord, 'sync')
    expect(others.store.take(restarted.store.ownRecord, 'sync')).toBeUndefined()
    expect(restarted.events).toEqual([])
  })

  test('D-15, duplicate identity: given two processes with one key that hear each other, then both are told', () => {
    const [one, two] = [storeOf('me'), storeOf('me', { startedAtMs: NOW + 10 })]
    for (let round = 0; round < 3; round++) {
      one.store.take(two.store.ownRecord, 'sync')
      two.store.take(one.store.ownRecord, 'sync')
    }
    for (const { events, registry } of [one, two]) {
      expect(events).toContainEqual({ type: 'duplicate-identity', peer: identityOf('me').peerId })
      expect(registry.value('mosaik_discovery_duplicate_identities_total')).toBeGreaterThan(0)
    }
  })

  test('duplicate identity: given they keep contradicting each other, then the quarrel is slow', () => {
    const [one, two] = [storeOf('me'), storeOf('me', { startedAtMs: NOW + 10 })]
    let changes = 0
    one.store.onOwnChange(() => changes++)
    for (let tick = 0; tick < 600; tick++) {
      one.store.take(two.store.ownRecord, 'gossip')
      two.store.take(one.store.ownRecord, 'gossip')
      one.clock.advance(100)
      two.clock.advance(100)
    }
    expect(changes).toBeLessThanOrEqual(4 + 12)
  })

  test('given an echo of what we said before, then nothing happens', () => {
    const { store, own, events } = storeOf('me')
    const before = store.ownRecord
    own.change({ tags: ['x'] }, NOW)
    const after = store.ownRecord
    store.take(before, 'gossip')
    expect(store.ownRecord).toBe(after)
    expect(events).toEqual([])
  })
})
