import { describe, expect, test } from '@jest/globals'
import { TurnBudget } from '../../framework/streams/turn-budget.js'

/** How many datums of that length one turn takes. */
function datumsInATurn(budget: TurnBudget, bytes: number): number {
  let count = 1
  while (!budget.spend(bytes)) count++
  return count
}

describe('the budget of a turn', () => {
  test('given short datums, ends the turn by their number', () => {
    expect(datumsInATurn(new TurnBudget(), 0)).toBe(1024)
    expect(datumsInATurn(new TurnBudget(), 128)).toBe(1024)
  })

  test('given long datums, ends the turn by their bytes, and after one datum at the latest', () => {
    expect(datumsInATurn(new TurnBudget(), 1024)).toBe(256)
    expect(datumsInATurn(new TurnBudget(), 64 * 1024)).toBe(4)
    expect(datumsInATurn(new TurnBudget(), 1024 * 1024)).toBe(1)
  })

  test('given a turn that has ended, counts anew', () => {
    const budget = new TurnBudget()
    const turns = Array.from({ length: 3 }, () => datumsInATurn(budget, 1000))
    expect(new Set(turns).size).toBe(1)
  })
})
