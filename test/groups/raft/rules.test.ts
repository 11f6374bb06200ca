import { expect, test } from '@jest/globals'
import { configurationOf, type MemberId, type Message } from '#framework/groups/raft'
import { CLUSTER, Cluster } from './cluster.js'

function led(names: readonly string[] = ['a', 'b', 'c'], core = {}): Cluster {
  const cluster = Cluster.founded(names, { core })
  cluster.elect(names[0]!)
  cluster.tick(10)
  return cluster
}

const isAppend = (message: Message): boolean => message.type === 'append'

/** The next append to this member, taken off the wire. */
function nextAppend(cluster: Cluster, to: string): Extract<Message, { type: 'append' }> {
  cluster.collect()
  const at = cluster.wire.findIndex((message) => isAppend(message) && message.to === to)
  return cluster.wire.splice(at, 1)[0] as Extract<Message, { type: 'append' }>
}

test('§5.1: given a message of an earlier term, when it is an append, then the sender learns of the later term', () => {
  const cluster = led()
  cluster.partition(['a'])
  cluster.tick(200, ['b', 'c'])
  const newLeader = ['b', 'c'].find((name) => cluster.core(name).status.role === 'leader')
  expect(newLeader).toBeDefined()
  cluster.heal()
  cluster.tick(10, ['a'])
  expect(cluster.core('a').status.role).toBe('follower')
})

test('§5.2: given two leaders of different terms, when both propose, then only the later one commits (W-S1)', () => {
  const cluster = led()
  cluster.partition(['a'])
  cluster.propose('a', 'lost')
  cluster.tick(100, ['b', 'c'])
  const later = ['b', 'c'].find((name) => cluster.core(name).status.role === 'leader')!
  cluster.propose(later, 'kept')
  expect(cluster.applied(later)).toEqual(['kept'])
  expect(cluster.applied('a')).toEqual([])
  cluster.heal()
  cluster.tick(100)
  for (const name of ['a', 'b', 'c']) expect(cluster.applied(name)).toEqual(['kept'])
})

test('§5.4.1: given a candidate whose log is shorter, when it asks, then nobody who knows more grants', () => {
  const cluster = led()
  cluster.drops = ({ to }) => to === 'c'
  cluster.propose('a', 'x')
  cluster.tick(60, ['c', 'b'])
  cluster.drops = ({ from, to }) => from === 'a' || to === 'a'
  cluster.tick(60, ['c'])
  expect(cluster.core('c').status.role).not.toBe('leader')
  cluster.tick(120, ['b'])
  expect(cluster.core('b').status.role).toBe('leader')
})

test('§5.5: given an append that was seen before, when it comes again, or late, then nothing is lost', () => {
  const cluster = led()
  cluster.core('a').propose([{ payload: Buffer.from('x') }], 0)
  const early = nextAppend(cluster, 'b')
  cluster.core('b').step(early)
  cluster.settle()
  cluster.propose('a', 'y', 'z')
  expect(cluster.core('b').step(early)).toBe('stepped')
  cluster.settle()
  expect(cluster.log('b')).toBe(cluster.log('a'))
  expect(cluster.applied('b')).toEqual(['x', 'y', 'z'])
})

test('W-S6: given a leader with another entry where this member has a committed one, when it says so, then the member stops and takes back nothing', () => {
  const cluster = led()
  cluster.propose('a', 'x')
  cluster.core('a').propose([{ payload: Buffer.from('y') }], 0)
  const append = nextAppend(cluster, 'b')
  const term = append.term + 5
  const previous = cluster.core('b').entryAt(append.prevIndex - 1)!
  const forged = {
    ...append,
    term,
    prevIndex: previous.index,
    prevTerm: previous.term,
    prevHash: previous.hash,
    entries: [{ ...append.entries[0]!, index: append.prevIndex, term }],
  }
  const log = cluster.log('b')
  cluster.core('b').step(forged)
  cluster.collect()
  expect(cluster.get('b').incidents).toMatchObject([{ type: 'diverged', index: append.prevIndex }])
  expect(cluster.core('b').status.isStopped).toBe(true)
  expect(cluster.log('b')).toBe(log)
  expect(cluster.core('b').step(append)).toBe('stopped')
  cluster.core('b').tick(1_000)
  expect(cluster.core('b').hasReady).toBe(false)
})

