import { expect, test } from '@jest/globals'
import { nextTurn } from '#framework/primitives'
import { FlushSchedule } from '../../framework/streams/producing/flush-schedule.js'

/** How many datums each flush found, given how many are sent in each turn, one after the other as `await send()` does. */
async function flushesOf(...turns: readonly number[]): Promise<number[]> {
  const flushes: number[] = []
  let queued = 0
  const schedule = new FlushSchedule(() => {
    flushes.push(queued)
    queued = 0
  })
  for (const count of turns) {
    for (let n = 0; n < count; n++) {
      queued++
      schedule.notify()
      await Promise.resolve()
    }
    await nextTurn()
  }
  await nextTurn()
  await nextTurn()
  expect(queued).toBe(0)
  return flushes
}

test('given quiet turns, when one datum is sent in each, then each is written at once', async () => {
  expect(await flushesOf(1, 1, 0, 1)).toEqual([1, 1, 1])
})

test('given a quiet turn, when many are sent in one turn, then the first is written at once and the others together', async () => {
  expect(await flushesOf(10)).toEqual([1, 9])
})

test('given a busy turn, when many are sent in the next, then all of them are written together', async () => {
  expect(await flushesOf(10, 20, 30, 0, 5)).toEqual([1, 9, 20, 30, 1, 4])
})

test('given datums that are sent without a wait between them, then they are written together', async () => {
  const flushes: number[] = []
  let queued = 0
  const schedule = new FlushSchedule(() => flushes.push(queued))
  for (; queued < 10; queued++) schedule.notify()
  await nextTurn()
  await nextTurn()
  expect(flushes).toEqual([10])
})

test('given datums that are queued while others are written, as when room is made, then the turn is still watched once', async () => {
  const flushes: number[] = []
  let queued = 1
  const schedule = new FlushSchedule(() => {
    flushes.push(queued)
    queued = 0
    if (flushes.length > 3) return
    queued = 2
    schedule.notify()
  })
  schedule.notify()
  for (let microtask = 0; microtask < 10; microtask++) await Promise.resolve()
  expect(flushes).toEqual([1])
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  expect(flushes).toEqual([1, 2, 2, 2])
})
