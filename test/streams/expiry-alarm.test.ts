import { beforeEach, describe, expect, test } from '@jest/globals'
import { ExpiryAlarm } from '#framework/discovery'
import { ManualClock } from '#framework/primitives'

let clock: ManualClock
let rings: number[]
let alarm: ExpiryAlarm

beforeEach(() => {
  clock = new ManualClock()
  rings = []
  alarm = new ExpiryAlarm(clock, () => rings.push(clock.now()))
})

describe('an expiry alarm', () => {
  test('given expirations, then it rings once, right after the first, and has one timer until then', () => {
    const start = clock.now()
    alarm.set([start + 500, 'never', start + 200, start + 900])
    expect(clock.pendingCount).toBe(1)
    clock.advance(200)
    expect(rings).toEqual([])
    clock.advance(1)
    expect(rings).toEqual([start + 201])
    expect(clock.pendingCount).toBe(0)
  })

  test('given nothing that expires, then there is no timer', () => {
    alarm.set([])
    alarm.set(['never', 'never'])
    expect(clock.pendingCount).toBe(0)
  })

  test('S-11: when what would have expired was renewed, then it does not ring before the new time', () => {
    const start = clock.now()
    alarm.set([start + 200])
    clock.advance(100)
    alarm.set([start + 1_000])
    clock.advance(800)
    expect(rings).toEqual([])
    clock.advance(200)
    expect(rings).toEqual([start + 1_001])
  })

  test('S-11: given what expired between its validation and this, then it rings soon, but never at once', () => {
    alarm.set([clock.now() - 5])
    expect(rings).toEqual([])
    clock.advance(0)
    expect(rings).toHaveLength(1)
  })

  test('given 90 days, which is longer than a timer can be, then it rings after 90 days', () => {
    const days = 24 * 3_600_000
    const start = clock.now()
    alarm.set([start + 90 * days])
    clock.advance(89 * days)
    expect(rings).toEqual([])
    clock.advance(days + 1)
    expect(rings).toEqual([start + 90 * days + 1])
  })

  test('when the wall clock is set forward past the expiration, then it rings within a minute', () => {
    alarm.set([clock.now() + 3_600_000])
    clock.setNow(clock.now() + 7_200_000)
    clock.advance(60_000)
    expect(rings).toHaveLength(1)
  })

  test('when the wall clock is set back, then it waits for it to get there', () => {
    const until = clock.now() + 1_000
    alarm.set([until])
    clock.setNow(clock.now() - 500)
    clock.advance(1_400)
    expect(rings).toEqual([])
    clock.advance(101)
    expect(rings).toEqual([until + 1])
  })

  test('when it is cancelled, then there is no timer and it does not ring', () => {
    alarm.set([clock.now() + 5])
    alarm.cancel()
    expect(clock.pendingCount).toBe(0)
    clock.advance(10)
    expect(rings).toEqual([])
  })
})
