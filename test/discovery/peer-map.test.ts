import { randomBytes } from 'node:crypto'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { toHex, type PeerId } from '#framework/primitives'
import { PeerMap } from '../../framework/discovery/peer-map.js'

/** Few different ids, some of one shard, so that collisions are frequent. */
const peers = fc.tuple(fc.constantFrom(0, 1, 255), fc.integer({ min: 0, max: 3 })).map(([first, last]) => {
  const bytes = new Uint8Array(32)
  bytes[0] = first
  bytes[31] = last
  return toHex(bytes) as PeerId
})

test('given any changes, then it equals a plain map in the order of ids, and older maps stay as they were', () => {
  const change = fc.record({ peer: peers, value: fc.option(fc.integer({ min: 0, max: 2 })) })
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      let map = PeerMap.empty<number>()
      const model = new Map<PeerId, number>()
      for (const { peer, value } of changes) {
        const before = map
        const entriesBefore = [...before]
        if (value === null) {
          model.delete(peer)
          map = map.without(peer)
        } else {
          model.set(peer, value)
          map = map.with(peer, value)
        }
        expect([...before]).toEqual(entriesBefore)
        expect(map.size).toBe(model.size)
        expect(map.get(peer)).toBe(model.get(peer))
        expect(map.has(peer)).toBe(model.has(peer))
      }
      expect([...map]).toEqual([...model].toSorted(([a], [b]) => (a < b ? -1 : 1)))
      expect([...map.keys()]).toEqual([...map].map(([key]) => key))
      expect([...map.values()]).toEqual([...map].map(([, value]) => value))
    }),
  )
})

test('given a change that changes nothing, then it is the same map', () => {
  const peer = 'ab'.repeat(32) as PeerId
  const map = PeerMap.empty<string>().with(peer, 'x')
  expect(map.with(peer, 'x')).toBe(map)
  expect(map.without('cd'.repeat(32) as PeerId)).toBe(map)
})

test('given values of different weight, then the map knows their sum after any changes', () => {
  const change = fc.record({ peer: peers, value: fc.option(fc.integer({ min: 0, max: 9 })) })
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      let map = PeerMap.empty<number>((value) => value)
      for (const { peer, value } of changes) map = value === null ? map.without(peer) : map.with(peer, value)
      expect(map.weight).toBe([...map.values()].reduce((sum, value) => sum + value, 0))
    }),
  )
})

test('given ten thousand peers, then a snapshot shares what has not changed', () => {
  let map = PeerMap.empty<object>()
  for (let i = 0; i < 10_000; i++) map = map.with(toHex(randomBytes(32)) as PeerId, {})
  const changes = 2_000
  const before = performance.now()
  let latest = map
  for (let i = 0; i < changes; i++) latest = latest.with(toHex(randomBytes(32)) as PeerId, {})
  // A copy of all entries for each change would take a hundred times as long.
  expect((performance.now() - before) / changes).toBeLessThan(0.15)
  expect([map.size, latest.size]).toEqual([10_000, 12_000])
})

test('given two maps of which one was made from the other, then it names the peers with another value, and no others', () => {
  const change = fc.record({ peer: peers, value: fc.option(fc.integer({ min: 0, max: 2 })) })
  const applied = (map: PeerMap<number>, changes: readonly { peer: PeerId; value: number | null }[]) =>
    changes.reduce(
      (now, { peer, value }) => (value === null ? now.without(peer) : now.with(peer, value)),
      map,
    )
  fc.assert(
    fc.property(fc.array(change), fc.array(change), (first, then) => {
      const earlier = applied(PeerMap.empty<number>(), first)
      const later = applied(earlier, then)
      const known = [...new Set([...earlier.keys(), ...later.keys()])]
      const different = known.filter((peer) => earlier.get(peer) !== later.get(peer))
      expect(later.changedSince(earlier).toSorted()).toEqual(different.toSorted())
      expect(earlier.changedSince(later).toSorted()).toEqual(different.toSorted())
    }),
  )
})
