import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { configurationOf, votersDigest, type MemberId } from '#framework/groups/raft'
import { ReadConfirmation } from '../../../framework/groups/raft/read-confirmation.js'
import { CLUSTER, Cluster } from './cluster.js'

const ids = (...names: readonly string[]): MemberId[] => names as MemberId[]
const term = 5

/** A read of one member, while another one leads. */
function asked(asker: string, voters: readonly string[], leader = 'a'): ReadConfirmation {
  const configuration = configurationOf(voters as MemberId[])
  return new ReadConfirmation({ configuration, leader: leader as MemberId, asker: asker as MemberId })
}

describe('a read that is confirmed by who asks (ReadIndex, thesis §6.4)', () => {
  test.each([
    { asker: 'l', voters: ['a'], needed: 0 },
    { asker: 'b', voters: ['a', 'b'], needed: 0 },
    { asker: 'l', voters: ['a', 'b'], needed: 1 },
    { asker: 'b', voters: ['a', 'b', 'c'], needed: 0 },
    { asker: 'l', voters: ['a', 'b', 'c'], needed: 1 },
    { asker: 'b', voters: ['a', 'b', 'c', 'd', 'e'], needed: 1 },
    { asker: 'l', voters: ['a', 'b', 'c', 'd', 'e'], needed: 2 },
  ])(
    'given $voters, led by a, when $asker asks, then $needed more make a majority',
    ({ asker, voters, needed }) => {
      const read = asked(asker, voters)
      expect(read.neededCount).toBe(needed)
      for (const voter of read.others.slice(0, needed)) {
        expect(read.verdict).toBe('pending')
        read.onTerm(voter, term)
      }
      expect(read.verdict).toBe('pending')
      read.onReadIndex({ term, index: 7 }, term)
      expect(read.verdict).toBe('confirmed')
    },
  )

  test('given voters of an earlier term, then they confirm: they have elected nobody later', () => {
    const read = asked('l', ['a', 'b', 'c'])
    read.onReadIndex({ term, index: 7 }, term - 2)
    read.onTerm('b' as MemberId, term - 1)
    expect(read.verdict).toBe('confirmed')
  })

  test.each(['b', 'c'])(
    'given %s in a later term, then it is refuted, whoever else has answered',
    (later) => {
      const read = asked('l', ['a', 'b', 'c', 'd', 'e'])
      for (const voter of ids('b', 'c', 'd')) read.onTerm(voter, voter === later ? term + 1 : term)
      read.onReadIndex({ term, index: 7 }, term)
      expect(read.verdict).toBe('refuted')
    },
  )

  test('given that who asks is in a later term itself, then it is refuted', () => {
    const read = asked('b', ['a', 'b', 'c'])
    read.onReadIndex({ term, index: 7 }, term + 1)
    expect(read.verdict).toBe('refuted')
  })

  test('given a leader that is no voter any more, then it does not count', () => {
    const read = asked('l', ['b', 'c', 'd'])
    expect(read.neededCount).toBe(2)
    read.onReadIndex({ term, index: 7 }, term)
    read.onTerm('b' as MemberId, term)
    expect(read.verdict).toBe('pending')
    read.onTerm('c' as MemberId, term)
    expect(read.verdict).toBe('confirmed')
  })

  test('given terms of strangers and of learners, then they do not count', () => {
    const read = asked('l', ['a', 'b', 'c'])
    read.onReadIndex({ term, index: 7 }, term)
    for (const stranger of ids('x', 'l')) read.onTerm(stranger, term)
    expect(read.verdict).toBe('pending')
  })

  test('given several who ask, then not all of them ask the same voter first', () => {
    const voters = ['a', 'c', 'e', 'g', 'i']
    expect(asked('b', voters).others).toEqual(ids('c', 'e', 'g', 'i'))
    expect(asked('f', voters).others).toEqual(ids('g', 'i', 'c', 'e'))
    expect(asked('j', voters).others).toEqual(ids('c', 'e', 'g', 'i'))
  })

  test('it is confirmed only by a majority of the voters, the leader among them, in no later term than its own', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const member = fc.constantFrom(...names)
    const events = fc.array(fc.record({ from: member, in: fc.integer({ min: 1, max: 3 }) }), {
      maxLength: 12,
    })
    const voterLists = fc.uniqueArray(member, { minLength: 1 })
    fc.assert(
      fc.property(voterLists, member, member, events, fc.nat(12), (voters, leader, asker, said, leaderAt) => {
        fc.pre(leader !== asker)
        const read = asked(asker, voters, leader)
        const terms = new Map<string, number>()
        const ownTerm = 2
        for (const [place, { from, in: at }] of said.entries()) {
          if (place === leaderAt) read.onReadIndex({ term: 2, index: 1 }, ownTerm)
          if (from === leader || from === asker) continue
          read.onTerm(from as MemberId, at)
          terms.set(from, at)
        }
        if (leaderAt < said.length) {
          terms.set(asker, ownTerm)
          terms.set(leader, 2)
        }
        const agreeing = voters.filter((voter) => (terms.get(voter) ?? Infinity) <= 2)
        const isLater = [...terms.values()].some((each) => each > 2)
        const isDue = leaderAt < said.length && !isLater && agreeing.length > voters.length / 2
        expect(read.verdict === 'confirmed').toBe(isDue)
      }),
    )
  })
})