test('W-S4: given two logs with different entries of the same index and term, when they meet, then it is noticed', () => {
  const cluster = led()
  cluster.core('a').propose([{ payload: Buffer.from('x') }], 0)
  const append = nextAppend(cluster, 'b')
  cluster.core('b').step({ ...append, prevHash: append.prevHash + 1 })
  cluster.collect()
  expect(cluster.get('b').incidents).toMatchObject([{ type: 'diverged', index: append.prevIndex }])
})

test('W-S13: given an append with one wrong entry behind right ones, when it comes, then none is taken and it is reported', () => {
  const cluster = led()
  cluster.core('a').propose(
    ['x', 'y', 'z'].map((text) => ({ payload: Buffer.from(text) })),
    0,
  )
  const append = nextAppend(cluster, 'b')
  const lastIndex = cluster.core('b').status.lastIndex
  const [x, y, z] = append.entries
  const flipped = { ...y!, payload: Buffer.from('Y') }
  expect(cluster.core('b').step({ ...append, entries: [x!, flipped, z!] })).toBe('corrupt')
  expect(cluster.core('b').step({ ...append, entries: [x!, z!] })).toBe('malformed')
  cluster.collect()
  expect(cluster.core('b').status.lastIndex).toBe(lastIndex)
  expect(cluster.get('b').incidents).toMatchObject([{ type: 'corrupt-append', index: y!.index }])
  expect(cluster.core('b').status.ignored).toMatchObject({ corrupt: 1, malformed: 1 })
})

test('W-S3: given an idle leader, when it is elected, then it commits what its predecessor left', () => {
  const cluster = led()
  cluster.drops = ({ to, from }) => to === 'a' || from === 'a'
  cluster.core('a').propose([{ payload: Buffer.from('x') }], 0)
  const append = nextAppend(cluster, 'b')
  cluster.core('b').step(append)
  cluster.tick(60, ['c'])
  cluster.elect('b')
  cluster.tick(10, ['b'])
  expect(cluster.applied('c')).toEqual(['x'])
})

test('W-S14: given an answer of somebody who was not asked, when it comes, then it does not count and is counted', () => {
  const cluster = led()
  cluster.partition(['a'])
  cluster.propose('a', 'x')
  const { lastIndex, term } = cluster.core('a').status
  const answer = {
    type: 'append-answer',
    clusterId: CLUSTER,
    to: 'a' as MemberId,
    term,
    accepted: true,
    round: 1,
    roundTick: 0,
    matchIndex: lastIndex,
    rejectedIndex: 0,
    conflictTerm: 0,
    conflictIndex: 0,
    lastIndex,
  } as const
  expect(cluster.core('a').step({ ...answer, from: 'x' as MemberId })).toBe('stranger')
  expect(cluster.core('a').step({ ...answer, from: 'b' as MemberId, matchIndex: lastIndex + 1 })).toBe(
    'malformed',
  )
  expect(cluster.applied('a')).toEqual([])
  expect(cluster.core('a').status.ignored).toMatchObject({ stranger: 1, malformed: 1 })
})

test('given messages of another cluster or for another incarnation, when they come, then they change nothing', () => {
  const cluster = led()
  cluster.core('a').propose([{ payload: Buffer.from('x') }], 0)
  const append = nextAppend(cluster, 'b')
  const before = cluster.core('b').status
  expect(cluster.core('b').step({ ...append, clusterId: 'dd'.repeat(16) as typeof CLUSTER })).toBe(
    'other-cluster',
  )
  expect(cluster.core('b').step({ ...append, to: 'b2' as MemberId })).toBe('other-member')
  expect(cluster.core('b').status).toMatchObject({ lastIndex: before.lastIndex, term: before.term })
})

test('given two voters, when one is lost before a change of the learners is committed, then it can be taken out, and both changes are', () => {
  const cluster = led(['a', 'b'])
  cluster.drops = ({ to }) => to === 'b'
  const voters = ['a', 'b'] as MemberId[]
  const learners = ['c'] as MemberId[]
  const core = cluster.core('a')
  expect(core.proposeConfiguration(configurationOf(voters, learners), 0)).toMatchObject({ accepted: true })
  expect(core.committedConfiguration.learners).toEqual([])
  expect(core.proposeConfiguration(configurationOf(['a'] as MemberId[], learners), 0)).toMatchObject({
    accepted: true,
  })
  cluster.settle()
  expect(core.committedConfiguration).toMatchObject({ voters: ['a'], learners })
  cluster.propose('a', 'x')
  expect(cluster.applied('a')).toEqual(['x'])
})

