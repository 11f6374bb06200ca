import { expect, test } from '@jest/globals'
import { configurationOf, type MemberId, type Message } from '#framework/groups/raft'
import { Cluster } from './cluster.js'

function led(names: readonly string[] = ['a', 'b', 'c'], core = {}): Cluster {
  const cluster = Cluster.founded(names, { core })
  cluster.elect(names[0]!)
  cluster.tick(10)
  return cluster
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, at) => `${at}`)

test('Raft §5.3: given a follower with many wrong entries of one term, when a leader finds out, then one refusal is enough', () => {
  const cluster = led()
  cluster.partition(['a'])
  cluster.propose('a', ...numbers(20))
  cluster.tick(60, ['b', 'c'])
  const later = cluster.leader!
  expect(later).not.toBe('a')
  cluster.propose(later, ...numbers(40))
  // Elected once more, it knows nothing of a and begins at the end of its own log.
  cluster.get(later).restart()
  cluster.tick(200, ['b', 'c'])
  const refusals: Message[] = []
  cluster.drops = (message) => {
    if (message.type === 'append-answer' && !message.accepted && message.rejectedIndex > 0)
      refusals.push(message)
    return false
  }
  cluster.tick(100)
  expect(cluster.log('a')).toBe(cluster.log(cluster.leader!))
  expect(refusals.length).toBeLessThanOrEqual(2)
})

test('thesis §4.1: given a new configuration that is not committed, when another leader takes it back, then the former one is in force', () => {
  const cluster = led()
  cluster.partition(['a'])
  cluster.core('a').proposeConfiguration(configurationOf(['a', 'b'] as MemberId[]), 0)
  expect(cluster.core('a').configuration.voters).toEqual(['a', 'b'])
  cluster.tick(100, ['b', 'c'])
  cluster.heal()
  cluster.tick(100)
  for (const name of ['a', 'b', 'c']) expect(cluster.core(name).configuration.voters).toEqual(['a', 'b', 'c'])
})

test('given large entries, when they are sent, then an append has as many as fit, and one at least', () => {
  const cluster = led(['a', 'b', 'c'], { limits: { appendBytesMax: 10 } })
  cluster.core('a').propose(
    ['xxxx', 'xxxx', 'xxxx', 'x'.repeat(30), 'x'].map((text) => ({ payload: Buffer.from(text) })),
    0,
  )
  cluster.collect()
  const sizes = cluster.wire.flatMap((message) =>
    message.type === 'append' && message.to === 'b' ? [message.entries.length] : [],
  )
  expect(sizes).toEqual([2, 1, 1, 1])
})

test('W-S4: given an append with another entry where this member has one of the same term, when it comes, then the member stops', () => {
  const cluster = led()
  cluster.core('a').propose([{ payload: Buffer.from('x') }], 0)
  cluster.collect()
  const append = cluster.wire.find((message) => message.type === 'append' && message.to === 'b')
  if (append?.type !== 'append') throw new Error('no append')
  cluster.settle()
  const other = { ...append.entries[0]!, payload: Buffer.from('y'), hash: append.entries[0]!.hash + 1 }
  cluster.core('b').step({ ...append, entries: [other] })
  cluster.collect()
  expect(cluster.get('b').incidents).toMatchObject([{ type: 'diverged', index: other.index }])
})

test('thesis §6.4: given followers whose disks are slow, when they answer a new leader, then it leads and confirms no read before its entry is committed', () => {
  const cluster = Cluster.founded(['a', 'b', 'c'])
  const a = cluster.core('a')
  while (a.status.role === 'follower') a.tick()
  while (a.status.role !== 'leader') cluster.deliverOne()
  for (const name of ['b', 'c']) cluster.get(name).isDiskHeld = true
  cluster.settle()
  for (const consistency of ['strong', 'lease'] as const)
    expect(a.read(consistency)).toMatchObject({ accepted: true })
  cluster.tick(20, ['a'])
  expect(a.read('lease')).toMatchObject({ accepted: true })
  cluster.settle()
  expect(cluster.get('a').reads).toEqual([])
  const noopIndex = a.status.lastIndex
  for (const name of ['b', 'c']) {
    cluster.get(name).isDiskHeld = false
    cluster.get(name).flushDisk()
  }
  cluster.tick(20, ['a'])
  expect(cluster.get('a').confirmedReads).toHaveLength(3)
  for (const { index } of cluster.get('a').confirmedReads) expect(index).toBeGreaterThanOrEqual(noopIndex)
})

test('thesis §4.2.1: given a learner that falls behind, when it answers, then its rounds begin anew', () => {
  const cluster = led()
  cluster.start('d')
  cluster.core('a').proposeConfiguration(configurationOf(['a', 'b', 'c'] as MemberId[], ['d' as MemberId]), 0)
  cluster.tick(40)
  const roundsOf = (): number =>
    cluster.core('a').progress.find(({ member }) => member === 'd')!.caughtUpRounds
  expect(roundsOf()).toBeGreaterThanOrEqual(2)
  cluster.drops = (message) => message.to === 'd' && message.type === 'append' && message.entries.length > 0
  cluster.propose('a', ...numbers(65))
  cluster.tick(10)
  expect(roundsOf()).toBe(0)
})

test('given a learner that cannot write anything down, when the log to catch up with is short, then it has not', () => {
  const cluster = led()
  cluster.start('d').isDiskHeld = true
  cluster.core('a').proposeConfiguration(configurationOf(['a', 'b', 'c'] as MemberId[], ['d' as MemberId]), 0)
  cluster.tick(40)
  const progressOf = () => cluster.core('a').progress.find(({ member }) => member === 'd')
  expect(progressOf()).toMatchObject({ matchIndex: 0, caughtUpRounds: 0 })
  cluster.get('d').isDiskHeld = false
  cluster.get('d').flushDisk()
  cluster.tick(40)
  expect(progressOf()!.caughtUpRounds).toBeGreaterThanOrEqual(2)
})
