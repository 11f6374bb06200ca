import { expect, test } from '@jest/globals'
import { configurationOf, type MemberId, type Message } from '#framework/groups/raft'
import { Progress } from '../../../framework/groups/raft/progress.js'
import { Cluster, type ClusterOptions } from './cluster.js'

/** Who follows along answers every so many-th append. */
const answeredEvery = 32
const members = ['a', 'b', 'c', 'l'] as const

/** Led by a, with a learner l that has just come. */
function ledWithLearner(options?: ClusterOptions): Cluster {
  const cluster = Cluster.founded(['a', 'b', 'c'], options)
  cluster.elect('a')
  cluster.start('l')
  cluster
    .core('a')
    .proposeConfiguration(configurationOf(['a', 'b', 'c'] as MemberId[], ['l'] as MemberId[]), 0)
  cluster.settle()
  return cluster
}

/** After so many heartbeats that everybody has been seen to follow along. */
function ledWithKnownLearner(): Cluster {
  const cluster = ledWithLearner()
  cluster.tick(30)
  return cluster
}

/** What goes over the wire from now on. */
function overheard(cluster: Cluster): Message[] {
  const messages: Message[] = []
  cluster.drops = (message) => {
    messages.push(message)
    return false
  }
  return messages
}

const answersOf = (messages: readonly Message[], from: string): Message[] =>
  messages.filter((message) => message.type === 'append-answer' && message.from === from)

test('given a learner that follows along, when single entries come, then it answers for many of them at a time', () => {
  const cluster = ledWithKnownLearner()
  const messages = overheard(cluster)
  for (let count = 1; count <= 2 * answeredEvery; count++) cluster.propose('a', `${count}`)
  expect(answersOf(messages, 'b')).toHaveLength(2 * answeredEvery)
  expect(answersOf(messages, 'l')).toHaveLength(2)
  for (const name of members) expect(cluster.applied(name)).toHaveLength(2 * answeredEvery)
})

test('given a learner that follows along, when what it did not answer got lost, then a heartbeat finds out and it is sent again', () => {
  const cluster = ledWithKnownLearner()
  cluster.drops = ({ to, type }) => to === 'l' && type === 'append'
  cluster.propose('a', 'lost')
  cluster.drops = () => false
  cluster.tick(30)
  expect(cluster.applied('l')).toEqual(['lost'])
})

test('given a learner that follows along, when the last of what it does not answer has only just left, then none of it is taken for lost', () => {
  const progress = new Progress('l' as MemberId, 'learner', 1, 0)
  progress.onAccepted(0)
  for (const round of [2, 3]) progress.onRound(round, 0, 0)
  progress.onSent(1, 10, 0, false)
  progress.onSent(2, 10, 100, false)
  expect(progress.hasLost(100, 1, 10)).toBe(false)
  expect(progress.hasLost(110, 1, 10)).toBe(true)
})

test('given a member that has just come, when it gets entries, then it answers each time: it may have everything', () => {
  const cluster = ledWithLearner()
  const messages = overheard(cluster)
  cluster.propose('a', 'x')
  expect(answersOf(messages, 'l')).toHaveLength(1)
})

test('thesis §6.4: given a learner, when a read has to be confirmed, then only voters are asked', () => {
  const cluster = ledWithKnownLearner()
  const messages = overheard(cluster)
  cluster.core('a').read('strong')
  cluster.settle()
  expect(cluster.get('a').confirmedReads).toHaveLength(1)
  expect(messages.map(({ to }) => to).sort()).toEqual(['a', 'b'])
})

test('given a learner that follows along, when an entry is not committed yet, then it hears of that when it is, in one message', () => {
  const cluster = ledWithKnownLearner()
  cluster.drops = ({ from, type }) => type === 'append-answer' && from !== 'l'
  cluster.propose('a', 'x')
  cluster.tick(3)
  expect(cluster.log('b')).toMatch(/x$/)
  expect(cluster.log('l')).not.toMatch(/x$/)
  const messages = overheard(cluster)
  // The next heartbeat is answered.
  while (cluster.applied('l').length === 0) cluster.tick(1)
  expect(messages.filter(({ to, type }) => to === 'l' && type === 'append')).toMatchObject([
    { entries: [] },
    { entries: [{ commandCount: 1 }] },
  ])
})