test('given a change of voters that is not committed, when learners are to change, then it waits', () => {
  const cluster = led()
  cluster.drops = ({ from }) => from !== 'a'
  const core = cluster.core('a')
  const voters = ['a', 'b'] as MemberId[]
  expect(core.proposeConfiguration(configurationOf(voters), 0)).toMatchObject({ accepted: true })
  const next = configurationOf(voters, ['d'] as MemberId[])
  expect(core.proposeConfiguration(next, 0)).toMatchObject({ accepted: false, reason: 'change-pending' })
})

test('given a founder that does not know yet that it was named, when its vote is needed, then it votes, and gets the log', () => {
  const cluster = new Cluster()
  const founders = configurationOf(['a', 'b', 'c'] as MemberId[])
  for (const name of ['a', 'b']) cluster.start(name).core.found(CLUSTER, founders)
  cluster.start('c')
  cluster.drops = ({ from, to }) => from === 'c' || to === 'c'
  cluster.elect('a')
  cluster.propose('a', 'x')
  cluster.drops = ({ from, to }) => from === 'a' || to === 'a'
  cluster.tick(200)
  expect(cluster.leader === 'b' && cluster.core('b').status.role).toBe('leader')
  expect(cluster.core('c').clusterId).toBe(CLUSTER)
  expect(cluster.applied('c')).toEqual(['x'])
})

test('W-L1, W-L2: given answers that were lost, when the leader is idle, then its heartbeats are answered and it commits', () => {
  const cluster = led()
  cluster.drops = ({ type }) => type === 'append-answer'
  cluster.propose('a', 'x')
  expect(cluster.applied('a')).toEqual([])
  cluster.heal()
  cluster.tick(10, ['a'])
  expect(cluster.applied('a')).toEqual(['x'])
})

test('given appends that were lost, when nothing more is proposed, then they are sent again', () => {
  const cluster = led()
  cluster.drops = (message) => message.type === 'append' && message.entries.length > 0
  cluster.propose('a', 'x')
  cluster.heal()
  cluster.tick(30, ['a'])
  for (const name of ['a', 'b', 'c']) expect(cluster.applied(name)).toEqual(['x'])
})

test('W-L10: given a learner, when its leader disappears, then it knows of none, and does not stand for election', () => {
  const cluster = led()
  cluster.start('d')
  cluster.core('a').proposeConfiguration(configurationOf(['a', 'b', 'c'] as MemberId[], ['d' as MemberId]), 0)
  cluster.tick(10)
  expect(cluster.core('d').status.leader).toBe('a')
  cluster.tick(60, ['d'])
  expect(cluster.core('d').status).toMatchObject({ leader: undefined, role: 'follower' })
})

test('given observers, when something is committed, then they get it and do not count', () => {
  const cluster = led()
  cluster.start('o')
  for (const name of ['a', 'b', 'c']) cluster.core(name).setObservers(['o' as MemberId])
  cluster.drops = ({ to }) => to === 'b' || to === 'c'
  cluster.propose('a', 'x')
  expect(cluster.log('o')).toBe(cluster.log('a'))
  expect(cluster.applied('a')).toEqual([])
  cluster.heal()
  cluster.tick(30)
  expect(cluster.applied('o')).toEqual(['x'])
  expect(cluster.core('a').progress.find(({ member }) => member === 'o')).toMatchObject({ role: 'observer' })
})

test('W-A8: given a leader that cannot commit, when more and more is proposed, then it says that it is busy, and takes more when it can', () => {
  const limits = { uncommittedEntriesMax: 3, uncommittedBytesMax: 100, commandBytesMax: 60 }
  const cluster = led(['a', 'b', 'c'], { limits })
  cluster.partition(['a'])
  expect(cluster.propose('a', 'x'.repeat(61))).toMatchObject({ accepted: false, reason: 'too-large' })
  expect(cluster.propose('a', 'x'.repeat(60))).toMatchObject({ accepted: true })
  expect(cluster.propose('a', 'x'.repeat(41))).toMatchObject({ accepted: false, reason: 'busy' })
  expect(cluster.propose('a', 'x', 'x', 'x')).toMatchObject({ accepted: false, reason: 'busy' })
  expect(cluster.propose('a', 'x', 'x')).toMatchObject({ accepted: true })
  cluster.heal()
  cluster.tick(30)
  for (let time = 0; time < 3; time++)
    expect(cluster.propose('a', 'x'.repeat(60), 'x', 'x')).toMatchObject({ accepted: true })
  expect(cluster.applied('c')).toHaveLength(12)
})

