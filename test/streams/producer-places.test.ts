import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { PeerId } from '#framework/primitives'
import {
  ProducerPlaces,
  type PlacesPlan,
  type ProducerState,
} from '../../framework/streams/consuming/producer-places.js'

const [a, b, c, d] = ['a', 'b', 'c', 'd'] as PeerId[] as [PeerId, PeerId, PeerId, PeerId]
type States = Record<string, ProducerState>

function activeOf(states: States): ReadonlyMap<PeerId, ProducerState> {
  return new Map(Object.entries(states) as [PeerId, ProducerState][])
}

/** Places of a consumer that has been subscribed to these for a while. */
function placesOf(...holders: PeerId[]): ProducerPlaces {
  const places = new ProducerPlaces()
  places.plan(holders, activeOf({}))
  return places
}

const nothing: PlacesPlan = { subscribe: [], leave: [], failovers: [] }

test('given free places, then those who are chosen get them at once, and nothing failed over', () => {
  expect(new ProducerPlaces().plan([a, b], activeOf({}))).toEqual({ ...nothing, subscribe: [a, b] })
})

test('given subscriptions to those who are chosen, connected or not, then there is nothing to do', () => {
  expect(placesOf(a, b).plan([b, a], activeOf({ a: 'connected', b: 'connecting' }))).toEqual(nothing)
})

describe('given a producer that is lost', () => {
  test('then the next best takes its place at once', () => {
    expect(placesOf(a).plan([b], activeOf({}))).toEqual({
      subscribe: [b],
      leave: [],
      failovers: [{ from: a, to: b, cause: 'lost' }],
    })
  })

  test('and nobody else, then that is told, and told once', () => {
    const places = placesOf(a)
    expect(places.plan([], activeOf({}))).toEqual({
      ...nothing,
      failovers: [{ from: a, to: undefined, cause: 'lost' }],
    })
    expect(places.plan([], activeOf({}))).toEqual(nothing)
  })

  test('and one that was about to take the place of another, then it takes that of the lost one', () => {
    const places = placesOf(a, b)
    places.plan([c, b], activeOf({ a: 'connected', b: 'connected' }))
    expect(places.plan([c, a], activeOf({ a: 'connected', c: 'connecting' }))).toEqual({
      ...nothing,
      failovers: [{ from: b, to: c, cause: 'lost' }],
    })
  })
})

describe('given a producer that is less preferred than another', () => {
  test('then it keeps its place until the subscription to the other has begun', () => {
    const places = placesOf(a)
    expect(places.plan([b], activeOf({ a: 'connected' }))).toEqual({ ...nothing, subscribe: [b] })
    expect(places.plan([b], activeOf({ a: 'connected', b: 'connecting' }))).toEqual(nothing)
    expect(places.plan([b], activeOf({ a: 'connected', b: 'connected' }))).toEqual({
      subscribe: [],
      leave: [a],
      failovers: [{ from: a, to: b, cause: 'better' }],
    })
  })

  test('when the attempt at the other fails, then nothing has happened', () => {
    const places = placesOf(a)
    places.plan([b], activeOf({ a: 'connected', b: 'connecting' }))
    expect(places.plan([a], activeOf({ a: 'connected' }))).toEqual(nothing)
  })

  test('when the other is no longer preferred before it works, then the attempt is given up', () => {
    const places = placesOf(a)
    places.plan([b], activeOf({ a: 'connected', b: 'connecting' }))
    expect(places.plan([a], activeOf({ a: 'connected', b: 'connecting' }))).toEqual({
      ...nothing,
      leave: [b],
    })
  })

  test('of two such pairs, each is exchanged by itself', () => {
    const places = placesOf(a, b)
    const plan = places.plan(
      [c, d],
      activeOf({ a: 'connected', b: 'connected', c: 'connecting', d: 'connected' }),
    )
    expect(plan.failovers).toEqual([{ from: b, to: d, cause: 'better' }])
    expect(plan.leave).toEqual([b])
  })
})

test('given two producers that are less preferred than the one attempted, of which one works, then that one keeps its place', () => {
  const places = placesOf(a, b)
  places.plan([c], activeOf({ a: 'connecting', b: 'connected', c: 'connecting' }))
  expect(places.plan([c], activeOf({ b: 'connected', c: 'connecting' }))).toEqual(nothing)
})

test('given two preferred producers of which the second works, when it is not preferred any more before the first works, then it is kept until then', () => {
  const places = placesOf(a)
  places.plan([d, c], activeOf({ a: 'connecting' }))
  places.plan([d, c], activeOf({ a: 'connecting', d: 'connecting', c: 'connected' }))
  expect(places.plan([d], activeOf({ a: 'connecting', d: 'connecting', c: 'connected' }))).toEqual({
    subscribe: [],
    leave: [a],
    failovers: [{ from: a, to: undefined, cause: 'lost' }],
  })
  expect(places.plan([d], activeOf({ d: 'connected', c: 'connected' }))).toEqual({
    subscribe: [],
    leave: [c],
    failovers: [{ from: c, to: d, cause: 'better' }],
  })
})

test('given a producer that may not be preferred any more, and no other, then it is left', () => {
  expect(placesOf(a).plan([], activeOf({ a: 'connected' }))).toEqual({
    subscribe: [],
    leave: [a],
    failovers: [{ from: a, to: undefined, cause: 'lost' }],
  })
})

test('whatever happens, then what is chosen is subscribed to, everybody else is left in the end, and the stream never has fewer sources than it could have', () => {
  const peers = [a, b, c, d]
  const step = fc.record({
    chosen: fc.shuffledSubarray(peers, { maxLength: 2 }),
    /** What becomes of attempts, and who is lost, at this step. */
    connects: fc.subarray(peers),
    ends: fc.subarray(peers),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const places = new ProducerPlaces()
      const active = new Map<PeerId, ProducerState>()
      const carryOut = (chosen: readonly PeerId[]): PlacesPlan => {
        const before = new Map(active)
        const plan = places.plan(chosen, active)
        for (const peer of plan.subscribe) {
          expect(active.has(peer)).toBe(false)
          active.set(peer, 'connecting')
        }
        for (const peer of plan.leave) {
          expect(chosen).not.toContain(peer)
          active.delete(peer)
        }
        // Make before break: as many work afterwards as before, or as many as are wanted.
        const working = (states: ReadonlyMap<PeerId, ProducerState>): number =>
          [...states.values()].filter((state) => state === 'connected').length
        expect(working(active)).toBeGreaterThanOrEqual(Math.min(working(before), chosen.length))
        return plan
      }
      let latest: readonly PeerId[] = []
      for (const { chosen, connects, ends } of steps) {
        for (const peer of connects) if (active.has(peer)) active.set(peer, 'connected')
        carryOut(latest)
        for (const peer of ends) active.delete(peer)
        // As the ranking does, which knows who has just ended.
        latest = chosen.filter((peer) => !ends.includes(peer))
        const plan = carryOut(latest)
        for (const { from, to } of plan.failovers) expect(to).not.toBe(from)
      }
      for (const peer of [a, b]) active.set(peer, 'connected')
      carryOut([a, b])
      expect([...active.keys()].sort()).toEqual([a, b])
      expect(carryOut([a, b])).toEqual(nothing)
    }),
  )
})
