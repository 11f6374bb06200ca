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