describe('what is said to who confirms a read itself', () => {
  const three = ['a', 'b', 'c']
  const digestOf = (...names: readonly string[]) => votersDigest(configurationOf(names as MemberId[]))

  test('given a leader, then it gives what it has committed, and sends nothing for it', () => {
    const cluster = Cluster.founded(three)
    cluster.elect('a')
    cluster.settle()
    const { term: now, commitIndex } = cluster.core('a').status
    expect(cluster.core('a').readIndex(CLUSTER, digestOf(...three))).toEqual({
      term: now,
      index: commitIndex,
    })
    expect(cluster.core('a').hasReady).toBe(false)
  })

  test('given a leader of whose term nothing is committed, then it gives no read index: more may be committed than it knows', () => {
    const cluster = Cluster.founded(three)
    cluster.elect('a')
    cluster.settle()
    cluster.drops = ({ type, to }) => type === 'append-answer' && to === 'b'
    cluster.core('a').transferLeadership('b' as MemberId)
    cluster.settle()
    expect(cluster.core('b').status.role).toBe('leader')
    expect(cluster.core('b').readIndex(CLUSTER, digestOf(...three))).toBeUndefined()
  })

  test.each([
    ['other voters are to be counted than those in force', CLUSTER, ['a', 'b']],
    ['it is asked for another cluster', 'c1'.repeat(16) as typeof CLUSTER, three],
  ])('given that %s, then there is no read index', (_, clusterId, voters) => {
    const cluster = Cluster.founded(three)
    cluster.elect('a')
    cluster.settle()
    expect(cluster.core('a').readIndex(clusterId, digestOf(...voters))).toBeUndefined()
  })

  test('given voters that are not committed, then it is they who have to be counted', () => {
    const cluster = Cluster.founded(three)
    cluster.elect('a')
    cluster.settle()
    cluster.partition(['a'])
    cluster.core('a').proposeConfiguration(configurationOf(ids('a', 'b')), 0)
    expect(cluster.core('a').readIndex(CLUSTER, digestOf(...three))).toBeUndefined()
    expect(cluster.core('a').readIndex(CLUSTER, digestOf('a', 'b'))).toBeDefined()
  })

  test('given a follower, then it has no read index, and says its term for its own cluster only', () => {
    const cluster = Cluster.founded(three)
    cluster.elect('a')
    cluster.settle()
    const core = cluster.core('b')
    expect(core.readIndex(CLUSTER, digestOf(...three))).toBeUndefined()
    expect(core.termIn(CLUSTER)).toBe(core.status.term)
    expect(core.termIn('c1'.repeat(16) as typeof CLUSTER)).toBeUndefined()
  })

  test('given a voter whose later term is not durable yet, then that is the term that it says', () => {
    const cluster = Cluster.founded(three)
    cluster.elect('a')
    cluster.settle()
    const before = cluster.core('b').termIn(CLUSTER)!
    cluster.get('b').isDiskHeld = true
    cluster.core('a').transferLeadership('c' as MemberId)
    cluster.settle()
    expect(cluster.core('b').termIn(CLUSTER)).toBe(before + 1)
  })
})

describe('a leader that is replaced while a change of voters is in its log and not committed (Ongaro, raft-dev, 10 July 2015)', () => {
  test.each([
    { before: ['a', 'b', 'c'], after: ['a', 'b'] },
    { before: ['a', 'b', 'c'], after: ['a', 'b', 'c', 'x'] },
    { before: ['a', 'b', 'c', 'd'], after: ['a', 'b', 'c'] },
    { before: ['a', 'b', 'c', 'd'], after: ['a', 'b', 'c', 'd', 'x'] },
    { before: ['a', 'b', 'c', 'd', 'e'], after: ['a', 'b', 'c', 'd'] },
  ])(
    'given $before, which are to be $after, then no majority of these confirms a read, whoever has elected the next leader and whatever voters that has made',
    ({ before, after }) => {
      for (const electors of subsets(before.slice(1), Math.floor(before.length / 2) + 1)) {
        const cluster = Cluster.founded(before)
        for (const name of after) if (!before.includes(name)) cluster.start(name)
        cluster.elect('a')
        cluster.tick(30)
        cluster.drops = ({ from, to }) => !electors.includes(from) || !electors.includes(to)
        const next = configurationOf(ids(...after))
        expect(cluster.core('a').proposeConfiguration(next, 0)).toMatchObject({ accepted: true })
        // Those who are new have the log up to there.
        cluster.settle()
        const [later] = electors
        for (let tick = 0; tick < 41; tick++) for (const name of electors) cluster.core(name).tick()
        cluster.settle()
        for (let ticks = 0; cluster.core(later!).status.role !== 'leader' && ticks < 500; ticks++)
          cluster.tick(1, [later!])
        const changed = configurationOf(ids(...before.slice(1)))
        expect(cluster.core(later!).proposeConfiguration(changed, 0)).toMatchObject({ accepted: true })
        cluster.settle()
        expect(cluster.core(later!).committedConfiguration.voters).toEqual(changed.voters)

        const readIndex = cluster.core('a').readIndex(CLUSTER, votersDigest(next))!
        expect(readIndex.index).toBeLessThan(cluster.core(later!).status.commitIndex)
        const { neededCount, others } = asked('l', after)
        for (const answering of subsets(others, neededCount)) {
          const read = asked('l', after)
          read.onReadIndex(readIndex, 1)
          for (const name of answering) read.onTerm(name as MemberId, cluster.core(name).termIn(CLUSTER) ?? 1)
          expect(read.verdict).toBe('refuted')
        }
      }
    },
  )
})

/** All choices of so many of them. */
function subsets(names: readonly string[], count: number): string[][] {
  if (count === 0) return [[]]
  return names.flatMap((name, at) => subsets(names.slice(at + 1), count - 1).map((rest) => [name, ...rest]))
}
