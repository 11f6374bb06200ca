import { expect, test } from '@jest/globals'
import { configurationOf, type MemberId, type Message } from '#framework/groups/raft'
import { Cluster, type ClusterOptions } from './cluster.js'

const inFlightMessagesMax = 8
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
  const cluster = ledWithLearner({ core: { limits: { inFlightMessagesMax } } })
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

test('given a learner that follows along, when single entries come, then it answers for half a window of them at a time', () => {
  const cluster = ledWithKnownLearner()
  const messages = overheard(cluster)
  for (let count = 1; count <= inFlightMessagesMax; count++) cluster.propose('a', `${count}`)
  expect(answersOf(messages, 'b')).toHaveLength(inFlightMessagesMax)
  expect(answersOf(messages, 'l')).toHaveLength(2)
  for (const name of members) expect(cluster.applied(name)).toHaveLength(inFlightMessagesMax)
})

test('given a learner that follows along, when what it did not answer got lost, then a heartbeat finds out and it is sent again', () => {
  const cluster = ledWithKnownLearner()
  cluster.drops = ({ to, type }) => to === 'l' && type === 'append'
  cluster.propose('a', 'lost')
  cluster.drops = () => false
  cluster.tick(30)
  expect(cluster.applied('l')).toEqual(['lost'])
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
  expect(messages.map(({ to }) => to).sort()).toEqual(['a', 'a', 'b', 'c'])
})
