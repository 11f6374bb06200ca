import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { configurationOf, type MemberId, type Message } from '#framework/groups/raft'
import { Progress } from '../../../framework/groups/raft/progress.js'
import { ReadQuorum } from '../../../framework/groups/raft/read-quorum.js'
import { Cluster } from './cluster.js'

const heartbeatTicks = 10
const three = ['a', 'b', 'c']
const five = ['a', 'b', 'c', 'd', 'e']

/** Led by a. All have answered the last heartbeat, in the order of their names. */
function led(names: readonly string[]): Cluster {
  const cluster = Cluster.founded(names)
  cluster.elect('a')
  cluster.tick(heartbeatTicks)
  return cluster
}

/** Whom the leader asks something that is to be answered at once. */
function asked(cluster: Cluster): string[] {
  cluster.collect()
  return cluster.wire
    .filter((message) => message.type === 'append' && message.answer === 'at-once')
    .map(({ to }) => to)
}

/** Whom the leader asks to confirm a read. */
function askedToRead(cluster: Cluster): string[] {
  expect(cluster.core('a').read('strong').accepted).toBe(true)
  return asked(cluster)
}

const isWith =
  (name: string) =>
  ({ from, to }: Message): boolean =>
    from === name || to === name

/** The next heartbeat, which these answer, in this order; what the others have to say comes later. */
function heartbeat(cluster: Cluster, ...names: readonly string[]): void {
  for (let tick = 0; asked(cluster).length === 0; tick++) cluster.core('a').tick()
  for (const name of names) while (cluster.deliverOne(isWith(name)));
}

const readCount = (cluster: Cluster): number => cluster.get('a').reads.length

describe('a read at a leader (thesis §6.4)', () => {
  test.each([
    { names: three, few: ['b'] },
    { names: ['a', 'b', 'c', 'd'], few: ['b', 'c'] },
    { names: five, few: ['b', 'c'] },
  ])(
    'given $names.length voters, then only $few.length others are asked, which suffices',
    ({ names, few }) => {
      const cluster = led(names)
      expect(askedToRead(cluster)).toEqual(few)
      cluster.settle()
      expect(readCount(cluster)).toBe(1)
    },
  )

  test('given two voters, then the other one is asked, and nobody is left to be asked as well', () => {
    const cluster = led(['a', 'b'])
    expect(askedToRead(cluster)).toEqual(['b'])
    expect(cluster.core('a').thriftyRound).toBeUndefined()
  })

  test('given a follower that is the first to answer a heartbeat, then it is asked from then on', () => {
    const cluster = led(three)
    heartbeat(cluster, 'c', 'b')
    expect(askedToRead(cluster)).toEqual(['c'])
    cluster.settle()
    heartbeat(cluster, 'b', 'c')
    expect(askedToRead(cluster)).toEqual(['b'])
  })

  test('given a heartbeat that too few have answered, then all are asked', () => {
    const cluster = led(five)
    heartbeat(cluster, 'c')
    cluster.wire.splice(0)
    expect(askedToRead(cluster)).toEqual(['b', 'c', 'd', 'e'])
    expect(cluster.core('a').thriftyRound).toBeUndefined()
  })

  test('given five voters, when one of the two that were asked has answered, then the other one is waited for', () => {
    const cluster = led(five)
    expect(askedToRead(cluster)).toEqual(['b', 'c'])
    while (cluster.deliverOne(isWith('b')));
    expect(readCount(cluster)).toBe(0)
    while (cluster.deliverOne(isWith('c')));
    expect(readCount(cluster)).toBe(1)
  })

  test('given a leader that is to be removed and so does not count, then a majority is asked without it', () => {
    const cluster = led(['a', 'b', 'c', 'd'])
    cluster.core('a').proposeConfiguration(configurationOf(['b', 'c', 'd'] as MemberId[]), 0)
    expect(askedToRead(cluster)).toEqual(['b', 'c'])
  })
})

