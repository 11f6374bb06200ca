import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  absentMember,
  clusterIdOf,
  decideFounding,
  isStillborn,
  memberIdOf,
  type ClusterId,
  type Founding,
  type FoundingFacts,
  type FoundingPolicy,
  type MemberId,
} from '#framework/groups/raft'
import type { PeerId } from '#framework/primitives'

const peers = ['aa', 'bb', 'cc'].map((byte) => byte.repeat(32) as PeerId)
const members = peers.map((peer) => memberIdOf(peer, '01'))
const [a, b, c] = members as [MemberId, MemberId, MemberId]
const foreign = 'ff'.repeat(16) as ClusterId

function facts(self: MemberId, over: Partial<FoundingFacts> = {}): FoundingFacts {
  return { self, freshPeers: [], foundings: [], waitedTicks: 1_000_000, hasGivenWay: false, ...over }
}

const declared: FoundingPolicy = { type: 'declared', founders: peers, patienceTicks: 100 }

test('given declared founders, when one has not seen all the others, then it waits, and without a majority however long', () => {
  for (const freshPeers of [[], [b], [c]])
    expect(decideFounding(declared, facts(a, { freshPeers, waitedTicks: 99 }))).toEqual({ do: 'wait' })
  expect(decideFounding(declared, facts(a))).toEqual({ do: 'wait' })
})

test('given declared founders, when a majority has waited for the others, then the lowest of them founds, and those count as well', () => {
  const voters = [a, b, absentMember(peers[2]!)]
  expect(decideFounding(declared, facts(a, { freshPeers: [b] }))).toEqual({
    do: 'found',
    founding: { clusterId: clusterIdOf(voters), configuration: { voters, learners: [] } },
  })
  expect(decideFounding(declared, facts(b, { freshPeers: [a] }))).toEqual({ do: 'wait' })
})

test('given declared founders, when all have seen each other, then each founds the same cluster by itself', () => {
  const decisions = members.map((self) =>
    decideFounding(declared, facts(self, { freshPeers: members.filter((other) => other !== self) })),
  )
  const founding = { clusterId: clusterIdOf(members), configuration: { voters: [a, b, c], learners: [] } }
  expect(decisions).toEqual(members.map(() => ({ do: 'found', founding })))
})

test('given declared founders, when others than they are there as well, then those are no founders', () => {
  const guest = memberIdOf('dd'.repeat(32) as PeerId, '01')
  const decision = decideFounding(declared, facts(a, { freshPeers: [b, c, guest] }))
  expect(decision).toMatchObject({ founding: { configuration: { voters: [a, b, c] } } })
  expect(decideFounding(declared, facts(guest, { freshPeers: members }))).toEqual({ do: 'join' })
})

test('given a founder with a new storage, when the others have founded with the former one, then it joins', () => {
  const reborn = memberIdOf(peers[2]!, '02')
  const founding = { clusterId: clusterIdOf(members), configuration: { voters: members, learners: [] } }
  expect(decideFounding(declared, facts(reborn, { foundings: [founding] }))).toEqual({ do: 'join' })
  expect(clusterIdOf([a, b, reborn])).not.toBe(clusterIdOf(members))
})

test('given two incarnations of a founder, when both seem to be there, then nothing is founded', () => {
  const freshPeers = [b, c, memberIdOf(peers[2]!, '02')]
  expect(decideFounding(declared, facts(a, { freshPeers }))).toEqual({ do: 'wait' })
})

const policies: readonly FoundingPolicy[] = [
  { ...declared, founders: peers.slice(0, 2) },
  { type: 'expect', count: 2 },
  { type: 'auto', patienceTicks: 0 },
  { type: 'join-only' },
]

test.each(policies)(
  'given a founding that names this member a voter, when it is heard of by $type, then it is taken on as it is',
  (policy) => {
    const founding = { clusterId: clusterIdOf([a, b]), configuration: { voters: [a, b], learners: [] } }
    expect(decideFounding(policy, facts(b, { foundings: [founding] }))).toEqual({ do: 'found', founding })
  },
)

test.each(policies)(
  'given a cluster that names this member a voter, when it has changed before that is heard of by $type, then its first entry is not written by guess',
  (policy) => {
    const changed = [
      { clusterId: clusterIdOf([a, b]), configuration: { voters: [a, b], learners: [c] } },
      { clusterId: clusterIdOf([a, b]), configuration: { voters: [a, b, c], learners: [] } },
      { clusterId: clusterIdOf([a, c]), configuration: { voters: [a, b], learners: [] } },
    ]
    for (const founding of changed)
      expect(decideFounding(policy, facts(b, { foundings: [founding] }))).toEqual({ do: 'join' })
  },
)

test('given declared founders, when their cluster has an id, then it is the same for the same incarnations only', () => {
  const incarnations = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(incarnations, incarnations, (first, second) => {
      const clusters = [first, second].map((numbers) =>
        peers.map((peer, at) => memberIdOf(peer, `0${numbers[at]}`)),
      )
      const isSame = clusterIdOf(clusters[0]!) === clusterIdOf(clusters[1]!)
      expect(isSame).toBe(first.every((number, at) => number === second[at]))
    }),
  )
})

test('given "expect", when so many are there, then the lowest founds with exactly them and the others wait', () => {
  const policy: FoundingPolicy = { type: 'expect', count: 2 }
  expect(decideFounding(policy, facts(a))).toEqual({ do: 'wait' })
  expect(decideFounding(policy, facts(b, { freshPeers: [a, c] }))).toEqual({ do: 'wait' })
  expect(decideFounding(policy, facts(a, { freshPeers: [c, b] }))).toEqual({
    do: 'found',
    founding: { clusterId: clusterIdOf([a, b]), configuration: { voters: [a, b], learners: [] } },
  })
})