test('given a follower that does not answer, when much is proposed, then only so much is on its way to it', () => {
  const limits = { appendEntriesMax: 2, inFlightMessagesMax: 3 }
  const cluster = led(['a', 'b', 'c'], { limits })
  cluster.core('a').propose(
    Array.from({ length: 20 }, (_, at) => ({ payload: Buffer.from(`${at}`) })),
    0,
  )
  cluster.collect()
  const toB = cluster.wire.filter((message) => isAppend(message) && message.to === 'b')
  expect(toB.map((message) => (message.type === 'append' ? message.entries.length : 0))).toEqual([2, 2, 2])
  cluster.settle()
  expect(cluster.applied('b')).toHaveLength(20)
})

test('§20.5: given entries without commands, when application indices are assigned, then only commands count', () => {
  const cluster = led()
  const outcome = cluster
    .core('a')
    .propose(
      [
        { payload: Buffer.from('x') },
        { payload: Buffer.from('s'), kind: 'session' },
        { payload: Buffer.from('xyz'), commandCount: 3 },
      ],
      7,
    )
  expect(outcome).toMatchObject({ accepted: true, firstApplicationIndex: 1, lastApplicationIndex: 4 })
  cluster.settle()
  expect(cluster.get('b').applied.map(({ applicationIndex }) => applicationIndex)).toEqual([0, 0, 1, 1, 4])
  expect(cluster.core('b').status.committedApplicationIndex).toBe(4)
})

test('W-S7: given a member that voted, when it starts again in the same term, then it votes for nobody else', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  cluster.drops = ({ to }) => to === 'c'
  cluster.tick(120, ['a'])
  const { term } = cluster.core('a').status
  cluster.get('b').restart()
  cluster.core('b').step({
    type: 'vote-request',
    clusterId: CLUSTER,
    from: 'c' as MemberId,
    to: 'b' as MemberId,
    term,
    lastIndex: 100,
    lastTerm: term,
    transfer: true,
  })
  const answers = cluster
    .get('b')
    .drain()
    .filter(({ type }) => type === 'vote-answer')
  expect(answers).toMatchObject([{ granted: false, to: 'c' }])
})

/** How many messages a lease read costs. */
function messagesOfLeaseRead(cluster: Cluster): number {
  cluster.wire.splice(0)
  expect(cluster.core('a').read('lease')).toMatchObject({ accepted: true })
  cluster.collect()
  return cluster.wire.splice(0).filter(isAppend).length
}

test('§6.4.1: given a lease, when it is fresh, then a read needs no round; when it is over, it does', () => {
  const cluster = led()
  cluster.core('a').read('strong')
  cluster.settle()
  cluster.get('a').confirmedReads.length = 0
  cluster.drops = () => true
  cluster.tick(34, ['a'])
  expect(messagesOfLeaseRead(cluster)).toBe(0)
  expect(cluster.get('a').reads).toHaveLength(1)
  cluster.tick(1, ['a'])
  expect(messagesOfLeaseRead(cluster)).toBeGreaterThan(0)
  expect(cluster.get('a').reads).toHaveLength(1)
})

test('§6.4.1: given a leader that has told another one to take over, when it reads, then its lease does not count any more', () => {
  const cluster = led()
  expect(messagesOfLeaseRead(cluster)).toBe(0)
  cluster.core('a').transferLeadership('b' as MemberId)
  cluster.collect()
  expect(messagesOfLeaseRead(cluster)).toBeGreaterThan(0)
})

test('§6.4.1: given a leader that leaves the group to one other member, when that is not known to be committed, then the other one waits', () => {
  const cluster = led(['a', 'b'])
  cluster.core('a').proposeConfiguration(configurationOf(['b'] as MemberId[]), 1_000)
  // It gets the entry, and its answer, which would commit it, does not arrive.
  cluster.drops = ({ to }) => to === 'a'
  cluster.settle()
  expect(cluster.core('b').configuration.voters).toEqual(['b'])
  expect(messagesOfLeaseRead(cluster)).toBe(0)
  cluster.tick(39, ['b'])
  expect(cluster.core('b').status.role).toBe('follower')
  cluster.get('b').restart()
  cluster.tick(39, ['b'])
  expect(cluster.core('b').status.role).toBe('follower')
  cluster.tick(12, ['b'])
  expect(cluster.core('b').status.role).toBe('leader')
})

