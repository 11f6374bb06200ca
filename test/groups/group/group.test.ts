import { describe, expect, test } from '@jest/globals'
import { eventually, within } from '../../support/eventually.js'
import { discoverAll, startNodes, type CounterGroup, type GroupNode } from './nodes.js'

/** A group of which every node is a voter, founded by these nodes. */
async function declared(nodes: readonly GroupNode[]): Promise<CounterGroup[]> {
  const founders = nodes.map(({ peerId }) => peerId)
  const founding = { type: 'declared', founders } as const
  const groups = await Promise.all(nodes.map((node) => node.join({ founding })))
  await discoverAll(nodes)
  await Promise.all(groups.map((group) => within(15_000, group.when().online())))
  return groups
}

async function valueOf(group: CounterGroup): Promise<number> {
  return (await group.query('value', { consistency: 'local' })).answer
}

test.concurrent(
  'given declared founders, then they elect a leader, and what one of them submits is applied by all',
  async () => {
    await using nodes = await startNodes(3)
    const groups = await declared(nodes)
    const leaders = new Set(groups.map(({ status }) => status.value.leader))
    expect(leaders.size).toBe(1)
    for (const [place, group] of groups.entries()) {
      expect(await within(10_000, group.execute({ add: place + 1 }))).toMatchObject({ index: place + 1 })
    }
    await eventually(async () => {
      for (const group of groups) expect(await valueOf(group)).toBe(6)
    })
    for (const group of groups) expect((await group.query('value')).answer).toBe(6)
    expect(groups[0]!.status.value.durability).toEqual({ acks: 2, voters: 3, isDurable: false })
  },
)

test.concurrent('a lone node founds a group by itself, and those that come later become voters', async () => {
  await using nodes = await startNodes(3)
  const first = await nodes[0]!.join()
  await within(15_000, first.when().isLeader())
  await first.executeMany([{ add: 3 }, { add: 4 }])
  const others = await Promise.all([nodes[1]!.join(), nodes[2]!.join()])
  await discoverAll(nodes)
  for (const group of others) {
    await within(15_000, group.when().leaderIs(nodes[0]!.peerId))
    await within(15_000, group.when().committed(2))
    expect(await valueOf(group)).toBe(7)
  }
  await within(15_000, first.when().voters(3))
  expect(first.members.value.map(({ role }) => role)).toEqual(['voter', 'voter', 'voter'])
})

describe('a leader that vanishes', () => {
  test.concurrent(
    'then another one takes over, nothing that was acknowledged is lost, and what was on its way happens once',
    async () => {
      await using nodes = await startNodes(3)
      const groups = await declared(nodes)
      const leader = groups.findIndex(({ status }) => status.value.role === 'leader')
      const others = groups.filter((_, place) => place !== leader)
      const [one, other] = others as [CounterGroup, CounterGroup]
      let sum = 0
      let isGone = false
      const working = (async () => {
        for (let n = 1; n <= 60; n++) {
          sum += (await one.execute({ add: 1 }, { deadlineMs: 30_000 })).index > 0 ? 1 : 0
          if (n === 20) {
            isGone = true
            void nodes[leader]!.vanish()
          }
        }
      })()
      await within(40_000, working)
      expect(isGone).toBe(true)
      expect(sum).toBe(60)
      expect((await other.query('value', { deadlineMs: 20_000 })).answer).toBe(60)
      expect(other.status.value.leader).not.toBe(nodes[leader]!.peerId)
    },
  )
})

test.concurrent(
  'a node that leaves in good order is taken out of the configuration, and leads no more',
  async () => {
    await using nodes = await startNodes(3)
    const groups = await declared(nodes)
    const leader = groups.findIndex(({ status }) => status.value.role === 'leader')
    const [one] = groups.filter((_, place) => place !== leader) as [CounterGroup]
    await groups[leader]!.close()
    await eventually(() => {
      expect(one.status.value.durability.voters).toBe(2)
      expect(one.status.value.leader).not.toBe(nodes[leader]!.peerId)
    })
    await within(10_000, one.execute({ add: 1 }))
    await expect(groups[leader]!.execute({ add: 1 })).rejects.toMatchObject({ code: 'GROUP_TERMINATED' })
  },
)
