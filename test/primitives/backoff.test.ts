import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Backoff, seededRandom, type Random } from '#framework/primitives'

const always = (float: number): Random => ({ ...seededRandom(0), float: () => float })

const delays = (backoff: Backoff, count: number): number[] =>
  Array.from({ length: count }, () => backoff.next())

describe('a back-off', () => {
  test('given no jitter, grows by its factor up to its limit', () => {
    const backoff = new Backoff({ initialMs: 100, factor: 2, jitter: 0, maxMs: 1_000 }, seededRandom(1))
    expect(delays(backoff, 6)).toEqual([100, 200, 400, 800, 1_000, 1_000])
    expect(backoff.attempts).toBe(6)
  })

  test('given nothing, begins at half a second, give or take half, and ends at a minute', () => {
    const slowest = new Backoff({}, always(1 - 2 ** -53))
    const quickest = new Backoff({}, always(0))
    expect(quickest.next()).toBe(250)
    expect(slowest.next()).toBeCloseTo(750)
    expect(quickest.next()).toBe(375)
    expect(delays(slowest, 50).at(-1)).toBeCloseTo(60_000)
    expect(delays(quickest, 50).at(-1)).toBeCloseTo(20_000)
  })

  test('starts over after a reset', () => {
    const backoff = new Backoff({ jitter: 0 }, seededRandom(1))
    const first = delays(backoff, 5)
    backoff.reset()
    expect(backoff.attempts).toBe(0)
    expect(delays(backoff, 5)).toEqual(first)
  })

  test('stays within its jitter and never beyond its limit, whatever the options and however long', () => {
    const options = fc.record({
      initialMs: fc.integer({ min: 1, max: 10_000 }),
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      maxMs: fc.integer({ min: 1, max: 100_000 }),
    })
    fc.assert(
      fc.property(options, fc.integer(), ({ initialMs, factor, jitter, maxMs }, seed) => {
        const backoff = new Backoff({ initialMs, factor, jitter, maxMs }, seededRandom(seed))
        const strays = delays(backoff, 400).filter((delay, i) => {
          const nominal = Math.min(initialMs * factor ** i, maxMs / (1 + jitter))
          const isNear =
            delay >= nominal * (1 - jitter) * (1 - 1e-9) && delay <= nominal * (1 + jitter) * (1 + 1e-9)
          return !isNear || delay > maxMs * (1 + 1e-9)
        })
        expect(strays).toEqual([])
      }),
    )
  })

  test('at its limit still spreads the delays of many', () => {
    const last = Array.from({ length: 50 }, (_, seed) =>
      delays(new Backoff({}, seededRandom(seed)), 30).at(-1),
    )
    expect(new Set(last).size).toBe(50)
  })

  test.each([
    { initialMs: 0 },
    { factor: 0.9 },
    { jitter: -0.1 },
    { jitter: 1.1 },
    { maxMs: 0 },
    { factor: NaN },
  ])('cannot be made with %p', (options) => {
    expect(() => new Backoff(options, seededRandom(1))).toThrow(
      expect.objectContaining({ code: 'INVARIANT' }),
    )
  })
})
