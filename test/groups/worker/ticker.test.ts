import { expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import { Ticker, tickMs } from '../../../framework/groups/worker/ticker.js'

test('given groups that were joined at different times, when ticks pass, then all are told the same tick', () => {
  const clock = new ManualClock()
  const ticker = new Ticker(clock)
  const seen: (readonly [string, number, number])[] = []
  const follow = (name: string): void =>
    void ticker.follow((ticks, nowTick) => seen.push([name, ticks, nowTick]))
  follow('early')
  clock.advance(2 * tickMs)
  follow('late')
  clock.advance(tickMs)
  expect(seen.slice(-2)).toEqual([
    ['early', 1, 3],
    ['late', 1, 3],
  ])
})

test('given a group that is paused, when it goes on, then it hears of all ticks that it has missed, and the node takes no timer if all are', () => {
  const clock = new ManualClock()
  const ticker = new Ticker(clock)
  const seen: number[] = []
  const first = ticker.follow((ticks) => seen.push(ticks))
  const second = ticker.follow(() => {})
  clock.advance(tickMs)
  first.pause()
  clock.advance(3 * tickMs)
  second.pause()
  expect([clock.pendingCount, ticker.pausedCount]).toEqual([0, 2])
  clock.advance(100 * tickMs)
  expect(first.resume()).toEqual({ ticks: 103, nowTick: 104 })
  expect(first.resume()).toBeUndefined()
  clock.advance(tickMs)
  expect(seen).toEqual([1, 1])
  second.stop()
  expect(second.resume()).toBeUndefined()
  first.stop()
  expect([clock.pendingCount, ticker.pausedCount]).toEqual([0, 0])
})
