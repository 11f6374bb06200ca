import { describe, expect, test } from '@jest/globals'
import type { StateMachine } from '#framework/groups'
import { within } from '../../support/eventually.js'
import { startNodes, type CounterGroup, type GroupNode } from '../group/nodes.js'
import { Counter, type CounterCommand } from '../machine/counter.js'
import { adding, allReach, indicesOf, joinLater, ledByFirst, patienceMs } from './support.js'

/** A counter that cannot be had as a snapshot: who comes late is brought up to date with the log alone. */
function withoutSnapshots(): StateMachine<CounterCommand, number, 'value', number> {
  const counter = new Counter()
  const { signature, codecs } = counter
  return {
    signature,
    codecs,
    apply: (command, context) => counter.apply(command, context),
    query: () => counter.query(),
  }
}

const counter = (): Counter => new Counter()

test('feed::smoke: given a lone leader and a follower that came later, when the follower feeds two commands and a batch, then it is told their indices, and both carry them out', async () => {
  await using nodes = await startNodes(2)
  const groups = await ledByFirst(nodes)
  const follower = groups[1]!
  const one = await within(patienceMs, follower.feed({ add: 3 }))
  const two = await within(patienceMs, follower.feed({ add: 4 }))
  const batch = await within(patienceMs, follower.feedMany(adding(3, 3, 2)))
  expect([one, two, ...batch].map(({ index }) => index)).toEqual([1, 2, 3, 4, 5])
  await allReach(groups, 5, 15)
  expect(await within(patienceMs, batch[2]!.committed)).toMatchObject({ index: 5, result: 15 })
})

describe('a follower that comes late', () => {
  test('one_leader_one_follower_small: given a leader with a few commands, then the follower has them soon, and what comes later', async () => {
    await using nodes = await startNodes(2)
    const [n0, n1] = nodes as unknown as [GroupNode, GroupNode]
    const [g0] = (await ledByFirst([n0])) as [CounterGroup]
    await g0.executeMany(adding(0, 1, 2, 3))
    const g1 = await joinLater(n1, [n0])
    await within(patienceMs, g1.when().leaderIs(n0.peerId))
    await allReach([g0, g1], 4, 6)
    await g0.executeMany(adding(1, 1))
    await allReach([g0, g1], 6, 8)
  })

  // Upstream's batch sizes are those of its log replay. Here it is how large the batches are that the log was written in.
  test.each([
    [7, 'without snapshots', withoutSnapshots],
    [20, 'with snapshots', counter],
    [100, 'without snapshots', withoutSnapshots],
    [1000, 'with snapshots', counter],
  ])(
    'one_leader_one_follower_large: given a leader with 200 commands in batches of %d, %s, then followers have them soon, also those of a follower',
    async (batchSize, _, machine) => {
      await using nodes = await startNodes(3)
      const [n0, n1, n2] = nodes as unknown as [GroupNode, GroupNode, GroupNode]
      const [g0] = (await ledByFirst([n0], { machine })) as [CounterGroup]
      const amounts = Array.from({ length: 200 }, (_unused, place) => place)
      const executeAll = async (group: CounterGroup): Promise<number[]> => {
        const batches = []
        for (let from = 0; from < amounts.length; from += batchSize) {
          batches.push(group.executeMany(adding(...amounts.slice(from, from + batchSize))))
        }
        return indicesOf((await within(patienceMs, Promise.all(batches))).flat())
      }
      expect(await executeAll(g0)).toEqual(amounts.map((place) => place + 1))
      const g1 = await joinLater(n1, [n0], { machine })
      await allReach([g0, g1], 200, 19_900)
      expect(await executeAll(g1)).toEqual(amounts.map((place) => place + 201))
      await allReach([g0, g1], 400, 39_800)
      const g2 = await joinLater(n2, [n0, n1], { machine })
      await allReach([g0, g1, g2], 400, 39_800)
    },
  )
})