test('given a learner that follows along, when much is not committed yet, then it is sent ahead', () => {
  const cluster = ledWithKnownLearner()
  cluster.drops = ({ from, type }) => type === 'append-answer' && from !== 'l'
  cluster.propose('a', 'x'.repeat(5_000))
  expect(cluster.log('l')).toBe(cluster.log('a'))
})

test('given a member that has just come, when an entry is not committed yet, then it gets it all the same: it may be a voter soon', () => {
  const cluster = ledWithLearner()
  cluster.drops = ({ from, type }) => type === 'append-answer' && from !== 'l'
  cluster.propose('a', 'x')
  expect(cluster.log('l')).toMatch(/x$/)
})

test('given a learner that follows along, when it becomes a voter, then it gets what is not committed yet, and is counted', () => {
  const cluster = ledWithKnownLearner()
  cluster.drops = ({ from }) => from === 'b' || from === 'c'
  cluster.propose('a', 'x')
  expect(cluster.log('l')).not.toMatch(/x$/)
  const voters = configurationOf(['a', 'b', 'c', 'l'] as MemberId[])
  expect(cluster.core('a').proposeConfiguration(voters, 0)).toMatchObject({ accepted: true })
  cluster.settle()
  expect(cluster.log('l')).toMatch(/x [0-9]+:configuration$/)
  expect(cluster.applied('a')).toEqual([])
  cluster.drops = ({ from }) => from === 'c'
  cluster.tick(30)
  expect(cluster.applied('l')).toEqual(['x'])
})

test('given a learner that follows along, when it writes entries, then nobody waits for that until it is to answer', () => {
  const cluster = ledWithKnownLearner()
  for (const name of members) cluster.get(name).awaited.length = 0
  for (let count = 1; count <= answeredEvery; count++) cluster.propose('a', `${count}`)
  expect(cluster.get('l').awaited).toEqual([...Array<boolean>(answeredEvery - 1).fill(false), true])
  for (const name of ['a', 'b']) expect(cluster.get(name).awaited).not.toContain(false)
})

test('given entries from elsewhere than the leader, when they are written, then whoever got them waits', () => {
  const cluster = ledWithLearner()
  cluster.drops = ({ to }) => to === 'l'
  cluster.propose('a', 'x')
  const { awaited, core } = cluster.get('l')
  awaited.length = 0
  core.appendFetched([cluster.core('a').entryAt(cluster.core('a').status.lastIndex)!])
  cluster.settle()
  expect(cluster.log('l')).toMatch(/x$/)
  expect(awaited).toEqual([true])
})

test.each([
  ['a learner that follows along', configurationOf(['a', 'b', 'c'] as MemberId[]), 'l'],
  ['a voter', configurationOf(['a', 'b'] as MemberId[], ['l'] as MemberId[]), 'c'],
])('given %s, when it is taken out, then it hears of that at once', (_, without, removed) => {
  const cluster = ledWithKnownLearner()
  expect(cluster.core('a').proposeConfiguration(without, 0)).toMatchObject({ accepted: true })
  cluster.settle()
  expect(cluster.get(removed).incidents).toEqual([{ type: 'removed' }])
})

test('given a voter that is to be a learner, when that is not committed yet, then it gets it all the same: it may stay one', () => {
  const cluster = ledWithKnownLearner()
  cluster.drops = ({ from, type }) => type === 'append-answer' && from !== 'l'
  const next = configurationOf(['a', 'b'] as MemberId[], ['c', 'l'] as MemberId[])
  expect(cluster.core('a').proposeConfiguration(next, 0)).toMatchObject({ accepted: true })
  cluster.settle()
  expect(cluster.log('c')).toBe(cluster.log('a'))
})
