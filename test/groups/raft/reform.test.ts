import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  configurationOf,
  QuorumLoss,
  type ClusterId,
  type ClusterOrigin,
  type KnownMember,
  type LogEnd,
  type MemberId,
  type ReformFacts,
} from '#framework/groups/raft'
import { sharedCommands } from '../../../framework/groups/raft/lineage.js'
import { CLUSTER, Cluster } from './cluster.js'

const idOf = (digit: number): ClusterId => `${digit}`.repeat(32) as ClusterId
const [a, b, c] = ['a', 'b', 'c'] as unknown as [MemberId, MemberId, MemberId]
const [first, second, third] = [idOf(1), idOf(2), idOf(3)]
const afterTicks = 100

function origin(
  clusterId: ClusterId,
  lastIndex = 0,
  lastTerm = lastIndex && 1,
  committed = 0,
): ClusterOrigin {
  return { clusterId, lastTerm, lastIndex, committed }
}

function known(member: MemberId, over: Partial<KnownMember> = {}): KnownMember {
  return { member, clusterId: first, lineage: [origin(first)], survivor: undefined, ...over }
}

function facts(over: Partial<ReformFacts> = {}): ReformFacts {
  return {
    self: a,
    clusterId: first,
    configuration: { ...configurationOf([a, b, c]), lineage: [origin(first)] },
    end: { lastTerm: 1, lastIndex: 5 },
    hasLeader: false,
    bonded: [],
    ...over,
  }
}

describe('whether a majority is lost', () => {
  test('given nobody else, then it is when the time is over, and not before', () => {
    const loss = new QuorumLoss(afterTicks)
    expect(loss.onTick(afterTicks - 1, facts())).toEqual({ do: 'wait' })
    expect(loss.isLost).toBe(false)
    expect(loss.onTick(1, facts())).toEqual({ do: 'reform', learners: [] })
  })

  test.each([
    ['a leader', { hasLeader: true }],
    ['bonds with a majority', { bonded: [known(b)] }],
  ])('given %s in between, then the time begins anew', (_, seen) => {
    const loss = new QuorumLoss(afterTicks)
    loss.onTick(afterTicks - 1, facts())
    loss.onTick(1, facts(seen))
    expect(loss.onTick(afterTicks - 1, facts())).toEqual({ do: 'wait' })
    expect(loss.onTick(1, facts()).do).toBe('reform')
  })

  test('given voters that have gone over to another cluster, then they are none of this one', () => {
    const loss = new QuorumLoss(afterTicks)
    const gone = known(b, { clusterId: second, lineage: [origin(second)] })
    expect(loss.onTick(afterTicks, facts({ bonded: [gone] })).do).toBe('reform')
  })

  test('given a member that was taken out, then it has no say', () => {
    const loss = new QuorumLoss(afterTicks)
    const configuration = { ...configurationOf([b, c]), lineage: [origin(first)] }
    expect(loss.onTick(10 * afterTicks, facts({ configuration })).do).toBe('wait')
  })
})

describe('who makes the other cluster', () => {
  const five = { ...configurationOf(['a', 'b', 'c', 'd', 'e'] as MemberId[]), lineage: [origin(first)] }
  const with5 = (bonded: readonly KnownMember[]): ReformFacts => facts({ configuration: five, bonded })

  test('given another survivor that still waits for the majority, then nobody does', () => {
    const loss = new QuorumLoss(afterTicks)
    expect(loss.onTick(10 * afterTicks, with5([known(b)])).do).toBe('wait')
    expect(loss.onTick(1, with5([known(b, { survivor: { lastTerm: 1, lastIndex: 5 } })]))).toEqual({
      do: 'reform',
      learners: [b],
    })
  })

  test.each<[string, LogEnd, MemberId]>([
    ['a later term', { lastTerm: 2, lastIndex: 1 }, b],
    ['more of the same term', { lastTerm: 1, lastIndex: 6 }, b],
    ['as much, and a lower id', { lastTerm: 1, lastIndex: 5 }, '0' as MemberId],
  ])(
    'given another one with %s, then that one, and this one if it has not for as long again',
    (_, survivor, member) => {
      const loss = new QuorumLoss(afterTicks)
      const ahead = with5([known(member, { survivor })])
      loss.onTick(afterTicks, ahead)
      expect(loss.onTick(afterTicks - 1, ahead).do).toBe('wait')
      expect(loss.onTick(1, ahead)).toEqual({ do: 'reform', learners: [member] })
    },
  )

  test.each<[string, LogEnd, MemberId]>([
    ['an earlier term', { lastTerm: 0, lastIndex: 9 }, '0' as MemberId],
    ['less of the same term', { lastTerm: 1, lastIndex: 4 }, '0' as MemberId],
    ['as much, and a higher id', { lastTerm: 1, lastIndex: 5 }, b],
  ])('given another one with %s, then this one at once', (_, survivor, member) => {
    const loss = new QuorumLoss(afterTicks)
    expect(loss.onTick(afterTicks, with5([known(member, { survivor })])).do).toBe('reform')
  })
})

