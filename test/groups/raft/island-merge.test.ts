import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  compareStandings,
  configurationOf,
  onMergeMessage,
  onOtherCluster,
  type ClusterId,
  type ClusterStanding,
  type MemberId,
  type MergeDecision,
  type MergeFacts,
  type Verdict,
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
const verdict = (winner: number, loser: number, isAgreed = false): Verdict => ({
  winner: idOf(winner),
  loser: idOf(loser),
  shared: 0,
  isAgreed,
})

/** What a leader knows whose log has these verdicts, of which some are committed. */
function facts(
  own: ClusterStanding,
  verdicts: readonly Verdict[] = [],
  committed: readonly Verdict[] = verdicts,
): MergeFacts {
  const configuration = configurationOf(['a' as MemberId])
  return {
    standing: own,
    configuration: { ...configuration, verdicts },
    committed: { ...configuration, verdicts: committed },
  }
}

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
  const invitation = onOtherCluster(second.clusterId, facts(first))
  if (invitation.do !== 'send-standing') throw new Error('no invitation')
  const answer = onMergeMessage({ type: 'standing', standing: invitation.standing }, facts(second))
  if (answer.do !== 'send-standing') throw new Error('no answer')
  const decision = onMergeMessage({ type: 'standing', standing: answer.standing }, facts(first))
  if (decision.do !== 'commit-verdict') throw new Error('no verdict')
  const verdicts = [decision.verdict]
  expect(onOtherCluster(second.clusterId, facts(first, verdicts, []))).toEqual({ do: 'nothing' })
  const announcement = onOtherCluster(second.clusterId, facts(first, verdicts))
  if (announcement.do !== 'send-verdict') throw new Error('no announcement')
  const grown = { ...second, committed: second.committed + growth }
  const told = { type: 'verdict', verdict: announcement.verdict } as const
  return [decision, onMergeMessage(told, facts(grown))]
}

test('W-S4: given two islands, when their leaders meet, then exactly one of them yields, though both go on meanwhile', () => {
  fc.assert(
    fc.property(fc.nat(5), fc.nat(5), fc.nat(9), (ours, theirs, growth) => {
      const [arbiter, other] = exchange(standing(1, ours), standing(2, theirs), growth)
      const arbiterYields = arbiter!.do === 'commit-verdict' && arbiter!.verdict.loser === idOf(1)
      expect(arbiterYields).toBe(theirs > ours)
      expect(other!.do).toBe(arbiterYields ? 'nothing' : 'commit-verdict')
    }),
  )
})

test('given a verdict in the log, when the arbiter has a new leader, then that one announces the same', () => {
  const message = { type: 'standing', standing: standing(2, 100) } as const
  expect(onMergeMessage(message, facts(standing(1, 3), [verdict(1, 2)]))).toEqual({
    do: 'send-verdict',
    verdict: verdict(1, 2),
  })
})

test('given a verdict on its way into the log, when the other cluster asks, then it hears nothing yet, and nothing else is decided', () => {
  const message = { type: 'standing', standing: standing(2, 100) } as const
  expect(onMergeMessage(message, facts(standing(1, 3), [verdict(1, 2)], []))).toEqual({ do: 'nothing' })
})

test('given a verdict that the log has already, when it comes again, then nothing happens', () => {
  const message = { type: 'verdict', verdict: verdict(1, 2) } as const
  expect(onMergeMessage(message, facts(standing(2, 3), [verdict(1, 2)], []))).toEqual({ do: 'nothing' })
})

test('given a verdict of somebody who is no arbiter, when it comes, then nothing happens', () => {
  const message = { type: 'verdict', verdict: verdict(2, 1) } as const
  expect(onMergeMessage(message, facts(standing(1, 2)))).toEqual({ do: 'nothing' })
  expect(onMergeMessage(message, facts(standing(3, 2)))).toEqual({ do: 'nothing' })
})

test('given logs with a beginning in common, when one of two yields, then the verdict says how far that went', () => {
  const origin = (digit: number, committed: number) => ({
    clusterId: idOf(digit),
    lastTerm: 1,
    lastIndex: committed,
    committed,
  })
  const first = { ...standing(1, 9), lineage: [origin(3, 0), origin(1, 5)] }
  const second = { ...standing(2, 7), lineage: [origin(3, 0), origin(2, 4)] }
  const decision = onMergeMessage({ type: 'standing', standing: second }, facts(first))
  expect(decision).toEqual({ do: 'commit-verdict', verdict: { ...verdict(1, 2), shared: 4 } })
})
