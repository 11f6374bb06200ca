import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { priceLimit, PriceSet } from '../../../apps/orderbook/book/price-set.js'

const price = fc.oneof(
  fc.integer({ min: 0, max: priceLimit - 1 }),
  fc.integer({ min: 0, max: 70 }),
  // The ends of words on every level.
  fc.constantFrom(31, 32, 1023, 1024, 32_767, 32_768, priceLimit - 32, priceLimit - 1),
)

test('property: the next member in either direction is that of a sorted list', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ price, isAdded: fc.boolean() }), { maxLength: 60 }),
      fc.array(price, { minLength: 1, maxLength: 20 }),
      (changes, questions) => {
        const set = new PriceSet()
        const plain = new Set<number>()
        for (const { price: changed, isAdded } of changes) {
          if (isAdded) {
            set.add(changed)
            plain.add(changed)
          } else {
            set.delete(changed)
            plain.delete(changed)
          }
        }
        const sorted = [...plain].sort((a, b) => a - b)
        for (const asked of [...questions, ...plain]) {
          expect(set.atLeast(asked)).toBe(sorted.find((member) => member >= asked))
          expect(set.atMost(asked)).toBe(sorted.findLast((member) => member <= asked))
        }
      },
    ),
    { numRuns: 300 },
  )
})
