import { expect, test } from '@jest/globals'
import type { GroupEvent } from '#framework/groups'
import { eventually, within } from '../../support/eventually.js'
import { discoverAll, startNodes, type CounterGroup } from './nodes.js'

/** What is told of a group, as it comes. */
function follow(group: CounterGroup): GroupEvent[] {
  const events: GroupEvent[] = []
  const following = async (): Promise<void> => {
    for await (const event of group.events()) events.push(event)
  }
  following().catch(() => {})
  return events
}

test('W-S4: given parts that were founded apart, then they become one, the states are equal, and the one that gave way is handed what it had', async () => {
  await using nodes = await startNodes(3)
  const groups = await Promise.all(nodes.map((node) => node.join()))
  const events = groups.map(follow)
  await Promise.all(groups.map((group) => within(15_000, group.when().isLeader())))
  const [first, second] = groups as [CounterGroup, CounterGroup]
  await first.executeMany([{ add: 3 }, { add: 2 }, { add: 1 }])
  await first.execute({ add: 4 })
  await second.execute({ add: 100 })
  await discoverAll(nodes)
  await eventually(
    async () => {
      for (const group of groups) {
        expect(group.status.value.leader).toBe(nodes[0]!.peerId)
        expect((await group.query('value', { consistency: 'local' })).answer).toBe(10)
      }
    },
    { timeoutMs: 30_000 },
  )
  expect(events[1]).toContainEqual({ type: 'forked', from: 1, to: 1, commands: [{ add: 100 }] })
  expect(events[0]!.filter(({ type }) => type === 'forked')).toEqual([])
  // It goes on as one group.
  await within(15_000, first.when().voters(3))
  await second.execute({ add: 1 })
  for (const group of groups) expect((await group.query('value')).answer).toBe(11)
})
