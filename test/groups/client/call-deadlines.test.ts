import { expect, test } from '@jest/globals'
import { ManualClock, TimeoutError } from '#framework/primitives'
import { CallDeadlines, type Limited } from '../../../framework/groups/client/call-deadlines.js'

function setUp(): { clock: ManualClock; deadlines: CallDeadlines<Limited>; over: [number, number][] } {
  const clock = new ManualClock()
  const over: [number, number][] = []
  const deadlines = new CallDeadlines<Limited>(clock, (limited, reason) => {
    expect(reason).toBeInstanceOf(TimeoutError)
    over.push([limited.deadlineMs, clock.monotonic()])
    deadlines.delete(limited)
  })
  return { clock, deadlines, over }
}

test('each call is over at its own time, whichever was made first', () => {
  const { clock, deadlines, over } = setUp()
  for (const deadlineMs of [100, 30, 50, Infinity]) deadlines.add({ deadlineMs })
  clock.advance(1_000)
  expect(over).toEqual([
    [30, 30],
    [50, 50],
    [100, 100],
  ])
  expect(clock.pendingCount).toBe(0)
})

test('given a call that has ended, then nothing is said of it, and those behind it are over at their time', () => {
  const { clock, deadlines, over } = setUp()
  const ended = { deadlineMs: 100 }
  deadlines.add(ended)
  clock.advance(60)
  deadlines.delete(ended)
  deadlines.add({ deadlineMs: 100 })
  clock.advance(99)
  expect(over).toEqual([])
  clock.advance(1)
  expect(over).toEqual([[100, 160]])
})

test('given many calls one after the other, then they share timers', () => {
  const { clock, deadlines } = setUp()
  for (let count = 0; count < 1_000; count++) {
    const call = { deadlineMs: 10_000 }
    deadlines.add(call)
    clock.advance(1)
    deadlines.delete(call)
    expect(clock.pendingCount).toBe(1)
  }
  deadlines.stop()
  expect(clock.pendingCount).toBe(0)
})
