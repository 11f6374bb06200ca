import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  configurationOf,
  isSingleStep,
  memberIdOf,
  nextMembershipStep,
  type MemberId,
  type MemberProgress,
  type MembershipFacts,
} from '#framework/groups/raft'
import type { PeerId } from '#framework/primitives'

const memberOf = (letter: string, incarnation = '01'): MemberId =>
  memberIdOf(letter.repeat(64) as PeerId, incarnation)
const [a, b, c, d, e, f] = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => memberOf(letter)) as MemberId[] as [
  MemberId,
  MemberId,
  MemberId,
  MemberId,
  MemberId,
  MemberId,
]

function progressOf(member: MemberId, over: Partial<MemberProgress> = {}): MemberProgress {
  return {
    member,
    role: 'voter',
    matchIndex: 100,
    state: 'replicate',
    caughtUpRounds: 5,
    silentTicks: 0,
    ...over,
  }
}

function factsOf(
  voters: MemberId[],
  learners: MemberId[],
  progress: MemberProgress[],
  over: Partial<MembershipFacts> = {},
): MembershipFacts {
  return {
    self: a,
    configuration: configurationOf(voters, learners),
    lastIndex: 100,
    progress,
    bonded: progress
      .filter(({ silentTicks }) => silentTicks === 0)
      .map(({ member }) => ({ member, isReader: false })),
    leaving: [],
    ...over,
  }
}

const change = (voters: MemberId[], learners: MemberId[] = []): unknown => ({
  do: 'change',
  configuration: configurationOf(voters, learners),
})

test('given a new bond, when it is no reader, then the member becomes a learner', () => {
  const bonded = [
    { member: b, isReader: false },
    { member: c, isReader: true },
  ]
  expect(nextMembershipStep(factsOf([a], [], [], { bonded }))).toEqual(change([a], [b]))
})

test('given a learner, when it is at most a little behind for two rounds, or has everything, then it becomes a voter', () => {
  const learner = (over: Partial<MemberProgress>): MemberProgress =>
    progressOf(b, { role: 'learner', ...over })
  const step = (over: Partial<MemberProgress>): unknown =>
    nextMembershipStep(factsOf([a], [b], [learner(over)]))
  expect(step({ caughtUpRounds: 1, matchIndex: 99 })).toBeUndefined()
  expect(step({ caughtUpRounds: 2, matchIndex: 99 })).toEqual(change([a, b]))
  expect(step({ caughtUpRounds: 0, matchIndex: 100 })).toEqual(change([a, b]))
})

test('given as many voters as there may be, when a learner has caught up, then it stays a learner until one is lost', () => {
  const progress = [b, c, d, e].map((member) => progressOf(member))
  const standby = progressOf(f, { role: 'learner' })
  const facts = factsOf([a, b, c, d, e], [f], [...progress, standby])
  expect(nextMembershipStep(facts)).toBeUndefined()
  const without = progress.map((known) => (known.member === c ? { ...known, silentTicks: 600 } : known))
  expect(nextMembershipStep(factsOf([a, b, c, d, e], [f], [...without, standby]))).toEqual(
    change([a, b, d, e], [f]),
  )
  expect(nextMembershipStep(factsOf([a, b, d, e], [f], [...without, standby]))).toEqual(
    change([a, b, d, e, f]),
  )
})

test('given three voters, when one is out of reach, then it keeps its vote until the patience is over', () => {
  const step = (silentTicks: number): unknown =>
    nextMembershipStep(factsOf([a, b, c], [], [progressOf(b), progressOf(c, { silentTicks })]))
  expect(step(599)).toBeUndefined()
  expect(step(600)).toEqual(change([a, b]))
})

test('given two voters, when the bond with the other is gone, then it loses its vote at once', () => {
  expect(nextMembershipStep(factsOf([a, b], [], [progressOf(b, { silentTicks: 1 })]))).toEqual(change([a]))
})

test('given a voter with a new incarnation, when that one is bonded, then the former one goes and the new one learns', () => {
  const reborn = memberOf('c', '02')
  const bonded = [b, reborn].map((member) => ({ member, isReader: false }))
  const progress = [progressOf(b), progressOf(c, { silentTicks: 1 })]
  expect(nextMembershipStep(factsOf([a, b, c], [], progress, { bonded }))).toEqual(change([a, b], [reborn]))
})

test('given a leader that leaves, when there is another voter, then the one with the longest log takes over', () => {
  const progress = [progressOf(b, { matchIndex: 90 }), progressOf(c)]
  expect(nextMembershipStep(factsOf([a, b, c], [], progress, { leaving: [a] }))).toEqual({
    do: 'transfer',
    target: c,
  })
  expect(nextMembershipStep(factsOf([a, b, c], [], progress, { leaving: [c] }))).toEqual(change([a, b]))
})

test('given a voter that leaves, when without it no majority could be reached, then one that is out of reach goes first', () => {
  const leaving = [b]
  const progress = [progressOf(b), progressOf(c, { silentTicks: 5 })]
  expect(nextMembershipStep(factsOf([a, b, c], [], progress, { leaving }))).toEqual(change([a, b]))
  expect(nextMembershipStep(factsOf([a, b], [], [progressOf(b)], { leaving }))).toEqual(change([a]))
  // Of four, the other two are a majority of the three that are left.
  const four = [progressOf(b), progressOf(c), progressOf(d, { silentTicks: 5 })]
  expect(nextMembershipStep(factsOf([a, b, c, d], [], four, { leaving }))).toEqual(change([a, c, d]))
})

test('given a leader that leaves, when the voter with the longest log is out of reach, then another one takes over', () => {
  const progress = [progressOf(b, { silentTicks: 5 }), progressOf(c, { matchIndex: 99 })]
  expect(nextMembershipStep(factsOf([a, b, c], [], progress, { leaving: [a] }))).toEqual({
    do: 'transfer',
    target: c,
  })
})

test('given any facts, when a step is taken, then it is a single one, never removes the leader, and the policy comes to rest', () => {
  const anyMember = fc.constantFrom(a, b, c, d, e, f, memberOf('b', '02'), memberOf('c', '02'))
  const anyProgress = fc.record({
    matchIndex: fc.constantFrom(0, 99, 100),
    caughtUpRounds: fc.nat(3),
    silentTicks: fc.constantFrom(0, 1, 600),
  })
  fc.assert(
    fc.property(
      fc.array(anyMember),
      fc.array(anyMember),
      fc.array(anyMember),
      fc.array(anyMember, { maxLength: 2 }),
      fc.array(anyProgress, { minLength: 8, maxLength: 8 }),
      (voters, learners, bonds, leaving, known) => {
        let configuration = configurationOf([a, ...voters], learners)
        // One incarnation of a peer is bonded at a time.
        const bonded = [...new Map(bonds.map((member) => [member.split('/')[0], member])).values()].map(
          (member) => ({
            member,
            isReader: false,
          }),
        )
        for (let steps = 0; ; steps++) {
          const members = [...configuration.voters, ...configuration.learners].filter(
            (member) => member !== a,
          )
          const progress = members.map((member, at) =>
            progressOf(member, {
              ...known[at % known.length],
              role: configuration.voters.includes(member) ? 'voter' : 'learner',
            }),
          )
          const facts = { ...factsOf([], [], progress), configuration, bonded, leaving }
          const step = nextMembershipStep(facts)
          if (step === undefined || step.do === 'transfer') return
          expect(isSingleStep(configuration, step.configuration)).toBe(true)
          expect(step.configuration.voters).toContain(a)
          expect(steps).toBeLessThan(40)
          configuration = step.configuration
        }
      },
    ),
  )
})
