import { expect, test } from '@jest/globals'
import { within } from './eventually.js'
import { Patience } from './patience.js'

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

test('given a process that gets its turns, then patience is over when the clock says so', async () => {
  const startedAt = performance.now()
  using patience = new Patience(100)
  await patience.over
  expect(patience.isOver).toBe(true)
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(99)
})

test('given a turn that comes late, then little of the time before it counts', async () => {
  using patience = new Patience(500)
  const startedAt = performance.now()
  while (performance.now() - startedAt < 600);
  await turn()
  expect(patience.isOver).toBe(false)
})

test('given a promise that does not settle, then waiting for it ends, and says after how long', async () => {
  await expect(within(50, new Promise(() => {}))).rejects.toThrow('not settled within 50 ms')
})

test('given a promise that settles, then its outcome is that of waiting for it', async () => {
  expect(await within(5_000, Promise.resolve(1))).toBe(1)
  await expect(within(5_000, Promise.reject(new Error('no')))).rejects.toThrow('no')
})
