import { beforeEach, describe, expect, test } from '@jest/globals'
import type { PeerEntry } from '#framework/discovery'
import type { Host } from '#framework/network'
import { ManualClock, nextTurn, type PeerId } from '#framework/primitives'
import { RttTracker } from '../../framework/network/rtt/rtt-tracker.js'
import { measureRoundTrip } from '../../framework/streams/eligibility/round-trip.js'

const peer = 'ab'.repeat(32) as PeerId
const other = 'cd'.repeat(32) as PeerId

let clock: ManualClock
let rtt: RttTracker
let connected: PromiseWithResolvers<PeerId>
let dialled: number
let leaving: AbortController
let state: unknown

/** Begins to measure, and follows what becomes of it in `state`. */
function begin(): void {
  const host = {
    rtt,
    connect: () => {
      dialled++
      return connected.promise
    },
  } as unknown as Host
  state = 'pending'
  measureRoundTrip({ host, clock }, { peer, addresses: [] } as unknown as PeerEntry, leaving.signal).then(
    () => (state = 'done'),
    (error: unknown) => (state = error),
  )
}

beforeEach(() => {
  clock = new ManualClock()
  rtt = new RttTracker({ clock, peersMax: 8 })
  connected = Promise.withResolvers()
  dialled = 0
  leaving = new AbortController()
})

describe('S-14: measuring a round trip before a subscription', () => {
  test('given one that is known, then there is nothing to do', async () => {
    rtt.note(peer, 5)
    begin()
    await nextTurn()
    expect([state, dialled]).toEqual(['done', 0])
  })

  test('given one that is not known, then it connects, and waits for the measurement of that peer', async () => {
    begin()
    rtt.note(other, 5)
    connected.resolve(peer)
    await nextTurn()
    expect([state, dialled]).toEqual(['pending', 1])
    rtt.note(peer, 5)
    await nextTurn()
    expect(state).toBe('done')
  })

  test('given a connection that measures nothing, then it gives up waiting after two seconds', async () => {
    begin()
    connected.resolve(peer)
    await nextTurn()
    clock.advance(1_999)
    await nextTurn()
    expect(state).toBe('pending')
    clock.advance(1)
    await nextTurn()
    expect(state).toBe('done')
  })

  test('when the subscription is given up meanwhile, then it rejects with the reason, and leaves no timer', async () => {
    const reason = new Error('left')
    begin()
    connected.resolve(peer)
    await nextTurn()
    const before = clock.pendingCount
    leaving.abort(reason)
    await nextTurn()
    expect(state).toBe(reason)
    expect(clock.pendingCount).toBe(before - 1)
  })

  test('when the peer cannot be reached, then it rejects with that', async () => {
    const reason = new Error('unreachable')
    begin()
    connected.reject(reason)
    await nextTurn()
    expect(state).toBe(reason)
  })
})
