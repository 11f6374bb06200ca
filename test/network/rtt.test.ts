import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Identity } from '#framework/network'
import { InvariantError, ManualClock, seededRandom, type PeerId } from '#framework/primitives'
import { estimateAfter, type RttEstimate } from '../../framework/network/rtt/rtt-estimate.js'
import { RttTracker } from '../../framework/network/rtt/rtt-tracker.js'

const [peer, other, third] = ['peer', 'other', 'third'].map(peerNamed) as [PeerId, PeerId, PeerId]

function peerNamed(name: string): PeerId {
  return Identity.fromSeed(seededRandom(name).bytes(32)).peerId
}

/** The estimate after measurements, each given with the time since the one before. */
function estimateOf(samples: readonly { ms: number; afterMs: number }[]): RttEstimate {
  let nowMs = 0
  let estimate: RttEstimate | undefined
  for (const { ms, afterMs } of samples) estimate = estimateAfter(estimate, ms, (nowMs += afterMs))
  if (estimate === undefined) throw new Error('an estimate needs a sample')
  return estimate
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value)
}

describe('estimate', () => {
  test('given no samples, then the first of 100 ms yields 100 ms, and after 50 of 200 ms the estimate exceeds 195 ms', () => {
    const first = estimateAfter(undefined, 100, 0)
    expect(first).toEqual({ smoothedMs: 100, variationMs: 50, sampledAtMs: 0 })
    const samples = [{ ms: 100, afterMs: 0 }, ...times(50, { ms: 200, afterMs: 5_000 })]
    expect(estimateOf(samples).smoothedMs).toBeGreaterThan(195)
  })

  test('given samples five seconds apart, then the shares are those of RFC 6298', () => {
    const estimate = estimateAfter({ smoothedMs: 100, variationMs: 40, sampledAtMs: 0 }, 180, 5_000)
    expect(estimate.smoothedMs).toBeCloseTo((7 / 8) * 100 + (1 / 8) * 180)
    expect(estimate.variationMs).toBeCloseTo((3 / 4) * 40 + (1 / 4) * 80)
  })

  test('D-20: given a thousand samples a second for ten seconds, then they weigh as much as ten seconds do, and not more', () => {
    const before = { ms: 10, afterMs: 0 }
    const busy = estimateOf([before, ...times(10_000, { ms: 110, afterMs: 1 })]).smoothedMs
    const calm = estimateOf([before, ...times(2, { ms: 110, afterMs: 5_000 })]).smoothedMs
    expect(busy).toBeCloseTo(calm, 6)
    expect(busy).toBeLessThan(40)
    // Forty seconds are what it remembers: after that most of the estimate is new.
    const later = estimateOf([before, ...times(40_000, { ms: 110, afterMs: 1 })]).smoothedMs
    expect(later).toBeGreaterThan(70)
  })

  test('given many samples of one moment, then the estimate does not move', () => {
    const samples = [{ ms: 10, afterMs: 0 }, ...times(1_000, { ms: 500, afterMs: 0 })]
    expect(estimateOf(samples).smoothedMs).toBe(10)
  })

  test('given a long silence, then the next sample is nearly all of the estimate', () => {
    const estimate = estimateOf([
      { ms: 10, afterMs: 0 },
      { ms: 200, afterMs: 200_000 },
    ])
    expect(estimate.smoothedMs).toBeGreaterThan(195)
  })

  test('given any samples at any times, then the estimate is between the shortest and the longest, and time only grows', () => {
    const sample = fc.record({
      ms: fc.double({ min: 0, max: 1e6, noNaN: true }),
      afterMs: fc.double({ min: -1e3, max: 1e6, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 50 }), (samples) => {
        const all = samples.map(({ ms }) => ms)
        let nowMs = 0
        let estimate: RttEstimate | undefined
        for (const { ms, afterMs } of samples) {
          const next = estimateAfter(estimate, ms, (nowMs += afterMs))
          expect(next.sampledAtMs).toBeGreaterThanOrEqual(estimate?.sampledAtMs ?? -Infinity)
          estimate = next
        }
        expect(estimate?.smoothedMs).toBeGreaterThanOrEqual(Math.min(...all))
        expect(estimate?.smoothedMs).toBeLessThanOrEqual(Math.max(...all))
        expect(estimate?.variationMs).toBeGreaterThanOrEqual(0)
        expect(estimate?.variationMs).toBeLessThanOrEqual(Math.max(...all))
      }),
    )
  })

  test.each([-1, NaN, Infinity])('given %p as a round trip, then it is refused', (ms) => {
    expect(() => estimateAfter(undefined, ms, 0)).toThrow(InvariantError)
  })
})

