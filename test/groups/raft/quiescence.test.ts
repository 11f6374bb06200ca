import { describe, expect, test } from '@jest/globals'
import type { MemberId, Message } from '#framework/groups/raft'
import { Cluster } from './cluster.js'

const names = ['a', 'b', 'c'] as const
const quiesceAfterTicks = 20

function led(): Cluster {
  const cluster = Cluster.founded(names, { core: { quiesceAfterTicks } })
  cluster.elect('a')
  cluster.tick(10)
  return cluster
}

/** A group whose members all are quiescent, led by a. */
function quiescent(): Cluster {
  const cluster = led()
  cluster.propose('a', 'x')
  cluster.tick(quiesceAfterTicks + 10)
  expect(cluster.core('a').quiesce()).toBe(true)
  cluster.settle()
  expect(restingIn(cluster)).toEqual(names)
  return cluster
}

function restingIn(cluster: Cluster): string[] {
  return names.filter((name) => cluster.core(name).isQuiescent)
}

/** Counts what is sent from now on. */
function counted(cluster: Cluster): Message[] {
  const sent: Message[] = []
  cluster.drops = (message) => sent.push(message) < 0
  return sent
}

describe('a group in which nothing happens', () => {
  test('given that its driver asks, then it says nothing any more, and nobody stands for election however long it lasts', () => {
    const cluster = quiescent()
    const sent = counted(cluster)
    cluster.tick(1_000)
    expect(sent).toEqual([])
    expect(cluster.leader).toBe('a')
    expect(cluster.core('a').status.term).toBe(2)
  })

  test('given that something was asked of the leader lately, or that a member has not all entries, then it is not quiescent', () => {
    const cluster = led()
    cluster.propose('a', 'x')
    expect(cluster.core('a').mayQuiesce).toBe(false)
    cluster.drops = ({ to }) => to === 'c'
    cluster.propose('a', 'y')
    cluster.tick(30)
    expect(cluster.core('a').mayQuiesce).toBe(false)
    expect(cluster.core('a').quiesce()).toBe(false)
    cluster.heal()
    cluster.tick(30)
    expect(cluster.core('a').mayQuiesce).toBe(true)
    expect(['b', 'c'].some((name) => cluster.core(name).mayQuiesce)).toBe(false)
  })

  test('given an answer that is lost, then the leader goes on with heartbeats, and everybody expects them again', () => {
    const cluster = led()
    cluster.tick(quiesceAfterTicks)
    cluster.drops = ({ from }) => from === 'c'
    cluster.core('a').quiesce()
    cluster.settle()
    expect(restingIn(cluster)).toEqual(['b', 'c'])
    cluster.heal()
    cluster.tick(10)
    expect(restingIn(cluster)).toEqual([])
  })

  test('given a member that was not reached, then the leader does not become quiescent', () => {
    const cluster = led()
    cluster.tick(quiesceAfterTicks)
    cluster.drops = ({ to }) => to === 'c'
    cluster.core('a').quiesce()
    cluster.settle()
    expect(restingIn(cluster)).toEqual(['b'])
  })

  test('given a follower that wakes before all others have agreed, then the leader does not become quiescent', () => {
    const cluster = led()
    cluster.tick(quiesceAfterTicks)
    cluster.core('a').quiesce()
    cluster.collect()
    const isForC = ({ from, to }: Message): boolean => from === 'c' || to === 'c'
    while (cluster.deliverOne((message) => !isForC(message)));
    cluster.core('b').wake()
    while (cluster.deliverOne((message) => !isForC(message)));
    cluster.settle()
    expect(cluster.core('a').isQuiescent).toBe(false)
    cluster.tick(10)
    expect(restingIn(cluster)).toEqual([])
  })
})

