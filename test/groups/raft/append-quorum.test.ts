import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { configurationOf, type MemberId, type Message } from '#framework/groups/raft'
import { AppendQuorum } from '../../../framework/groups/raft/append-quorum.js'
import { Progress } from '../../../framework/groups/raft/progress.js'
import { Cluster, type ClusterOptions } from './cluster.js'

const three = ['a', 'b', 'c']
const five = ['a', 'b', 'c', 'd', 'e']

/** Led by a, for so long that everybody has been seen to keep up. */
function led(names: readonly string[], options?: ClusterOptions): Cluster {
  const cluster = Cluster.founded(names, options)
  cluster.elect('a')
  cluster.tick(30)
  return cluster
}

/** What goes over the wire from now on, of which these members hear nothing. */
function overheard(cluster: Cluster, deaf: readonly string[] = []): Message[] {
  const messages: Message[] = []
  cluster.drops = (message) => {
    messages.push(message)
    return deaf.includes(message.to)
  }
  return messages
}

/** Who was sent entries that are not committed, in the order of that. */
function askedFirst(messages: readonly Message[]): string[] {
  return messages
    .filter(
      (message) =>
        message.type === 'append' && message.entries.some(({ index }) => index > message.commitIndex),
    )
    .map(({ to }) => to)
}

describe('a leader with few entries under way (Ongaro 2014, §10.2.1)', () => {
  test.each([
    { names: three, few: ['b'] },
    { names: ['a', 'b', 'c', 'd'], few: ['b', 'c'] },
    { names: five, few: ['b', 'c'] },
    { names: ['a', 'b'], few: ['b'] },
  ])(
    'given $names.length voters, then it sends them to $few.length others, which suffices',
    ({ names, few }) => {
      const cluster = led(names)
      const messages = overheard(cluster)
      cluster.propose('a', 'x')
      expect(askedFirst(messages)).toEqual(few)
      for (const name of names) expect(cluster.applied(name)).toEqual(['x'])
    },
  )

  test('given a spare voter, when an entry is committed, then it gets it with the word of that, and neither answers nor waits for its disk', () => {
    const cluster = led(three)
    const messages = overheard(cluster)
    cluster.get('c').awaited.length = 0
    cluster.propose('a', 'x')
    expect(messages.filter(({ to }) => to === 'c')).toMatchObject([
      { type: 'append', entries: [{ commandCount: 1 }], commitIndex: 3, answer: 'none' },
    ])
    expect(messages.filter(({ from }) => from === 'c')).toEqual([])
    expect(cluster.get('c').awaited).toEqual([false])
  })

  test('given much that is not committed, then everybody gets it, and whoever has it first counts', () => {
    const cluster = led(three)
    const messages = overheard(cluster, ['b'])
    cluster.propose('a', 'x'.repeat(5_000))
    expect(askedFirst(messages)).toEqual(['b', 'c'])
    expect(cluster.applied('a')).toHaveLength(1)
  })

  test('given a new leader, then everybody gets everything until it is known who keeps up', () => {
    const cluster = Cluster.founded(three)
    cluster.elect('a')
    const messages = overheard(cluster)
    cluster.propose('a', 'x')
    expect(askedFirst(messages)).toEqual(['b', 'c'])
  })

  test('given a change of members that is not committed, then everybody gets everything', () => {
    const cluster = led(three)
    const messages = overheard(cluster, ['b'])
    const without = configurationOf(['a', 'b'] as MemberId[])
    expect(cluster.core('a').proposeConfiguration(without, 0)).toMatchObject({ accepted: true })
    cluster.settle()
    expect(askedFirst(messages)).toEqual(['b', 'c'])
  })
})

