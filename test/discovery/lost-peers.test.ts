import { describe, expect, test } from '@jest/globals'
import type { PeerId } from '#framework/primitives'
import { LostPeers } from '../../framework/discovery/lost-peers.js'
import { departureRecord, entryRecord, identityOf, storeOf } from './support.js'

const [alice, bob] = ['alice', 'bob'].map((name) => identityOf(name).peerId) as [PeerId, PeerId]

describe('peers whose connection broke', () => {
  test('given a connection that broke, then the peer is dialled at once, and is lost when it cannot be reached within a second', () => {
    const lost = new LostPeers()
    lost.onDisconnected(alice, 1_000)
    expect(lost.next(1_000)).toEqual({ redials: [alice], lost: [], atMs: 1_900 })
    expect(lost.next(1_899)).toEqual({ redials: [], lost: [], atMs: 1_900 })
    expect(lost.next(1_900)).toEqual({ redials: [], lost: [alice], atMs: Infinity })
    expect(lost.next(10_000)).toEqual({ redials: [], lost: [], atMs: Infinity })
  })

  test('given attempts that fail at once, then two of them are enough', () => {
    const lost = new LostPeers()
    lost.onDisconnected(alice, 0)
    expect(lost.next(0).redials).toEqual([alice])
    lost.onRedialFailed(alice, 5)
    expect(lost.next(5)).toEqual({ redials: [], lost: [], atMs: 305 })
    expect(lost.next(305).redials).toEqual([alice])
    lost.onRedialFailed(alice, 310)
    expect(lost.next(310).lost).toEqual([alice])
  })

  test('given a peer that is reached again, or has said goodbye, then it is not lost', () => {
    const lost = new LostPeers()
    lost.onDisconnected(alice, 0)
    lost.next(0)
    lost.onCleared(alice)
    lost.onRedialFailed(alice, 10)
    expect(lost.next(5_000)).toEqual({ redials: [], lost: [], atMs: Infinity })
  })

  test('given a connection that breaks again while its peer is being dialled, then the time is not started over', () => {
    const lost = new LostPeers()
    lost.onDisconnected(alice, 0)
    lost.next(0)
    lost.onDisconnected(alice, 800)
    expect(lost.next(900).lost).toEqual([alice])
  })

  test('given an uplink that fails, then not all peers are dialled at the same time, and all are lost in time', () => {
    const lost = new LostPeers()
    const peers = Array.from({ length: 100 }, (_, i) => identityOf(`peer ${i}`).peerId)
    for (const peer of peers) lost.onDisconnected(peer, 0)
    expect(lost.next(0).redials).toHaveLength(32)
    expect(lost.next(900).lost).toEqual(peers)
  })
})

describe('a catalog that has lost a peer', () => {
  const NOW = 1_700_000_000_000
  const beatOf = (beat: number, run = NOW) => entryRecord('bob', { run, beat, tags: ['x'] })

  function lostStore() {
    const made = storeOf('me')
    made.store.take(beatOf(NOW), 'gossip')
    made.clock.advance(1_000)
    expect(made.store.lose(bob)).toBe(true)
    return made
  }

  test('given a loss, then the peer has departed with that cause, once, and is counted', () => {
    const { store, events, registry } = lostStore()
    expect(store.catalog.value.peers.has(bob)).toBe(false)
    expect(events.at(-1)).toMatchObject({
      type: 'departed',
      peer: bob,
      cause: 'lost',
      entry: { tags: ['x'] },
    })
    expect(store.lose(bob)).toBe(false)
    expect(events).toHaveLength(2)
    expect(registry.value('mosaik_discovery_peers_departed_total', { cause: 'lost' })).toBe(1)
  })

  test('given a stranger, or an entry that nothing backs, then it cannot be lost', () => {
    const { store } = storeOf('me')
    expect(store.lose(bob)).toBe(false)
    store.insert(beatOf(NOW).entry)
    expect(store.lose(bob)).toBe(false)
    expect(store.catalog.value.peers.has(bob)).toBe(true)
  })

  test('given a lost peer, when others repeat what it had said before, then it stays away', () => {
    const { store, clock, events } = lostStore()
    // The very record again, and its last words, which were heard before or hardly after the loss.
    store.takeAll([{ record: beatOf(NOW), ageMs: 0 }], 'sync')
    clock.advance(500)
    store.take(beatOf(NOW + 1), 'gossip')
    clock.advance(60_000)
    store.takeAll([{ record: beatOf(NOW + 2), ageMs: 60_000 }], 'sync')
    expect(store.catalog.value.peers.has(bob)).toBe(false)
    expect(events).toHaveLength(2)
  })

  test('given a lost peer, when anybody has heard it later, by gossip or before a sync, then it is back', () => {
    for (const via of ['gossip', 'sync'] as const) {
      const { store, clock, events } = lostStore()
      clock.advance(10_000)
      store.takeAll([{ record: beatOf(NOW + 1), ageMs: via === 'sync' ? 5_000 : 0 }], via)
      expect(events.at(-1)).toMatchObject({ type: 'discovered', entry: { peer: bob }, via })
    }
  })

  test('given a lost peer that has been started again, then its new life is believed at once', () => {
    const { store, events } = lostStore()
    store.take(beatOf(NOW + 1, NOW + 1), 'gossip')
    expect(events.at(-1)).toMatchObject({ type: 'discovered', entry: { peer: bob } })
  })

  test('given a lost peer, when it is connected again, then it is back, and lives on from then', () => {
    const { store, clock, events } = lostStore()
    clock.advance(290_000)
    expect(store.revive(bob)).toBe(true)
    expect(store.revive(bob)).toBe(false)
    expect(events.at(-1)).toMatchObject({ type: 'discovered', entry: { peer: bob } })
    clock.advance(299_999)
    expect(store.catalog.value.peers.has(bob)).toBe(true)
    clock.advance(1)
    expect(store.catalog.value.peers.has(bob)).toBe(false)
  })

  test('given a lost peer that nobody hears any more, then it is forgotten without another word', () => {
    const { store, clock, events } = lostStore()
    clock.advance(300_000)
    expect(store.state.records.size).toBe(0)
    expect(events).toHaveLength(2)
    expect(store.revive(bob)).toBe(false)
  })

  test('given a lost peer, when its goodbye comes after all, then it has departed once, and stays away', () => {
    const { store, clock, events } = lostStore()
    clock.advance(10_000)
    store.take(departureRecord('bob', { run: NOW, update: NOW + 5 }), 'gossip')
    store.take(beatOf(NOW + 4), 'gossip')
    expect(events).toHaveLength(2)
    expect(store.revive(bob)).toBe(false)
  })
})
