import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Unacknowledged } from '../../framework/streams/consuming/unacknowledged.js'

test('given acknowledgements out of order, then the first is the lowest that is missing', () => {
  const datums = new Unacknowledged()
  expect(datums.first).toBeUndefined()
  for (const sequence of [3, 4, 5, 9]) datums.add(sequence)
  datums.remove(4)
  datums.remove(9)
  expect(datums.first).toBe(3)
  datums.remove(3)
  expect(datums.first).toBe(5)
  datums.remove(5)
  expect(datums.first).toBeUndefined()
})

test('property: like a set of numbers, whatever is acknowledged, and how often', () => {
  const step = fc.oneof(
    { weight: 10, arbitrary: fc.record({ do: fc.constant('add' as const), skip: fc.nat(1) }) },
    { weight: 10, arbitrary: fc.record({ do: fc.constant('remove' as const), back: fc.nat(8) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const datums = new Unacknowledged()
      const model = new Set<number>()
      let next = 0
      for (const each of steps) {
        if (each.do === 'add') {
          next += each.skip
          datums.add(next)
          model.add(next++)
        } else if (each.do === 'remove') {
          datums.remove(next - each.back)
          model.delete(next - each.back)
        } else {
          datums.clear()
          model.clear()
        }
        expect(datums.first).toBe(model.size === 0 ? undefined : Math.min(...model))
      }
    }),
  )
})
