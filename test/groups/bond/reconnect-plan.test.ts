import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { seededRandom, type PeerId } from '#framework/primitives'
import { attachmentRank, bondsWantedBy } from '../../../framework/groups/bond/attachment.js'
import { ReconnectPlan, type ReconnectPlanOptions } from '../../../framework/groups/bond/reconnect-plan.js'

const self = '88'.repeat(32) as PeerId
const peer = 'ee'.repeat(32) as PeerId
const smaller = '11'.repeat(32) as PeerId

function planWith(options: Partial<ReconnectPlanOptions> = {}): ReconnectPlan {
  const random = seededRandom('plan')
  return new ReconnectPlan({ self, random, bondsWanted: Infinity, dialsMax: 16, ...options })
}

describe('a plan of reconnection', () => {
  test('given news of a peer, then it is dialled at once; by the one with the larger id a little later', () => {
    const plan = planWith()
    plan.offer(peer, 1_000)
    plan.offer(smaller, 1_000)
    expect(plan.take(1_000)).toEqual([peer])
    expect(plan.nextMs).toBe(1_100)
    expect(plan.take(1_100)).toEqual([smaller])
    expect(plan.nextMs).toBe(Infinity)
  })

  test('W-L8: given a lost bond, then it is dialled again after about 250 ms, and then less and less often, but every 10 s at least', () => {
    const plan = planWith()
    plan.offer(peer, 0)
    plan.take(0)
    plan.bonded(peer, 0)
    let nowMs = 60_000
    plan.lost(peer, nowMs, false)
    const delays: number[] = []
    for (let i = 0; i < 12; i++) {
      delays.push(plan.nextMs - nowMs)
      nowMs = plan.nextMs
      expect(plan.take(nowMs)).toEqual([peer])
      plan.failed(peer, nowMs)
    }
    expect(delays[0]).toBeGreaterThan(250 * 0.7 - 1)
    expect(delays[0]).toBeLessThan(250 * 1.3 + 1)
    expect(Math.max(...delays)).toBeLessThanOrEqual(10_000)
    expect(delays.slice(-4).every((delay) => delay > 4_000)).toBe(true)
    // Jitter: no two peers that have lost the same one keep in step.
    expect(new Set(delays.slice(-4)).size).toBe(4)
  })

  test('W-L8: given failures, when there is news of the peer, then it is dialled at once', () => {
    const plan = planWith()
    plan.offer(peer, 0)
    let nowMs = 0
    for (let i = 0; i < 8; i++) {
      plan.take(nowMs)
      plan.failed(peer, nowMs)
      nowMs = plan.nextMs
    }
    plan.take(nowMs)
    plan.failed(peer, nowMs)
    expect(plan.nextMs).toBeGreaterThan(nowMs + 1_000)
    plan.offer(peer, nowMs)
    expect(plan.take(nowMs)).toEqual([peer])
    plan.failed(peer, nowMs)
    expect(plan.nextMs).toBeLessThan(nowMs + 400)
  })

  test('given bonds that end as soon as they are made, then the pauses grow as if they had never been', () => {
    const plan = planWith()
    plan.offer(peer, 0)
    let nowMs = 0
    for (let i = 0; i < 8; i++) {
      expect(plan.take(nowMs)).toEqual([peer])
      plan.bonded(peer, nowMs)
      plan.lost(peer, nowMs + 10, false)
      nowMs = plan.nextMs
    }
    expect(nowMs).toBeGreaterThan(20_000)
  })

  test('given a peer that has said goodbye, then nobody hurries to dial it; given news of it, then at once', () => {
    const plan = planWith()
    plan.offer(peer, 0)
    plan.take(0)
    plan.bonded(peer, 0)
    plan.lost(peer, 20_000, true)
    expect(plan.nextMs).toBe(30_000)
    plan.offer(peer, 21_000)
    expect(plan.nextMs).toBe(21_000)
  })

  test('given a peer that is no candidate any more, then it is not dialled', () => {
    const plan = planWith()
    plan.offer(peer, 0)
    plan.withdraw(peer)
    expect(plan.take(10)).toEqual([])
    plan.offer(peer, 20)
    plan.take(20)
    plan.withdraw(peer)
    plan.failed(peer, 30)
    plan.lost(peer, 40, false)
    expect(plan.nextMs).toBe(Infinity)
  })

  test('given a change on this side, then what has failed is tried again at once', () => {
    const plan = planWith()
    plan.offer(peer, 0)
    plan.take(0)
    plan.failed(peer, 0)
    expect(plan.take(1)).toEqual([])
    plan.retryAll(1)
    expect(plan.take(1)).toEqual([peer])
  })

  test('W-B2: given any history, then nobody is dialled who is being dialled or bonded, no more at a time than may be, and no more than are wanted', () => {
    const peers = Array.from({ length: 6 }, (_, n) => `${n}`.repeat(64) as PeerId)
    const event = fc.record({
      peer: fc.constantFrom(...peers),
      what: fc.constantFrom('offer', 'withdraw', 'failed', 'bonded', 'lost', 'retry', 'time'),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 150 }), fc.integer({ min: 1, max: 4 }), (events, dialsMax) => {
        const bondsWanted = 3
        const plan = planWith({ dialsMax, bondsWanted })
        const dialled = new Set<PeerId>()
        const bonded = new Set<PeerId>()
        let nowMs = 0
        for (const { peer: about, what } of events) {
          if (what === 'offer') plan.offer(about, nowMs)
          // The owner does not withdraw what it still has: it would be told of it again.
          if (what === 'withdraw' && !dialled.has(about) && !bonded.has(about)) plan.withdraw(about)
          if (what === 'retry') plan.retryAll(nowMs)
          if (what === 'failed' && dialled.delete(about)) plan.failed(about, nowMs)
          if (what === 'bonded' && dialled.delete(about)) {
            bonded.add(about)
            plan.bonded(about, nowMs)
          }
          if (what === 'lost' && bonded.delete(about)) plan.lost(about, nowMs, false)
          if (what === 'time') nowMs += 400
          for (const taken of plan.take(nowMs)) {
            expect(dialled.has(taken) || bonded.has(taken)).toBe(false)
            dialled.add(taken)
          }
          expect(dialled.size).toBeLessThanOrEqual(dialsMax)
          expect(dialled.size + bonded.size).toBeLessThanOrEqual(bondsWanted)
          expect(plan.nextMs).toBeGreaterThan(nowMs)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('W-B9: whom a reader attaches to', () => {
  const members = Array.from({ length: 9 }, (_, n) => `${n}`.repeat(64) as PeerId)
  const readers = Array.from({ length: 300 }, (_, n) => n.toString(16).padStart(64, '0') as PeerId)

  test('given a member, then it wants a bond with everybody; given a reader, then with three', () => {
    expect(bondsWantedBy('member')).toBe(Infinity)
    expect(bondsWantedBy('reader')).toBe(3)
  })

  test('given many readers, then they spread evenly over the members', () => {
    const counts = new Map<PeerId, number>()
    for (const reader of readers) {
      const rank = (member: PeerId) => attachmentRank(reader, member)
      const plan = planWith({ self: reader, bondsWanted: 3, rank })
      for (const member of members) plan.offer(member, 0)
      const chosen = plan.take(1_000)
      expect(chosen).toHaveLength(3)
      for (const member of chosen) counts.set(member, (counts.get(member) ?? 0) + 1)
    }
    expect(counts.size).toBe(members.length)
    for (const count of counts.values()) expect(count).toBeGreaterThan(60)
  })

  test('given a reader that cannot reach the members it prefers, then it takes others, and no more than it needs', () => {
    const plan = planWith({ bondsWanted: 3, rank: (member) => attachmentRank(self, member) })
    for (const member of members) plan.offer(member, 0)
    const first = plan.take(1_000)
    plan.failed(first[0]!, 1_000)
    plan.bonded(first[1]!, 1_000)
    plan.bonded(first[2]!, 1_000)
    const second = plan.take(1_000)
    expect(second).toHaveLength(1)
    expect(first).not.toContain(second[0])
    plan.bonded(second[0]!, 1_000)
    expect(plan.take(100_000)).toEqual([])
    plan.lost(first[1]!, 100_000, false)
    expect(plan.take(100_000)).toHaveLength(1)
  })
})
