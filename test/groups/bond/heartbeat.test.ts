import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { seededRandom } from '#framework/primitives'
import { defaultTiming, timingOf } from '../../../framework/groups/bond/group-timing.js'
import { Heartbeat, type Beat } from '../../../framework/groups/bond/heartbeat.js'

const { heartbeatIntervalMs, heartbeatJitterMs, missedHeartbeatsMax } = defaultTiming

/** A heartbeat and its time, which passes from tick to tick. */
class Scene {
  nowMs = 0
  readonly heartbeat: Heartbeat

  constructor(timing = defaultTiming) {
    this.heartbeat = new Heartbeat({ timing, random: seededRandom('heartbeat') }, 0)
  }

  /** @param lateMs How long the event loop was busy with something else when the tick was due. */
  tick(lateMs = 0): Beat {
    this.nowMs = this.heartbeat.dueMs + lateMs
    return this.heartbeat.tick(this.nowMs)
  }
}

describe('the heartbeat of a bond', () => {
  test('given a bond on which nothing is said, then there is a ping at every tick; given that something was, then there is none', () => {
    const scene = new Scene()
    scene.heartbeat.onReceived()
    expect(scene.tick()).toBe('ping')
    scene.heartbeat.onSent()
    expect(scene.tick()).toBe('idle')
    expect(scene.tick()).toBe('ping')
  })

  test('given ticks, then they come every 500 ms, give or take 150, and not at the same distance', () => {
    const scene = new Scene()
    const periods = Array.from({ length: 200 }, () => {
      const beforeMs = scene.nowMs
      scene.heartbeat.onReceived()
      scene.tick()
      return scene.nowMs - beforeMs
    })
    expect(Math.min(...periods)).toBeGreaterThanOrEqual(heartbeatIntervalMs - heartbeatJitterMs)
    expect(Math.max(...periods)).toBeLessThanOrEqual(heartbeatIntervalMs + heartbeatJitterMs)
    expect(Math.max(...periods) - Math.min(...periods)).toBeGreaterThan(heartbeatJitterMs)
  })

  test('given a peer that falls silent, then it is dead after 10 ticks, and not before', () => {
    const scene = new Scene()
    scene.heartbeat.onReceived()
    scene.tick()
    const beats = Array.from({ length: missedHeartbeatsMax }, () => scene.tick())
    expect(beats).toEqual([...Array.from({ length: missedHeartbeatsMax - 1 }, () => 'ping'), 'dead'])
    expect(scene.nowMs).toBeGreaterThan(missedHeartbeatsMax * (heartbeatIntervalMs - heartbeatJitterMs))
    expect(scene.nowMs).toBeLessThan((missedHeartbeatsMax + 1) * (heartbeatIntervalMs + heartbeatJitterMs))
  })

  test('given a word after nine silent ticks, then the count begins anew', () => {
    const scene = new Scene()
    for (let i = 0; i < missedHeartbeatsMax - 1; i++) expect(scene.tick()).toBe('ping')
    scene.heartbeat.onReceived()
    for (let i = 0; i < missedHeartbeatsMax; i++) expect(scene.tick()).toBe('ping')
    expect(scene.tick()).toBe('dead')
  })

  test('W-B10: given no jitter, then the ticks come at equal distances', () => {
    const scene = new Scene(timingOf({ heartbeatJitterMs: 0 }))
    const dueMs = [0, 1, 2].map(() => (scene.tick(), scene.nowMs))
    expect(dueMs).toEqual([500, 1_000, 1_500])
  })

  test('W-B10: given an event loop that is blocked for longer than a bond may be silent, then that is no missed heartbeat', () => {
    const scene = new Scene()
    scene.heartbeat.onReceived()
    scene.tick()
    expect(scene.tick(60_000)).toBe('ping')
    expect(scene.heartbeat.missed).toBe(0)
    // Now that the event loop turns again, what has arrived meanwhile is read.
    scene.heartbeat.onReceived()
    expect(scene.tick()).toBe('ping')
  })

  test('W-B10: given an event loop that is always late, then a dead peer is found out all the same, after twice as many ticks at most', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat({ max: 3_000 })), (lateness) => {
        const scene = new Scene()
        let ticks = 0
        for (const lateMs of lateness) {
          ticks++
          if (scene.tick(lateMs) === 'dead') break
        }
        return ticks >= missedHeartbeatsMax && ticks <= 2 * missedHeartbeatsMax
      }),
    )
  })

  // What was said right after a tick counts at the next: two long periods can pass, in which four short ones fit.
  test('given two sides that both keep to the rules, then neither is ever close to being held for dead', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.boolean(), { maxLength: 300 }), (seed, speaks) => {
        const random = seededRandom(seed)
        const a = new Heartbeat({ timing: defaultTiming, random }, 0)
        const b = new Heartbeat({ timing: defaultTiming, random }, random.float() * 500)
        for (const hasOwnWords of speaks) {
          const [speaker, listener] = a.dueMs <= b.dueMs ? [a, b] : [b, a]
          if (hasOwnWords) {
            speaker.onSent()
            listener.onReceived()
          }
          const beat = speaker.tick(speaker.dueMs)
          if (beat === 'ping') listener.onReceived()
          if (beat === 'dead' || a.missed > 4 || b.missed > 4) return false
        }
        return true
      }),
    )
  })
})