describe('a read that is not confirmed soon', () => {
  test('given a driver that says so, then the others are asked, and one of them suffices', () => {
    const cluster = led(three)
    expect(askedToRead(cluster)).toEqual(['b'])
    expect(cluster.core('a').thriftyRound).toBeDefined()
    cluster.core('a').widenReads()
    cluster.drops = isWith('b')
    expect(asked(cluster)).toEqual(['b', 'c'])
    expect(cluster.core('a').thriftyRound).toBeUndefined()
    cluster.settle()
    expect(readCount(cluster)).toBe(1)
  })

  test('given no word of the driver, then the others are asked at the next tick', () => {
    const cluster = led(three)
    cluster.drops = isWith('b')
    expect(askedToRead(cluster)).toEqual(['b'])
    cluster.tick(1, ['a'])
    expect(readCount(cluster)).toBe(1)
  })

  test('given a read that is confirmed, then nobody else is asked, whatever the driver says', () => {
    const cluster = led(three)
    askedToRead(cluster)
    cluster.settle()
    expect(cluster.core('a').thriftyRound).toBeUndefined()
    cluster.core('a').widenReads()
    expect(asked(cluster)).toEqual([])
  })

  test('given a heartbeat meanwhile, by which all are asked, then they are not asked again', () => {
    const cluster = led(three)
    askedToRead(cluster)
    cluster.wire.splice(0)
    for (let tick = 0; cluster.wire.length === 0; tick++) {
      cluster.core('a').tick(heartbeatTicks)
      cluster.collect()
    }
    expect(asked(cluster)).toEqual(['b', 'c'])
    expect(cluster.core('a').thriftyRound).toBeUndefined()
    cluster.drops = isWith('b')
    cluster.settle()
    expect(readCount(cluster)).toBe(1)
  })

  test('given reads that come meanwhile, then they share the next round, which those are asked who answered', () => {
    const cluster = led(three)
    cluster.drops = isWith('b')
    askedToRead(cluster)
    for (let read = 2; read <= 4; read++) cluster.core('a').read('strong')
    cluster.collect()
    expect(readCount(cluster)).toBe(0)
    cluster.core('a').widenReads()
    while (readCount(cluster) < 1 && cluster.deliverOne());
    expect(readCount(cluster)).toBe(1)
    expect(asked(cluster)).toEqual(['c'])
    cluster.settle()
    expect(readCount(cluster)).toBe(4)
  })

  test('given a follower that is gone, then one read has to wait for the others to be asked, and none after it', () => {
    const cluster = led(three)
    cluster.drops = isWith('b')
    let widenedCount = 0
    for (let read = 1; read <= 100; read++) {
      askedToRead(cluster)
      cluster.settle()
      if (readCount(cluster) < read) widenedCount++
      cluster.core('a').widenReads()
      cluster.settle()
      expect(readCount(cluster)).toBe(read)
      cluster.core('a').tick()
      cluster.settle()
    }
    expect(widenedCount).toBe(1)
    expect(cluster.core('a').status.role).toBe('leader')
  })
})

describe('who has confirmed a read', () => {
  test('given a voter that was asked and is taken out meanwhile, then its answer does not count', () => {
    const cluster = led(three)
    expect(askedToRead(cluster)).toEqual(['b'])
    cluster.drops = isWith('c')
    cluster.core('a').proposeConfiguration(configurationOf(['a', 'c'] as MemberId[], ['b'] as MemberId[]), 0)
    cluster.settle()
    expect(readCount(cluster)).toBe(0)
    cluster.heal()
    cluster.tick(heartbeatTicks)
    expect(readCount(cluster)).toBe(1)
  })

  test('W-S10: given two of five that a leader still hears, when it has been replaced by the others, then it confirms nothing', () => {
    const cluster = led(five)
    expect(askedToRead(cluster)).toEqual(['b', 'c'])
    cluster.partition(['a', 'b'])
    cluster.settle()
    cluster.core('a').widenReads()
    cluster.settle()
    expect(readCount(cluster)).toBe(0)
    cluster.tick(100, ['c', 'd', 'e'])
    cluster.propose(
      ['c', 'd', 'e'].find((name) => cluster.core(name).status.role === 'leader')!,
      'x',
    )
    cluster.tick(100, ['a', 'b'])
    expect(readCount(cluster)).toBe(0)
    expect(cluster.get('a').failedReads).toHaveLength(1)
  })
})

describe('the choice of voters', () => {
  const voters = five.slice(1).map((name) => new Progress(name as MemberId, 'voter', 1, 0))

  test('given a voter that gets a snapshot, then it is asked last', () => {
    const quorum = new ReadQuorum()
    const [b, c, d] = voters.map(({ member }) => new Progress(member, 'voter', 1, 0)) as [
      Progress,
      Progress,
      Progress,
    ]
    for (const each of [b, c, d]) {
      each.onRound(1, 0, 0)
      quorum.onAnswer(each)
    }
    b.becomeSync()
    expect(quorum.begin(2, [b, c, d], 2)).toEqual([c, d])
    c.becomeSync()
    expect(quorum.begin(3, [b, c, d], 2)).toEqual([b, c, d])
  })

  test('property: given any answers to any rounds, then all are asked, or just enough, each of which has answered since all were asked', () => {
    const answer = fc.record({ voter: fc.nat(3), isLate: fc.boolean() })
    const step = fc.oneof(
      fc.constant('heartbeat' as const),
      fc.constant('read' as const),
      fc.constant('widen' as const),
      answer,
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, needed) => {
        const quorum = new ReadQuorum()
        const others = voters.map(({ member }) => new Progress(member, 'voter', 1, 0))
        let round = 1
        let fullRound = 1
        for (const each of steps) {
          if (each === 'heartbeat') {
            quorum.onFullRound(++round)
            fullRound = round
          } else if (each === 'read') {
            const chosen = quorum.begin(++round, others, needed)
            if (chosen.length === others.length) {
              fullRound = round
              expect(quorum.thriftyRound).toBeUndefined()
              continue
            }
            expect(quorum.thriftyRound).toBe(round)
            expect(new Set(chosen).size).toBe(needed)
            for (const { ackedRound } of chosen) expect(ackedRound).toBeGreaterThanOrEqual(fullRound)
          } else if (each === 'widen') {
            const wasThrifty = quorum.thriftyRound !== undefined
            expect(quorum.widen(others)).toHaveLength(wasThrifty ? others.length - needed : 0)
            if (wasThrifty) fullRound = round
          } else {
            const progress = others[each.voter]!
            progress.onRound(each.isLate ? fullRound - 1 : round, 0, 0)
            quorum.onAnswer(progress)
          }
        }
      }),
    )
  })
})