describe('whom a survivor follows', () => {
  const made = (end: number): KnownMember =>
    known(b, { clusterId: second, lineage: [origin(first), origin(second, end)] })

  test.each([
    [6, 'adopt'],
    [5, 'adopt'],
    [4, 'reform'],
  ])('given a cluster that was made of a log of %s entries, and one of 5 here: %s', (end, expected) => {
    const loss = new QuorumLoss(afterTicks)
    expect(loss.onTick(afterTicks, facts({ bonded: [made(end)] })).do).toBe(expected)
  })

  test('given that this member has not given up yet, then it stays', () => {
    expect(new QuorumLoss(afterTicks).onTick(1, facts({ bonded: [made(6)] })).do).toBe('wait')
  })

  test('given a cluster that came of it by another one with a shorter log, then what is here may be missing there', () => {
    const lineage = [origin(first), origin(second, 6), origin(third, 3)]
    const bonded = [known(b, { clusterId: third, lineage })]
    expect(new QuorumLoss(afterTicks).onTick(afterTicks, facts({ bonded })).do).toBe('reform')
  })
})

describe('what two clusters have in common', () => {
  const founded = [origin(first)]
  const once = [...founded, origin(second, 9, 2, 7)]
  const other = [...founded, origin(third, 8, 2, 5)]

  test.each([
    ['one and what was made of it', founded, once, 7],
    ['two that were made of one', once, other, 5],
    ['strangers', founded, [origin(second)], 0],
    ['nothing that is known', [], once, 0],
  ])('%s', (_, one, another, expected) => {
    expect(sharedCommands(one, another)).toBe(expected)
    expect(sharedCommands(another, one)).toBe(expected)
  })
})

/** What happens to a cluster of five before a majority of it is lost. */
const anyHistory = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('propose' as const) }) },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('deliver' as const), to: fc.nat(4), count: fc.nat(6) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('settle' as const), to: fc.nat(4) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('elect' as const), at: fc.nat(4) }) },
  ),
  { minLength: 5, maxLength: 40 },
)
const names = ['a', 'b', 'c', 'd', 'e']

/** Lets time pass for the survivors, who see each other and nobody else, until all are in one cluster that is led. */
function reformAll(cluster: Cluster, survivors: readonly string[]): void {
  const losses = new Map(survivors.map((name) => [name, new QuorumLoss(afterTicks)]))
  let made = 1
  for (let tick = 0; tick < 1_000; tick++) {
    cluster.tick(1, survivors)
    for (const name of survivors) {
      const { core } = cluster.get(name)
      const decision = losses.get(name)!.onTick(1, factsOf(cluster, name, survivors, losses))
      if (decision.do === 'wait') continue
      losses.set(name, new QuorumLoss(afterTicks))
      if (decision.do === 'adopt') core.adopt(decision.clusterId)
      else core.reform(idOf(made++), decision.learners)
    }
    const leader = survivors.find((name) => cluster.core(name).status.role === 'leader')
    const isOne = new Set(survivors.map((name) => cluster.core(name).clusterId)).size === 1
    if (isOne && leader !== undefined && made > 1) break
  }
  cluster.tick(60, survivors)
  expect(made).toBe(2)
}

function factsOf(
  cluster: Cluster,
  name: string,
  survivors: readonly string[],
  losses: ReadonlyMap<string, QuorumLoss>,
): ReformFacts {
  const { core } = cluster.get(name)
  const bonded = survivors.flatMap((other) => {
    const { clusterId, configuration, status } = cluster.core(other)
    if (other === name || clusterId === undefined) return []
    const survivor = losses.get(other)!.isLost ? status : undefined
    return [{ member: other as MemberId, clusterId, lineage: configuration.lineage ?? [], survivor }]
  })
  const { clusterId, configuration, status } = core
  const hasLeader = status.leader !== undefined
  return { self: core.id, clusterId: clusterId!, configuration, end: status, hasLeader, bonded }
}