test('given "auto", when nobody has turned up for long enough, then the lowest of the fresh founds alone', () => {
  const policy: FoundingPolicy = { type: 'auto', patienceTicks: 100 }
  expect(decideFounding(policy, facts(a, { waitedTicks: 99 }))).toEqual({ do: 'wait' })
  expect(decideFounding(policy, facts(b, { freshPeers: [a] }))).toEqual({ do: 'wait' })
  expect(decideFounding(policy, facts(a, { freshPeers: [b], waitedTicks: 100 }))).toMatchObject({
    do: 'found',
    founding: { clusterId: clusterIdOf([a]), configuration: { voters: [a] } },
  })
})

test('given a member that has given way to another cluster, when it does not hear of that, then it founds none for long, and by no other policy than "auto"', () => {
  const policy: FoundingPolicy = { type: 'auto', patienceTicks: 100 }
  const after = (waitedTicks: number) => facts(a, { waitedTicks, hasGivenWay: true, freshPeers: [b, c] })
  expect(decideFounding(policy, after(699))).toEqual({ do: 'wait' })
  expect(decideFounding(policy, after(700))).toMatchObject({ do: 'found' })
  for (const other of [declared, { type: 'expect', count: 1 }] as const)
    expect(decideFounding(other, after(1_000_000))).toEqual({ do: 'join' })
})

test('given a cluster of others, when a member hears of it, then it joins, whatever the policy', () => {
  const foundings = [{ clusterId: foreign, configuration: { voters: [b], learners: [] } }]
  for (const policy of [declared, { type: 'expect', count: 1 }, { type: 'auto', patienceTicks: 0 }] as const)
    expect(decideFounding(policy, facts(a, { foundings }))).toEqual({ do: 'join' })
  expect(decideFounding({ type: 'join-only' }, facts(a))).toEqual({ do: 'join' })
})

test('given a cluster that has nothing but its founding, when nobody leads it for long, then that is forgotten, and nothing else is', () => {
  const configuration = { voters: [a, b], learners: [] }
  const vain = { configuration, lastIndex: 1, leaderlessTicks: 100 }
  expect(isStillborn(vain, 100)).toBe(true)
  expect(isStillborn({ ...vain, leaderlessTicks: 99 }, 100)).toBe(false)
  expect(isStillborn({ ...vain, lastIndex: 2 }, 100)).toBe(false)
  expect(isStillborn({ ...vain, configuration: { voters: [a], learners: [] } }, 100)).toBe(false)
  const joined = { configuration: { voters: [], learners: [] }, lastIndex: 0, leaderlessTicks: 100 }
  expect(isStillborn(joined, 100)).toBe(true)
})

/** A founder's storage, and what it has. */
interface Storage {
  readonly peer: PeerId
  incarnation: number
  founding: Founding | undefined
  /** It has something that a leader of that cluster has committed. */
  hasEntries: boolean
}

const memberOf = ({ peer, incarnation }: Storage): MemberId =>
  memberIdOf(peer, `${incarnation}`.padStart(2, '0'))

/** What a founder sees: some of the others, as they are. */
function look(own: Storage, seen: readonly Storage[], waitedTicks: number): FoundingFacts {
  const others = seen.filter((other) => other !== own)
  return {
    self: memberOf(own),
    freshPeers: others.filter(({ founding }) => founding === undefined).map(memberOf),
    foundings: others.flatMap(({ founding }) => founding ?? []),
    waitedTicks,
    hasGivenWay: false,
  }
}

const anySteps = fc.array(
  fc.record({
    who: fc.nat(4),
    sees: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    waitedTicks: fc.constantFrom(0, 100),
    forgets: fc.boolean(),
    leads: fc.boolean(),
  }),
  { maxLength: 80 },
)

test('property: given declared founders, whoever sees whom, and whoever forgets a founding of which it has nothing, then one cluster at most is ever led', () => {
  const founders = ['aa', 'bb', 'cc', 'dd', 'ee'].map((byte) => byte.repeat(32) as PeerId)
  let ledCount = 0
  fc.assert(
    fc.property(anySteps, (steps) => {
      const policy: FoundingPolicy = { type: 'declared', founders, patienceTicks: 100 }
      const storages = founders.map((peer): Storage => ({
        peer,
        incarnation: 1,
        founding: undefined,
        hasEntries: false,
      }))
      const led = new Set<ClusterId>()
      for (const { who, sees, waitedTicks, forgets, leads } of steps) {
        const own = storages[who]!
        const seen = storages.filter((_, place) => sees[place])
        if (own.founding === undefined) {
          const decision = decideFounding(policy, look(own, seen, waitedTicks))
          if (decision.do === 'found') own.founding = decision.founding
        } else if (forgets && !own.hasEntries) {
          own.founding = undefined
          own.incarnation++
        } else if (leads) {
          const { clusterId, configuration } = own.founding
          const followers = storages.filter(
            (other) =>
              other.founding?.clusterId === clusterId && configuration.voters.includes(memberOf(other)),
          )
          if (followers.length <= configuration.voters.length / 2) continue
          led.add(clusterId)
          // A majority has what was committed; the others may have got nothing yet.
          for (const follower of followers.slice(0, Math.floor(founders.length / 2) + 1))
            follower.hasEntries = true
        }
      }
      expect(led.size).toBeLessThanOrEqual(1)
      ledCount += led.size
    }),
    { numRuns: 1_000 },
  )
  expect(ledCount).toBeGreaterThan(0)
})
