import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { seededRandom, type PeerId } from '#framework/primitives'
import { Identity } from '#framework/network'
import { PunchPlan } from '../../framework/network/reach/punch-plan.js'

const peers = Array.from({ length: 12 }, (_, i) => Identity.random(seededRandom(`peer-${i}`)).peerId)
const [alice, bob] = peers as [PeerId, PeerId]

function plan(): PunchPlan {
  return new PunchPlan(seededRandom('plan'))
}

describe('the plan of attempts to replace relayed connections', () => {
  test('given a relayed connection, the first attempt begins at once', () => {
    const made = plan()
    made.add('a', alice, 100)
    expect(made.nextAt).toBe(100)
    expect(made.begin(100)).toBe('a')
    expect(made.begin(100)).toBeUndefined()
    expect(made.nextAt).toBeUndefined()
  })

  test('given attempts that fail, each next one is later after the one before, and after the sixth there is none', () => {
    const made = plan()
    made.add('a', alice, 0)
    const delays: number[] = []
    let now = 0
    expect(made.begin(now)).toBe('a')
    for (;;) {
      now += 1_000
      made.ended('a', now)
      const { nextAt } = made
      if (nextAt === undefined) break
      expect(made.begin(nextAt - 1)).toBeUndefined()
      expect(made.begin(nextAt)).toBe('a')
      delays.push(nextAt - now)
      now = nextAt
    }
    expect(delays).toHaveLength(5)
    const nominal = [5_000, 15_000, 45_000, 135_000, 400_000]
    for (const [i, delay] of delays.entries()) {
      expect(delay).toBeGreaterThanOrEqual(nominal[i]! / 2)
      expect(delay).toBeLessThanOrEqual(nominal[i]! * 1.5)
    }
  })

  test('given a connection that is deleted, while it waits or while its attempt is under way, there is no further attempt', () => {
    const made = plan()
    made.add('a', alice, 0)
    made.add('b', bob, 0)
    made.delete('a')
    expect(made.begin(0)).toBe('b')
    made.delete('b')
    made.ended('b', 10)
    expect(made.nextAt).toBeUndefined()
    expect(made.begin(Infinity)).toBeUndefined()
  })

  test('given two relayed connections of one peer, the second one waits until the attempt for the first is over', () => {
    const made = plan()
    made.add('a', alice, 0)
    made.add('b', alice, 0)
    expect(made.begin(0)).toBe('a')
    expect(made.begin(0)).toBeUndefined()
    made.ended('a', 10)
    expect(made.begin(10)).toBe('b')
  })

  test('given more relayed connections than attempts may be under way, the others have their turn when one is over, those first that wait longest', () => {
    const made = plan()
    for (const [i, peer] of peers.slice(0, 10).entries()) made.add(`${i}`, peer, i)
    const begun = Array.from({ length: 10 }, () => made.begin(100))
    expect(begun).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', undefined, undefined])
    expect(made.nextAt).toBeUndefined()
    made.ended('3', 200)
    expect(made.begin(200)).toBe('8')
    expect(made.begin(200)).toBeUndefined()
  })

  test('given any course of events, no more than eight attempts are under way, one with each peer, six for each connection, and whoever waits is told when to ask again', () => {
    const key = fc.integer({ min: 0, max: 39 })
    const event = fc.oneof(
      fc.record({ type: fc.constant('add' as const), key }),
      fc.record({ type: fc.constant('delete' as const), key }),
      fc.record({ type: fc.constant('end' as const), key }),
      fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 300_000 }) }),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const made = plan()
        const there = new Set<string>()
        const everThere = new Set<string>()
        const underWay = new Map<string, PeerId>()
        const attempts = new Map<string, number>()
        let now = 0
        for (const happened of events) {
          const id = 'key' in happened ? `${happened.key}` : ''
          if (happened.type === 'pass') now += happened.ms
          if (happened.type === 'add' && !everThere.has(id)) {
            made.add(id, peers[Number(id) % peers.length]!, now)
            there.add(id)
            everThere.add(id)
          }
          if (happened.type === 'delete') {
            made.delete(id)
            there.delete(id)
          }
          if (happened.type === 'end' && underWay.delete(id)) made.ended(id, now)
          for (let begun = made.begin(now); begun !== undefined; begun = made.begin(now)) {
            expect(there).toContain(begun)
            const peer = peers[Number(begun) % peers.length]!
            expect([...underWay.values()]).not.toContain(peer)
            underWay.set(begun, peer)
            attempts.set(begun, (attempts.get(begun) ?? 0) + 1)
          }
          expect(underWay.size).toBeLessThanOrEqual(8)
          for (const count of attempts.values()) expect(count).toBeLessThanOrEqual(6)
          const free = [...there].some((other) => {
            const isSpent = (attempts.get(other) ?? 0) >= 6
            return !isSpent && ![...underWay.values()].includes(peers[Number(other) % peers.length]!)
          })
          expect(made.nextAt !== undefined).toBe(free && underWay.size < 8)
          if (made.nextAt !== undefined) expect(made.nextAt).toBeGreaterThan(now)
        }
      }),
      { numRuns: 200 },
    )
  })
})