test('property: whatever has happened before a majority is lost, the survivors go on as one, with every command that is committed at any of them, and contradict nothing', () => {
  fc.assert(
    fc.property(
      anyHistory,
      fc.constantFrom<string[]>(['a'], ['a', 'b'], ['b', 'e'], ['c', 'd']),
      fc.nat(99),
      (history, survivors, seed) => {
        const cluster = Cluster.founded(names, { seed })
        let value = 0
        for (const step of history) {
          if (step.do === 'propose') {
            const { core } = cluster.get(cluster.leader ?? 'a')
            core.propose([{ payload: Buffer.from(`${value++}`) }], 1_000)
          } else if (step.do === 'deliver') {
            for (let count = 0; count < step.count; count++)
              cluster.deliverOne(({ to }) => to === names[step.to])
          } else if (step.do === 'settle') {
            const pair = [names[step.to]!, cluster.leader]
            while (cluster.deliverOne(({ from, to }) => pair.includes(from) && pair.includes(to)));
          } else {
            for (const name of names) cluster.core(name).tick(1)
            for (let tick = 0; tick < 100; tick++) cluster.core(names[step.at]!).tick(1)
            while (cluster.deliverOne(({ type }) => type.includes('vote')));
          }
        }
        cluster.collect()
        // The others are gone, and what they have said is.
        cluster.wire.length = 0
        cluster.drops = ({ from, to }) => !survivors.includes(from) || !survivors.includes(to)
        const applied = survivors.map((name) => cluster.applied(name))
        reformAll(cluster, survivors)

        const [one = [], ...others] = survivors.map((name) => cluster.applied(name))
        for (const other of others) expect(other).toEqual(one)
        for (const before of applied) expect(one.slice(0, before.length)).toEqual(before)
        for (const name of survivors) {
          expect(cluster.get(name).incidents.filter(({ type }) => type === 'diverged')).toEqual([])
          expect(cluster.core(name).clusterId).toBe(idOf(1))
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('given members that have gone over and have got nothing yet, when the one that made the cluster is silent, then they elect nobody, though they are a majority of what is in their logs', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('a')
  cluster.propose('a', 'x')
  cluster.core('a').reform(second, [b, c])
  cluster.collect()
  cluster.wire.length = 0
  cluster.drops = ({ from, to }) => from === 'a' || to === 'a'
  for (const name of ['b', 'c']) cluster.core(name).adopt(second)
  cluster.tick(500)
  expect(cluster.core('a').status.role).toBe('leader')
  for (const name of ['b', 'c'])
    expect(cluster.core(name).status).toMatchObject({ role: 'follower', term: 2 })

  cluster.heal()
  cluster.tick(20)
  cluster.propose('a', 'y')
  cluster.tick(20)
  for (const name of ['a', 'b', 'c']) {
    expect(cluster.applied(name)).toEqual(['x', 'y'])
    expect(cluster.core(name).configuration).toMatchObject(configurationOf([a], [b, c]))
  }
})

test('given a cluster that was reformed, when its only member starts again, then it leads it, and nobody of the cluster before is heard', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('b')
  cluster.propose('b', 'x')
  cluster.core('a').reform(second, [])
  cluster.collect()
  cluster.get('a').restart()
  cluster.tick(60)
  expect(cluster.core('a').status.role).toBe('leader')
  expect(cluster.core('a').clusterId).toBe(second)
  cluster.propose('b', 'y')
  cluster.propose('a', 'z')
  expect(cluster.applied('a')).toEqual(['x', 'z'])
  expect(cluster.applied('b')).toEqual(['x', 'y'])
  expect(cluster.core('a').configuration.lineage).toEqual([
    origin(CLUSTER),
    { clusterId: second, lastTerm: 2, lastIndex: 3, committed: 1 },
  ])
})

test('given a member that has gone over, when its new leader has the term of its former one, then what it has of that one is not taken for the other’s', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.elect('c')
  cluster.propose('c', 'x')
  const { core } = cluster.get('b')
  cluster.core('c').propose([{ payload: Buffer.from('y') }], 1_000)
  cluster.deliverOne(({ to }) => to === 'b')
  const { lastIndex, commitIndex, term } = core.status
  expect(lastIndex).toBeGreaterThan(commitIndex)
  core.adopt(second)
  const previous = core.entryAt(commitIndex)!
  const outcome = core.step({
    type: 'append',
    clusterId: second,
    from: a,
    to: b,
    term,
    prevIndex: commitIndex,
    prevTerm: previous.term,
    prevHash: previous.hash,
    entries: [],
    commitIndex: lastIndex,
    round: 1,
    roundTick: 1,
    answer: 'at-once',
  })
  expect(outcome).toBe('stepped')
  expect(core.status.commitIndex).toBe(commitIndex)
})
