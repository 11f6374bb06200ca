import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { seededRandom, systemRandom, toHex } from '#framework/primitives'

describe.each([
  ['the machine', systemRandom],
  ['a seed', seededRandom(1)],
])('chance from %s', (_, random) => {
  test('gives floats in [0, 1), spread evenly over ten bins', () => {
    const bins = Array.from({ length: 10 }, () => 0)
    for (let i = 0; i < 20_000; i++) bins[Math.floor(random.float() * 10)]!++
    // 2000 are expected in each; 300 are seven standard deviations.
    for (const count of bins) expect(Math.abs(count - 2_000)).toBeLessThan(300)
  })

  test('gives every integer below the bound and no other', () => {
    const seen = new Set(Array.from({ length: 500 }, () => random.int(5)))
    expect(seen).toEqual(new Set([0, 1, 2, 3, 4]))
    expect(random.int(1)).toBe(0)
  })

  test.each([0, -1, 1.5, NaN, Infinity, 2 ** 53])('has no integer below %p', (max) => {
    expect(() => random.int(max)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })

  test('gives as many bytes as asked for, all values among them', () => {
    expect(random.bytes(0)).toHaveLength(0)
    expect(new Set(random.bytes(10_000)).size).toBe(256)
  })
})

describe('a seed', () => {
  test('replays the same sequence for ever', () => {
    const random = seededRandom('mosaik')
    expect([random.float(), random.int(1_000), random.int(1_000)]).toMatchInlineSnapshot(`
     [
       0.6492400992370257,
       492,
       977,
     ]
    `)
    expect(toHex(random.bytes(6))).toMatchInlineSnapshot(`"d1d353ff71ab"`)
  })

  test('gives the same for the same, and something else for another', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.string()), fc.integer({ min: 1, max: 40 }), (seed, length) => {
        expect(seededRandom(seed).bytes(length)).toEqual(seededRandom(seed).bytes(length))
        expect(seededRandom(`${seed}!`).float()).not.toBe(seededRandom(seed).float())
      }),
    )
  })

  test('may be a number or its text', () => {
    expect(seededRandom(42).float()).toBe(seededRandom('42').float())
  })
})

// The largest float there is, times a large bound, must not be rounded up to the bound.
test('an integer stays below its bound however close the float is to one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (max) => {
      expect(Math.floor((1 - 2 ** -53) * max)).toBeLessThan(max)
    }),
  )
})
