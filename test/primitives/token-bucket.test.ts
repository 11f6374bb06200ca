import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { TokenBucket } from '#framework/primitives'

describe('a token bucket', () => {
  test('allows a burst of its capacity, and then what flows in', () => {
    const bucket = new TokenBucket({ capacity: 3, perSecond: 10 }, 0)
    const burst = Array.from({ length: 5 }, () => bucket.tryTake(0))
    expect(burst).toEqual([true, true, true, false, false])
    expect(bucket.tryTake(99)).toBe(false)
    expect(bucket.tryTake(100)).toBe(true)
    expect(bucket.tryTake(100)).toBe(false)
  })

  test('never holds more than its capacity, however long nothing is taken', () => {
    const bucket = new TokenBucket({ capacity: 2, perSecond: 1_000 }, 0)
    expect(bucket.tryTake(3_600_000, 3)).toBe(false)
    expect(bucket.tryTake(3_600_000, 2)).toBe(true)
    expect(bucket.tryTake(3_600_000)).toBe(false)
  })

  test('takes all of what is asked for or nothing', () => {
    const bucket = new TokenBucket({ capacity: 5, perSecond: 0 }, 0)
    expect(bucket.tryTake(0, 6)).toBe(false)
    expect(bucket.tryTake(0, 5)).toBe(true)
  })

  test('given a clock that goes back and on again, gives nothing twice', () => {
    const bucket = new TokenBucket({ capacity: 1, perSecond: 1 }, 10_000)
    expect(bucket.tryTake(10_000)).toBe(true)
    expect(bucket.tryTake(5_000)).toBe(false)
    expect(bucket.tryTake(10_000)).toBe(false)
    expect(bucket.tryTake(11_000)).toBe(true)
  })

  test('that is full stays so when the clock goes back', () => {
    const bucket = new TokenBucket({ capacity: 1, perSecond: 1 }, 10_000)
    expect(bucket.tryTake(5_000)).toBe(true)
  })

  test('in any span of time gives at most its capacity and what flowed in', () => {
    const takes = fc.array(fc.record({ waitMs: fc.nat(500), n: fc.integer({ min: 1, max: 4 }) }), {
      minLength: 1,
    })
    const options = fc.record({
      capacity: fc.integer({ min: 1, max: 10 }),
      perSecond: fc.double({ min: 0, max: 100, noNaN: true }),
    })
    fc.assert(
      fc.property(options, takes, (limits, script) => {
        const bucket = new TokenBucket(limits, 0)
        const given: { atMs: number; n: number }[] = []
        let nowMs = 0
        for (const { waitMs, n } of script) {
          nowMs += waitMs
          given.push({ atMs: nowMs, n: bucket.tryTake(nowMs, n) ? n : 0 })
        }
        for (let from = 0; from < given.length; from++) {
          let total = 0
          for (let to = from; to < given.length; to++) {
            total += given[to]!.n
            const seconds = (given[to]!.atMs - given[from]!.atMs) / 1_000
            expect(total).toBeLessThanOrEqual(limits.capacity + limits.perSecond * seconds + 1e-6)
          }
        }
      }),
    )
  })

  test('can be overdrawn, and then gives nothing until that has flowed in', () => {
    const bucket = new TokenBucket({ capacity: 10, perSecond: 100 }, 0)
    bucket.take(0, 30)
    expect(bucket.available(0)).toBe(-20)
    expect(bucket.waitMs(0, 1)).toBeCloseTo(210)
    expect(bucket.tryTake(200)).toBe(false)
    expect(bucket.available(210)).toBeCloseTo(1)
    expect(bucket.available(1_000)).toBe(10)
  })

  test('says how long it takes until there are so many', () => {
    const bucket = new TokenBucket({ capacity: 10, perSecond: 100 }, 0)
    expect(bucket.waitMs(0, 10)).toBe(0)
    bucket.take(0, 10)
    expect(bucket.waitMs(50, 10)).toBeCloseTo(50)
    expect(bucket.waitMs(50, 11)).toBe(Infinity)
    const dry = new TokenBucket({ capacity: 1, perSecond: 0 }, 0)
    dry.take(0, 1)
    expect(dry.waitMs(0, 1)).toBe(Infinity)
  })

  test('given enough time between them, never refuses', () => {
    const bucket = new TokenBucket({ capacity: 1, perSecond: 3 }, 0)
    for (let i = 1; i < 1_000; i++) expect(bucket.tryTake(i * 334)).toBe(true)
  })

  test.each([
    { capacity: 0, perSecond: 1 },
    { capacity: 1, perSecond: -1 },
    { capacity: NaN, perSecond: 1 },
  ])('cannot be made with %p', (options) => {
    expect(() => new TokenBucket(options, 0)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })
})
