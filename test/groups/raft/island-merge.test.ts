import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  IslandMerge,
  compareStandings,
  decodeVerdict,
  encodeVerdict,
  type ClusterId,
  type ClusterStanding,
  type MergeDecision,
} from '#framework/groups/raft'

const idOf = (digit: number): ClusterId => `${digit}`.repeat(32) as ClusterId
const standing = (digit: number, committed: number, lastTerm = 1): ClusterStanding => ({
  clusterId: idOf(digit),
  committed,
  lastTerm,
})
const anyStanding = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.nat(3), fc.nat(3))
  .map(([digit, committed, lastTerm]) => standing(digit, committed, lastTerm))

test('given any clusters, when compared, then there is one order, and none is equal to another', () => {
  fc.assert(
    fc.property(anyStanding, anyStanding, anyStanding, (a, b, c) => {
      expect(Math.sign(compareStandings(a, b))).toBe(0 - Math.sign(compareStandings(b, a)))
      if (compareStandings(a, b) < 0 && compareStandings(b, c) < 0)
        expect(compareStandings(a, c)).toBeLessThan(0)
      if (a.clusterId !== b.clusterId) expect(compareStandings(a, b)).not.toBe(0)
    }),
  )
})

/** What the two leaders of an exchange come to commit, when the second's cluster grows in between. */
function exchange(first: ClusterStanding, second: ClusterStanding, growth: number): MergeDecision[] {
  const arbiter = new IslandMerge(first.clusterId, second.clusterId)
  const other = new IslandMerge(second.clusterId, first.clusterId)
  const invitation = arbiter.onMet(first)
  if (invitation.do !== 'send-standing') throw new Error('no invitation')
  const answer = other.onMessage({ type: 'standing', standing: invitation.standing }, second)
  if (answer.do !== 'send-standing') throw new Error('no answer')
  const decision = arbiter.onMessage({ type: 'standing', standing: answer.standing }, first)
  if (decision.do !== 'commit-verdict') throw new Error('no verdict')
  expect(arbiter.onMet(first)).toEqual({ do: 'nothing' })
  const announcement = arbiter.onCommitted()
  if (announcement.do !== 'send-verdict') throw new Error('no announcement')
  const grown = { ...second, committed: second.committed + growth }
  return [decision, other.onMessage({ type: 'verdict', verdict: announcement.verdict }, grown)]
}

test('W-S4: given two islands, when their leaders meet, then exactly one of them yields, though both go on meanwhile', () => {
  fc.assert(
    fc.property(fc.nat(5), fc.nat(5), fc.nat(9), (ours, theirs, growth) => {
      const [arbiter, other] = exchange(standing(1, ours), standing(2, theirs), growth)
      const arbiterYields = arbiter!.do === 'commit-verdict' && arbiter!.verdict.loser.clusterId === idOf(1)
      expect(arbiterYields).toBe(theirs > ours)
      expect(other!.do).toBe(arbiterYields ? 'nothing' : 'commit-verdict')
    }),
  )
})

test('given a verdict in the log, when the arbiter has a new leader, then that one announces the same', () => {
  const verdict = { winner: standing(1, 3), loser: standing(2, 2) }
  const successor = new IslandMerge(idOf(1), idOf(2), verdict)
  const later = successor.onMessage({ type: 'standing', standing: standing(2, 100) }, standing(1, 3))
  expect(later).toEqual({ do: 'send-verdict', verdict })
})

test('given a verdict of somebody who is no arbiter, when it comes, then nothing happens', () => {
  const arbiter = new IslandMerge(idOf(1), idOf(2))
  const verdict = { winner: standing(2, 3), loser: standing(1, 2) }
  expect(arbiter.onMessage({ type: 'verdict', verdict }, standing(1, 2))).toEqual({ do: 'nothing' })
  const third = new IslandMerge(idOf(3), idOf(1))
  expect(third.onMessage({ type: 'verdict', verdict }, standing(3, 2))).toEqual({ do: 'nothing' })
})

test('given a verdict, when encoded, then it comes back, and other bytes do not', () => {
  const verdict = { winner: standing(1, 3), loser: standing(2, 2) }
  expect(decodeVerdict(encodeVerdict(verdict))).toEqual(verdict)
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeVerdict(bytes)))
  expect(decodeVerdict(Uint8Array.of(0x90))).toBeUndefined()
})
