import { describe, expect, test } from '@jest/globals'
import { eventually, within } from '../support/eventually.js'

describe('eventually', () => {
  test('polls until the condition is true', async () => {
    let polls = 0
    await eventually(() => ++polls === 4)
    expect(polls).toBe(4)
  })

  test('polls until an assertion holds, synchronous or not', async () => {
    let polls = 0
    await eventually(() => expect(++polls).toBe(3))
    await eventually(async () => {
      await Promise.resolve()
      expect(++polls).toBe(6)
    })
    expect(polls).toBe(6)
  })

  test('gives up after its time with the last reason', async () => {
    let polls = 0
    const failing = eventually(
      () => {
        throw new Error(`poll ${++polls}`)
      },
      { timeoutMs: 20 },
    )
    await expect(failing).rejects.toThrow(/^poll \d+$/)
    await expect(failing).rejects.toThrow(`poll ${polls}`)
    expect(polls).toBeGreaterThan(1)
  })

  test('quotes a condition that stays false', async () => {
    const missing: string[] = []
    await expect(eventually(() => missing.includes('peer'), { timeoutMs: 5 })).rejects.toThrow(
      `includes('peer')`,
    )
  })
})

describe('within', () => {
  test('passes on how the promise settles', async () => {
    expect(await within(1_000, Promise.resolve(7))).toBe(7)
    await expect(within(1_000, Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  test('rejects when the promise does not settle in time', async () => {
    await expect(within(5, new Promise(() => undefined))).rejects.toThrow('not settled within 5 ms')
  })

  test('leaves no timer behind', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    await within(60_000, Promise.resolve())
    expect(timers()).toBe(before)
  })
})
