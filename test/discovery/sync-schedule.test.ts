import { describe, expect, test } from '@jest/globals'
import { seededRandom, type PeerId } from '#framework/primitives'
import { SyncSchedule } from '../../framework/discovery/sync/sync-schedule.js'

const id = (first: string) => first.repeat(64) as PeerId
const self = id('5')
const [low, high, higher, highest] = [id('1'), id('a'), id('b'), id('c')]

function schedule(intervalMs = 1e9) {
  return new SyncSchedule({ self, intervalMs, reconnect: { jitter: 0 }, random: seededRandom('sync') }, 0)
}

describe('whom to sync with', () => {
  test('given two peers that meet, then the one with the smaller id syncs at once, the other only if that fails to happen', () => {
    const one = schedule()
    one.onConnections(new Set([low, high]), 0)
    expect(one.start(0)).toEqual([high])
    one.onEnd(high, true, true, 10)
    expect(one.dueAtMs).toBe(3_000)
    one.onSynced(low)
    expect(one.dueAtMs).toBeGreaterThan(4e8)

    const other = schedule()
    other.onConnections(new Set([low]), 0)
    expect(other.start(2_999)).toEqual([])
    expect(other.start(3_000)).toEqual([low])
  })

  test('given a connection that lasts, then there is one sync for it; given a new connection, then another', () => {
    const one = schedule()
    one.onConnections(new Set([high]), 0)
    expect(one.start(0)).toEqual([high])
    one.onEnd(high, true, true, 10)
    one.onConnections(new Set([high, higher]), 20)
    expect(one.start(20)).toEqual([higher])
    one.onEnd(higher, true, true, 30)
    one.onConnections(new Set([higher]), 40)
    one.onConnections(new Set([high, higher]), 50)
    expect(one.start(50)).toEqual([high])
  })

  test('D-2: given many peers at once, then no more than two syncs run at a time', () => {
    const one = schedule()
    one.onConnections(new Set([high, higher, highest]), 0)
    expect(one.start(0)).toHaveLength(2)
    expect(one.dueAtMs).toBe(Infinity)
    expect(one.start(1_000)).toEqual([])
    one.onEnd(high, true, true, 1_000)
    expect(one.start(1_000)).toEqual([highest])
  })

  test('D-5: given a sync that fails, then it is tried again with back-off as long as the peer is connected', () => {
    const one = schedule()
    one.onConnections(new Set([high]), 0)
    const times: number[] = []
    for (let now = 0; now < 10_000; now = one.dueAtMs) {
      expect(one.start(now)).toEqual([high])
      times.push(now)
      one.onEnd(high, false, true, now)
    }
    expect(times.slice(0, 4)).toEqual([0, 500, 1_250, 2_375])
    one.start(one.dueAtMs)
    one.onEnd(high, false, false, 20_000)
    expect(one.dueAtMs).toBe(Infinity)
  })

  test('given a peer that disconnects during a sync, then the sync still counts until it ends', () => {
    const one = schedule()
    one.onConnections(new Set([high, higher, highest]), 0)
    expect(one.start(0)).toEqual([high, higher])
    one.onConnections(new Set([highest]), 10)
    expect(one.start(10)).toEqual([])
    one.onEnd(high, false, false, 20)
    expect(one.start(20)).toEqual([highest])
    one.onEnd(higher, false, false, 30)
    one.onEnd(highest, true, true, 30)
    expect(one.dueAtMs).toBeGreaterThan(4e8)
  })

  test('given time passes, then now and then a random connected peer is chosen', () => {
    const one = schedule(1_000)
    one.onConnections(new Set([low, high, higher]), 0)
    const chosen: PeerId[] = []
    for (let now = 0; now < 50_000; now += 100) {
      for (const peer of one.start(now)) {
        chosen.push(peer)
        one.onEnd(peer, true, true, now)
      }
    }
    expect(new Set(chosen)).toEqual(new Set([low, high, higher]))
    expect(chosen.length).toBeGreaterThan(25)
    expect(chosen.length).toBeLessThan(110)
  })

  test('given rounds that bring no news, then they become rare; given news, then they are frequent again', () => {
    const one = schedule(60_000)
    one.onConnections(new Set([low]), 0)
    one.onSynced(low)
    one.onNews(0)
    const gaps: number[] = []
    for (let now = 0; gaps.length < 8;) {
      const due = one.dueAtMs
      gaps.push(due - now)
      now = due
      expect(one.start(now)).toEqual([low])
      one.onEnd(low, true, true, now)
    }
    const nominal = [2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000)
    for (const [index, gap] of gaps.entries()) {
      expect(gap).toBeGreaterThanOrEqual(0.5 * (nominal[index] ?? 0))
      expect(gap).toBeLessThanOrEqual(1.5 * (nominal[index] ?? 0))
    }
    one.onNews(1_000_000)
    expect(one.dueAtMs).toBeLessThanOrEqual(1_003_000)
  })

  test('D-21: given doubts, however many, then there is a sync within a second, and not more often than every five', () => {
    const one = schedule()
    one.onConnections(new Set([low]), 0)
    one.onSynced(low)
    const times: number[] = []
    for (let now = 10_000; now < 30_000; now += 10) {
      one.onDoubt(now)
      for (const peer of one.start(now)) {
        times.push(now)
        one.onEnd(peer, true, true, now)
      }
    }
    expect(times[0]).toBeLessThanOrEqual(11_000)
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(5_000)
    expect(times.length).toBeGreaterThanOrEqual(4)
  })

  test('given nobody is connected, then nothing is due', () => {
    const one = schedule(10)
    one.onDoubt(0)
    expect(one.dueAtMs).toBe(Infinity)
    expect(one.start(1_000)).toEqual([])
  })
})
