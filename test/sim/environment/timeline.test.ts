import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { seededRandom } from '#framework/primitives'
import { Timeline } from './timeline.js'

function runAll(timeline: Timeline): void {
  while (timeline.step(1_000_000));
}

test('events happen in the order of their times, those of one time in the order in which they were planned', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (delays) => {
      const timeline = new Timeline()
      const happened: { readonly delay: number; readonly number: number; readonly nowMs: number }[] = []
      delays.forEach((delay, number) => {
        timeline.after(delay, () => happened.push({ delay, number, nowMs: timeline.nowMs }))
      })
      runAll(timeline)
      const expected = delays
        .map((delay, number) => ({ delay, number, nowMs: delay }))
        .sort((a, b) => a.delay - b.delay || a.number - b.number)
      expect(happened).toEqual(expected)
    }),
  )
})

test('an event may plan others, also for the same moment, which come after those that were there', () => {
  const timeline = new Timeline()
  const happened: string[] = []
  timeline.after(1, () => {
    happened.push('first')
    timeline.after(0, () => happened.push('third'))
    timeline.after(2, () => happened.push('fourth'))
  })
  timeline.after(1, () => happened.push('second'))
  runAll(timeline)
  expect(happened).toEqual(['first', 'second', 'third', 'fourth'])
})

test('without an event until the time asked for, it becomes that time', () => {
  const timeline = new Timeline()
  timeline.after(10, () => undefined)
  expect(timeline.step(5)).toBe(false)
  expect(timeline.nowMs).toBe(5)
  expect(timeline.step(10)).toBe(true)
  expect(timeline.nowMs).toBe(10)
})

test('a heap of many events stays in order while events come and go', () => {
  const timeline = new Timeline()
  const random = seededRandom('heap')
  let lastMs = 0
  let left = 2_000
  const happen = (): void => {
    expect(timeline.nowMs).toBeGreaterThanOrEqual(lastMs)
    lastMs = timeline.nowMs
    for (let i = 0; i < 2 && left > 0; i++, left--) timeline.after(random.int(100), happen)
  }
  happen()
  runAll(timeline)
  expect(left).toBe(0)
  expect(timeline.pendingCount).toBe(0)
})