describe('a quiescent group wakes', () => {
  test('given a proposal right after the others were asked, then they expect heartbeats, whether they had agreed or not', () => {
    const cluster = led()
    cluster.tick(quiesceAfterTicks)
    cluster.core('a').quiesce()
    cluster.propose('a', 'x')
    expect(names.map((name) => cluster.applied(name))).toEqual(names.map(() => ['x']))
    expect(restingIn(cluster)).toEqual([])
  })

  test('given a proposal, then it is committed everywhere, and heartbeats go on', () => {
    const cluster = quiescent()
    cluster.propose('a', 'y')
    expect(names.map((name) => cluster.applied(name))).toEqual(names.map(() => ['x', 'y']))
    expect(restingIn(cluster)).toEqual([])
  })

  test.each(['strong', 'lease'] as const)(
    'given a %s read after a long time, then it costs a round',
    (consistency) => {
      const cluster = quiescent()
      // What a driver does that has left it alone.
      cluster.core('a').tick(10_000)
      const outcome = cluster.core('a').read(consistency)
      cluster.collect()
      expect(cluster.get('a').reads).toEqual([])
      // One, by which the others hear as well that heartbeats go on.
      expect(cluster.wire.map(({ to }) => to)).toEqual(['b', 'c'])
      cluster.settle()
      expect(cluster.get('a').reads).toEqual(outcome.accepted ? [outcome.id] : [])
    },
  )

  test('given a leader that nobody hears any more, when others have been elected, then it answers no lease read, and gives up', () => {
    const cluster = quiescent()
    cluster.partition(['a'])
    for (const name of ['b', 'c']) cluster.core(name).wake(10)
    cluster.tick(60)
    expect(['b', 'c']).toContain(cluster.leader)
    cluster.core('a').read('lease')
    cluster.settle()
    expect(cluster.get('a').reads).toEqual([])
    cluster.tick(40, ['a'])
    expect(cluster.core('a').status.role).toBe('follower')
    expect(cluster.get('a').incidents.map(({ type }) => type)).toEqual(['quorum-lost'])
  })

  test('given a leader that is woken, then its majority has a whole election timeout to answer', () => {
    const cluster = quiescent()
    cluster.tick(1_000, ['a'])
    cluster.partition(['a'])
    cluster.core('a').wake()
    cluster.tick(39, ['a'])
    expect(cluster.core('a').status.role).toBe('leader')
    cluster.tick(1, ['a'])
    expect(cluster.core('a').status.role).toBe('follower')
  })

  test('given a follower that is woken while its leader is there, then the leader goes on, and nobody is elected', () => {
    const cluster = quiescent()
    cluster.core('b').wake(1_000)
    cluster.settle()
    expect(restingIn(cluster)).toEqual([])
    cluster.tick(200)
    expect([cluster.leader, cluster.core('a').status.term]).toEqual(['a', 2])
  })

  test('given a leader that is gone, when followers are told for how long nothing came from it, then they wait no longer than without quiescence', () => {
    const cluster = quiescent()
    cluster.partition(['a'])
    for (const name of ['b', 'c']) cluster.core(name).wake(25)
    cluster.tick(14, ['b', 'c'])
    expect(cluster.leader).toBe('a')
    cluster.tick(12, ['b', 'c'])
    expect(['b', 'c']).toContain(cluster.leader)
  })

  test('given one member that does not hear the leader, when it asks for votes, then the others stand by their leader, which goes on', () => {
    const cluster = quiescent()
    const isCut = ({ from, to }: Message): boolean => from === 'a' && to === 'c'
    cluster.drops = isCut
    cluster.core('c').wake()
    cluster.tick(100)
    expect([cluster.leader, cluster.core('a').status.term]).toEqual(['a', 2])
    expect(cluster.core('a').isQuiescent).toBe(false)
  })

  test('given a member that starts again, when its patience is over, then the leader is woken and keeps its place', () => {
    const cluster = quiescent()
    cluster.tick(1_000)
    cluster.get('c').restart()
    // The leader is the only one that it can ask.
    cluster.drops = ({ from, to }) => (from === 'b' && to === 'c') || (from === 'c' && to === 'b')
    for (let tick = 0; tick < 60 && cluster.wire.length === 0; tick++) {
      cluster.core('c').tick()
      cluster.collect()
    }
    while (cluster.deliverOne(({ from }) => from === 'c'));
    expect(cluster.wire.filter(({ type }) => type === 'pre-vote-answer')).toMatchObject([{ granted: false }])
    cluster.tick(100)
    expect([cluster.leader, cluster.core('c').status.leader]).toEqual(['a', 'a'])
  })

  test('given a leader that starts again, when its patience is over, then somebody is elected', () => {
    const cluster = quiescent()
    cluster.get('a').restart()
    cluster.tick(200)
    expect(cluster.leader).toBeDefined()
    for (const name of names) expect(cluster.core(name).status.leader).toBe(cluster.leader)
  })

  test('given a change of members or of who leads, then it comes about', () => {
    const cluster = quiescent()
    expect(cluster.core('a').transferLeadership('b' as MemberId).accepted).toBe(true)
    cluster.settle()
    expect(cluster.leader).toBe('b')
  })

  test('given a word of before that comes late, then a follower stays quiescent', () => {
    const cluster = led()
    cluster.propose('a', 'x')
    cluster.tick(quiesceAfterTicks)
    let late: Message | undefined
    cluster.drops = (message) => {
      if (message.type === 'append' && message.to === 'b') late = message
      return false
    }
    cluster.tick(10)
    cluster.heal()
    const before = late!
    cluster.core('a').quiesce()
    cluster.settle()
    expect(restingIn(cluster)).toEqual(names)
    cluster.core('b').step(before)
    expect(cluster.core('b').isQuiescent).toBe(true)
  })
})

test('given a group that has nobody to ask, then it is quiescent at once', () => {
  const cluster = Cluster.founded(['a'], { core: { quiesceAfterTicks } })
  cluster.elect('a')
  cluster.tick(quiesceAfterTicks)
  expect(cluster.core('a').quiesce()).toBe(true)
  expect(cluster.core('a').isQuiescent).toBe(true)
  cluster.get('a').isDiskHeld = true
  cluster.propose('a', 'x')
  cluster.tick(quiesceAfterTicks)
  expect(cluster.core('a').quiesce()).toBe(false)
  cluster.get('a').isDiskHeld = false
  cluster.get('a').flushDisk()
  cluster.settle()
  expect(cluster.applied('a')).toEqual(['x'])
})