describe('an entry that waits for too long', () => {
  test('given a voter that is gone, when it was the one to be asked, then the others are, and it is asked last from then on', () => {
    const cluster = led(three)
    const { core } = cluster.get('a')
    const messages = overheard(cluster, ['b'])
    cluster.propose('a', 'x')
    expect(core.thriftyIndex).toBe(3)
    core.widenAppends()
    cluster.settle()
    expect(cluster.applied('a')).toEqual(['x'])
    expect(core.thriftyIndex).toBeUndefined()
    messages.length = 0
    cluster.propose('a', 'y')
    expect(askedFirst(messages)).toEqual(['c'])
    expect(cluster.applied('a')).toEqual(['x', 'y'])
  })

  test('given one of five that is gone, then all of the others are asked, not only as many as are missing', () => {
    const cluster = led(five)
    const messages = overheard(cluster, ['b'])
    cluster.propose('a', 'x')
    cluster.core('a').widenAppends()
    cluster.settle()
    expect(askedFirst(messages)).toEqual(['b', 'c', 'd', 'e'])
  })

  test('given no driver that looks after it, when a tick passes between two, then everybody gets it', () => {
    const cluster = led(three)
    overheard(cluster, ['b'])
    cluster.propose('a', 'x')
    cluster.tick(1)
    expect(cluster.applied('a')).toEqual([])
    cluster.tick(1)
    expect(cluster.applied('a')).toEqual(['x'])
  })

  test('given a leader whose own disk is late, then the others do without it as long as it is', () => {
    const cluster = led(three)
    const leader = cluster.get('a')
    const messages = overheard(cluster)
    leader.isDiskHeld = true
    cluster.propose('a', 'x')
    leader.core.widenAppends()
    cluster.settle()
    expect(cluster.applied('a')).toEqual(['x'])
    messages.length = 0
    cluster.propose('a', 'y')
    expect(askedFirst(messages)).toEqual(['b', 'c'])
    expect(cluster.applied('a')).toEqual(['x', 'y'])

    leader.isDiskHeld = false
    leader.flushDisk()
    cluster.propose('a', 'in time')
    messages.length = 0
    cluster.propose('a', 'z')
    expect(askedFirst(messages)).toEqual(['b'])
  })

  test('given a spare voter that has answered nothing of what it got, when it is needed at once, then there is room for it', () => {
    const cluster = led(three, { core: { limits: { inFlightMessagesMax: 1 } } })
    overheard(cluster)
    for (let count = 1; count <= 20; count++) cluster.propose('a', `${count}`)
    overheard(cluster, ['b'])
    cluster.core('a').tick(1)
    cluster.propose('a', 'x')
    cluster.core('a').widenAppends()
    cluster.settle()
    cluster.tick(10)
    expect(cluster.applied('a')).toContain('x')
  })
})

test('Ongaro 2014, §3.10: given a spare voter, when it is to lead, then it is asked how far it has the log, and leads', () => {
  const cluster = led(three)
  cluster.propose('a', 'x')
  expect(cluster.core('a').transferLeadership('c' as MemberId)).toMatchObject({ accepted: true })
  cluster.settle()
  expect(cluster.core('c').status.role).toBe('leader')
})

test('Raft §5.4.1: given a leader that is gone, when the one that has less stands for election first, then the one that has more does so at once', () => {
  const cluster = led(three)
  // c does not get what is committed at a and b.
  overheard(cluster, ['c'])
  cluster.propose('a', 'x')
  overheard(cluster, ['a'])
  for (let tick = 0; tick < 40; tick++) cluster.core('b').tick()
  expect(cluster.core('b').status.role).toBe('follower')
  while (cluster.core('c').status.role === 'follower') cluster.core('c').tick(1)
  cluster.settle()
  expect(cluster.core('b').status.role).toBe('leader')
  expect(cluster.applied('c')).toEqual(['x'])
})

test('given any course of events, then as many as it takes are sent entries ahead, or everybody is', () => {
  const events = fc.array(
    fc.oneof(
      fc.record({ type: fc.constant('accept' as const), who: fc.nat(3) }),
      fc.record({ type: fc.constant('lose' as const), who: fc.nat(3) }),
      fc.record({ type: fc.constant('widen' as const), isLeaderLate: fc.boolean() }),
      fc.record({ type: fc.constant('commit' as const), isLeaderInTime: fc.boolean() }),
    ),
  )
  fc.assert(
    fc.property(events, fc.integer({ min: 1, max: 4 }), (all, needed) => {
      const voters = ['b', 'c', 'd', 'e'].map((name) => new Progress(name as MemberId, 'voter', 1, 0))
      const quorum = new AppendQuorum()
      quorum.onVoters(voters)
      let lastIndex = 0
      let commitIndex = 0
      let round = 0
      for (const event of all) {
        lastIndex++
        if (event.type === 'accept') {
          voters[event.who]!.onAccepted(lastIndex)
          for (let count = 0; count < 2; count++) voters[event.who]!.onRound(++round, 0, lastIndex)
        } else if (event.type === 'lose') voters[event.who]!.becomeProbe(1)
        else if (event.type === 'widen') quorum.widen(commitIndex + 1, lastIndex, event.isLeaderLate)
        else {
          commitIndex = lastIndex
          quorum.onCommitted(event.isLeaderInTime)
        }
        quorum.choose(needed, commitIndex)
        const asked = voters.filter(({ isSpare }) => !isSpare)
        if (quorum.hasSpares) {
          expect(asked.every(({ isSteady }) => isSteady)).toBe(true)
          expect(asked.length).toBeGreaterThanOrEqual(needed)
          expect(asked.length).toBeLessThanOrEqual(needed + 1)
        } else expect(asked).toEqual(voters)
      }
    }),
  )
})
