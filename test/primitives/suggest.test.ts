import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { suggest } from '#framework/primitives'
import { editDistance } from '../../framework/primitives/suggest.js'

const keys = ['use', 'replicas', 'tags', 'config', 'listen']

test.each([
  ['replica', 'replicas'],
  ['relpicas', 'replicas'],
  ['Listen', 'listen'],
  ['tag', 'tags'],
  ['uses', 'use'],
  ['conf', 'config'],
])('given "%s", "%s" was meant', (typed, meant) => {
  expect(suggest(typed, keys)).toBe(meant)
})

test.each(['extends', 'x', '', 'use', 'l'.repeat(1000)])('given "%s", nothing is suggested', (typed) => {
  expect(suggest(typed, keys)).toBeUndefined()
})

test('given several names that begin with the text, none is preferred', () => {
  expect(suggest('samp', ['samples-eu', 'samples-us'])).toBeUndefined()
  expect(suggest('samp', ['samples-eu', 'alerts'])).toBe('samples-eu')
})

test('given two names at the same distance, the first is suggested', () => {
  expect(suggest('cat', ['bat', 'rat'])).toBe('bat')
})

test.each([
  ['', '', 0],
  ['abc', '', 3],
  ['abc', 'abc', 0],
  ['abc', 'acb', 1],
  ['abc', 'axc', 1],
  ['abcd', 'bcd', 1],
  ['kitten', 'sitting', 3],
  ['ca', 'abc', 3],
])('from "%s" to "%s" it is %d steps', (from, to, steps) => {
  expect(editDistance(from, to)).toBe(steps)
})

test('given any two words, the distance is symmetric, zero for equal words only, and bounded by the longer one', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 })
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b)
      expect(editDistance(b, a)).toBe(distance)
      expect(distance === 0).toBe(a === b)
      expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length))
    }),
  )
})

test('the nearest name is the one that a slip of the hand away', () => {
  expect(suggest('order', ['trades', 'orders', 'fills'])).toBe('orders')
  expect(suggest('ordesr', ['orders'])).toBe('orders')
  expect(suggest('Orders', ['orders'])).toBe('orders')
  expect(suggest('ab', ['abc'])).toBe('abc')
  expect(suggest('x', ['y'])).toBeUndefined()
  expect(suggest('alerts', ['samples', 'summaries'])).toBeUndefined()
  expect(suggest('orders', ['orders', 'order'])).toBeUndefined()
  expect(suggest('orders', [])).toBeUndefined()
})
