import { expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import { hedgeMs, Hedge } from '../../../framework/groups/member/hedge.js'

function setUp() {
  const clock = new ManualClock()
  let widenedCount = 0
  const hedge = new Hedge({ clock, widen: () => widenedCount++ })
  return { clock, hedge, widened: () => widenedCount }
}

test('given a round that is not confirmed, then it is widened after a while, once', () => {
  const { clock, hedge, widened } = setUp()
  hedge.watch(7)
  hedge.watch(7)
  clock.advance(hedgeMs - 1)
  expect(widened()).toBe(0)
  clock.advance(1)
  expect(widened()).toBe(1)
  hedge.watch(7)
  clock.advance(1_000)
  expect(widened()).toBe(1)
})

test('given one round after the other, then each has its time, and those that are confirmed leave no timer behind', () => {
  const { clock, hedge, widened } = setUp()
  for (let round = 1; round <= 100; round++) {
    hedge.watch(round)
    clock.advance(1)
    if (round % 2 === 0) hedge.watch(undefined)
  }
  expect(clock.pendingCount).toBe(0)
  expect(widened()).toBe(0)
})