function trackerOf(options: { peersMax?: number; expiryMs?: number } = {}) {
  const clock = new ManualClock()
  const tracker = new RttTracker({ clock, peersMax: 100, ...options })
  const told: PeerId[] = []
  return { clock, tracker, told, follow: tracker.subscribe((about) => void told.push(about)) }
}

describe('tracker', () => {
  test('given a tracked peer, when removed, then it has no RTT', () => {
    const { tracker, told } = trackerOf()
    tracker.note(peer, 20)
    expect(tracker.ms(peer)).toBe(20)
    tracker.remove(peer)
    expect(tracker.ms(peer)).toBeUndefined()
    expect(tracker.size).toBe(0)
    expect(told).toEqual([peer, peer])
  })

  test('D-20: given a peer that is not measured any more, then after five minutes its round trip is unknown, and that is told', () => {
    const { tracker, clock, told } = trackerOf()
    tracker.note(peer, 20)
    clock.advance(100_000)
    tracker.note(other, 30)
    told.length = 0
    clock.advance(199_999)
    expect(tracker.ms(peer)).toBe(20)
    clock.advance(1)
    expect(tracker.ms(peer)).toBeUndefined()
    expect(told).toEqual([peer])
    expect(tracker.ms(other)).toBe(30)
    clock.advance(100_000)
    expect(tracker.size).toBe(0)
    expect(told).toEqual([peer, other])
    expect(clock.pendingCount).toBe(0)
  })

  test('D-20: given noise, then nobody is told; given a round trip that has become another, then they are, once for each step', () => {
    const { tracker, clock, told } = trackerOf()
    const random = seededRandom('noise')
    tracker.note(peer, 50)
    told.length = 0
    for (let i = 0; i < 500; i++) {
      clock.advance(1_000)
      tracker.note(peer, 50 + 20 * (random.float() - 0.5))
    }
    expect(told).toEqual([])
    for (let i = 0; i < 100; i++) {
      clock.advance(1_000)
      tracker.note(peer, 100)
    }
    expect(tracker.ms(peer)).toBeGreaterThan(95)
    expect(told.length).toBeGreaterThanOrEqual(2)
    expect(told.length).toBeLessThanOrEqual(4)
  })

  test('given a threshold, then crossing it is told however small the change, in both directions, and to nobody else', () => {
    const { tracker, clock, told } = trackerOf()
    const crossed: (number | undefined)[] = []
    tracker.subscribe((about) => void crossed.push(tracker.ms(about)), { thresholdsMs: [100] })
    tracker.note(peer, 99)
    expect(crossed).toEqual([99])
    clock.advance(5_000)
    tracker.note(peer, 115)
    expect(crossed).toHaveLength(2)
    expect(crossed[1]).toBeCloseTo(101)
    clock.advance(5_000)
    tracker.note(peer, 101)
    expect(crossed).toHaveLength(2)
    clock.advance(5_000)
    tracker.note(peer, 85)
    expect(crossed).toHaveLength(3)
    expect(told).toEqual([peer])
  })

  test('given another path, then what was measured on the one before is forgotten', () => {
    const { tracker, clock } = trackerOf()
    tracker.note(peer, 200, 'relayed')
    clock.advance(1_000)
    tracker.note(peer, 10, 'direct')
    expect(tracker.get(peer)).toMatchObject({ smoothedMs: 10, variationMs: 5 })
  })

  test('given more peers than are kept, then the one that was measured longest ago is forgotten, and that is told', () => {
    const { tracker, told } = trackerOf({ peersMax: 2 })
    tracker.note(peer, 1)
    tracker.note(other, 2)
    tracker.note(peer, 1)
    told.length = 0
    tracker.note(third, 3)
    expect([peer, other, third].map((id) => tracker.ms(id))).toEqual([1, undefined, 3])
    expect(told).toEqual([other, third])
  })

  test('given a tracker that is closed, then it keeps nothing, takes nothing in and has no timer', () => {
    const { tracker, clock, told } = trackerOf()
    tracker.note(peer, 1)
    told.length = 0
    tracker.close()
    tracker.note(peer, 1)
    expect(tracker.size).toBe(0)
    expect(told).toEqual([])
    expect(clock.pendingCount).toBe(0)
  })

  test('given somebody who does not follow any more, then they are not told', () => {
    const { tracker, told, follow } = trackerOf()
    follow()
    tracker.note(peer, 1)
    expect(told).toEqual([])
  })
})
