import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { seededRandom } from '#framework/primitives'
import { AnnouncePolicy } from '../../framework/discovery/announce-policy.js'

function policy(jitter = 0) {
  return new AnnouncePolicy(
    { intervalMs: 10_000, jitter, purgeAfterMs: 300_000, random: seededRandom('announce') },
    0,
  )
}

/** A policy that has announced at 1 000 and has one neighbour. */
function settled(jitter = 0) {
  const one = policy(jitter)
  one.onNeighbours(1, true, 0)
  expect(one.tryAnnounce(1_000, 1)).toBe('news')
  return one
}

describe('when to announce', () => {
  test('given no neighbour, then never, however much changes; and then once, for all of it', () => {
    const isolated = policy()
    for (let now = 0; now < 60_000; now += 10) isolated.onChange(now)
    expect(isolated.dueAtMs).toBe(Infinity)
    expect(isolated.tryAnnounce(60_000, 1)).toBeUndefined()
    isolated.onNeighbours(1, true, 60_000)
    expect(isolated.tryAnnounce(60_000, 1)).toBe('news')
    expect(isolated.tryAnnounce(60_000, 1)).toBeUndefined()
  })

  test('given nothing new, then a sign of life is due after the interval', () => {
    const quiet = settled()
    expect(quiet.dueAtMs).toBe(11_000)
    expect(quiet.tryAnnounce(10_999, 1)).toBeUndefined()
    expect(quiet.tryAnnounce(11_000, 1)).toBe('sign-of-life')
    expect(quiet.dueAtMs).toBe(21_000)
  })

  test('given a network of more peers, then signs of life are rarer in proportion, but never so rare that others let go', () => {
    const periodOf = (peerCount: number): number => {
      const one = settled()
      expect(one.tryAnnounce(11_000, peerCount)).toBe('sign-of-life')
      return one.dueAtMs - 11_000
    }
    expect([1, 6, 10, 20, 60, 100, 10_000].map(periodOf)).toEqual([
      10_000, 10_000, 15_000, 30_000, 90_000, 150_000, 150_000,
    ])
  })

  test('given jitter, then periods spread over the interval ± 50 %', () => {
    const jittered = settled(0.5)
    const periods: number[] = []
    for (let now = 1_000, i = 0; i < 200; i++) {
      const due = jittered.dueAtMs
      periods.push(due - now)
      expect(jittered.tryAnnounce(due, 1)).toBe('sign-of-life')
      now = due
    }
    expect(Math.min(...periods)).toBeGreaterThanOrEqual(5_000)
    expect(Math.max(...periods)).toBeLessThanOrEqual(15_000)
    expect(Math.max(...periods) - Math.min(...periods)).toBeGreaterThan(8_000)
  })

  test('given a change, then it is due at once, and the sign of life moves on', () => {
    const one = settled()
    one.onChange(5_000)
    expect(one.tryAnnounce(5_000, 1)).toBe('news')
    expect(one.dueAtMs).toBe(15_000)
  })

  test('given a neighbour that appears, then we speak again shortly after; several together hear it once', () => {
    const one = settled()
    for (let count = 2; count < 8; count++) one.onNeighbours(count, true, 5_000 + count)
    expect(one.dueAtMs).toBe(10_002)
    expect(one.tryAnnounce(10_002, 1)).toBe('news')
    expect(one.dueAtMs).toBe(20_002)
  })

  test('given the first neighbour after a time without, then we speak again at once, for it knows nothing', () => {
    const one = settled()
    one.onNeighbours(0, false, 5_000)
    expect(one.dueAtMs).toBe(Infinity)
    one.onNeighbours(1, true, 6_000)
    expect(one.dueAtMs).toBe(6_200)
  })

  test('given a neighbour that leaves, then nothing is due because of it', () => {
    const one = settled()
    one.onNeighbours(2, true, 2_000)
    expect(one.tryAnnounce(7_000, 1)).toBe('news')
    one.onNeighbours(1, false, 8_000)
    expect(one.dueAtMs).toBe(17_000)
  })

  test('given an announcement that reached nobody, then it is tried again', () => {
    const one = settled()
    one.onFailure(1_000)
    expect(one.dueAtMs).toBe(2_000)
  })

  test('given changes without end, then no more is announced than receivers put up with, and the last one is', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 50, maxLength: 300 }), (gaps) => {
        const busy = settled()
        let [now, count] = [2_000, 0]
        for (const gap of gaps) {
          now += gap
          busy.onChange(now)
          if (busy.tryAnnounce(now, 1)) count++
        }
        expect(count).toBeLessThanOrEqual(16 + (2 * (now - 2_000)) / 1_000 + 2)
        const due = Math.max(now, busy.dueAtMs)
        if (busy.dueAtMs < now + 1_000) expect(busy.tryAnnounce(due, 1)).toBe('news')
      }),
    )
  })
})