test('given a leader that leaves the group to one other member, when that is committed, then the other one leads at once', () => {
  const cluster = led(['a', 'b'])
  cluster.core('a').proposeConfiguration(configurationOf(['b'] as MemberId[]), 1_000)
  cluster.settle()
  cluster.tick(1, ['b'])
  expect(cluster.core('b').status.role).toBe('leader')
})

test('given the only voter that there has ever been, when it starts again, then it leads at once', () => {
  const cluster = led(['a'])
  cluster.get('a').restart()
  cluster.tick(1)
  expect(cluster.core('a').status.role).toBe('leader')
})

test('given entries from another member than the leader, when they follow the own log, then they are taken, and others are not', () => {
  const cluster = led()
  cluster.drops = ({ to }) => to === 'c'
  cluster.propose('a', 'x', 'y', 'z')
  const { lastIndex } = cluster.core('c').status
  const entries = [1, 2, 3].map((at) => cluster.core('b').entryAt(lastIndex + at)!)
  expect(cluster.core('c').appendFetched(entries.slice(1))).toBe(0)
  expect(cluster.core('c').appendFetched([entries[0]!, { ...entries[1]!, payload: Buffer.from('?') }])).toBe(
    1,
  )
  expect(cluster.core('c').appendFetched(entries.slice(1))).toBe(2)
  cluster.heal()
  cluster.tick(30)
  expect(cluster.applied('c')).toEqual(['x', 'y', 'z'])
})

test('W-A9: given a long log, when it is compacted, then a tail stays, and so does what is not applied', () => {
  const cluster = led(['a', 'b', 'c'], { limits: { tailEntriesMax: 5, tailBytesMax: 1_000 } })
  cluster.propose('a', ...Array.from({ length: 20 }, (_, at) => `${at}`))
  const { lastIndex, appliedIndex } = cluster.core('a').status
  expect(appliedIndex).toBe(lastIndex)
  expect(cluster.core('a').compact(10)).toMatchObject({
    index: 10,
    configuration: { voters: ['a', 'b', 'c'] },
  })
  expect(cluster.core('a').compact(lastIndex)).toMatchObject({ index: lastIndex - 5 })
  expect(cluster.core('a').compact(lastIndex)).toBeUndefined()
  const bytes = led(['a', 'b', 'c'], { limits: { tailEntriesMax: 100, tailBytesMax: 10 } })
  bytes.propose('a', 'x'.repeat(8), 'x'.repeat(4), 'x'.repeat(4))
  expect(bytes.core('a').compact(1_000)).toMatchObject({ index: bytes.core('a').status.lastIndex - 2 })
})

test('given a reluctant member, when there is no leader, then it waits longer by its factor', () => {
  const cluster = new Cluster()
  const patienceOf = (factor: number): number => {
    const { core } = cluster.start('r', { electionFactor: factor })
    core.found(CLUSTER, configurationOf(['r', 's'] as MemberId[]))
    let ticks = 0
    while (core.status.role === 'follower') {
      core.tick()
      ticks++
    }
    return ticks
  }
  expect(patienceOf(1)).toBeLessThanOrEqual(50)
  expect(patienceOf(3)).toBeGreaterThanOrEqual(120)
})

test('given equal inputs, when run twice, then the outputs are equal', () => {
  const run = (): string => {
    const cluster = Cluster.founded(['a', 'b', 'c'], { seed: 5 })
    const seen: Message[] = []
    cluster.drops = (message) => {
      seen.push(message)
      return seen.length % 7 === 0
    }
    for (let round = 0; round < 20; round++) {
      cluster.tick(20)
      if (cluster.leader) cluster.propose(cluster.leader, `${round}`)
    }
    return JSON.stringify(seen)
  }
  expect(run()).toBe(run())
})

test('given leaders that were elected at different times and count the same ticks, when time passes, then their rounds begin at the same ones', () => {
  const clusters = [led(['a', 'b', 'c']), led(['b', 'c', 'a'])]
  clusters[1]!.tick(3)
  const rounds = clusters.map((): number[] => [])
  for (let nowTick = 1_001; nowTick <= 1_030; nowTick++) {
    for (const [place, cluster] of clusters.entries()) {
      cluster.core(place === 0 ? 'a' : 'b').tick(1, nowTick)
      cluster.collect()
      if (cluster.wire.splice(0).some(isAppend)) rounds[place]!.push(nowTick)
    }
  }
  const due = [1_010, 1_020, 1_030]
  expect(rounds).toEqual([due, due])
})
