import { describe, expect, test } from '@jest/globals'
import { eventually, within } from '../../support/eventually.js'
import { startNodes, type CounterGroup, type GroupNode } from '../group/nodes.js'
import { startMachines } from './machines.js'
import { cutOff, letIn, validator } from './out-of-reach.js'
import {
  adding,
  allReach,
  declared,
  eventsOf,
  joinLater,
  leaderOf,
  localValue,
  outcomeOf,
  patienceMs,
} from './support.js'

const reform = { quorumLoss: { type: 'reform', afterMs: 2_000 } } as const

/** Which member a node is: another one would have begun with nothing. */
function memberOf(group: CounterGroup, { peerId }: GroupNode): string | undefined {
  return group.members.value.find(({ peer }) => peer === peerId)?.member
}

/** What was submitted again is in the log again, so that values are compared, not indices. */
async function allCome(groups: readonly CounterGroup[], value: number): Promise<void> {
  await eventually(
    async () => {
      for (const group of groups) expect(await localValue(group)).toBe(value)
    },
    { timeoutMs: patienceMs },
  )
}

describe('a majority that is gone for good', () => {
  test.concurrent(
    'given three voters of which two are killed, when the group may be reformed, then the third goes on with all that was acknowledged, and a newcomer becomes a voter',
    async () => {
      await using nodes = await startNodes(4)
      const [first, second, third, later] = nodes as unknown as [GroupNode, GroupNode, GroupNode, GroupNode]
      const groups = await declared([first, second, third], reform)
      await groups[leaderOf(groups)]!.executeMany(adding(1, 2, 3))
      await allReach(groups, 3, 6)
      const left = groups[2]!
      const events = eventsOf(left)
      const { clusterId: before } = left.status.value
      // Nobody has to be told: the calls of its clients go through when it goes on.
      void first.vanish()
      void second.vanish()
      await eventually(() => expect(left.bonds.size).toBe(0))
      const { result } = await within(patienceMs, left.execute({ add: 4 }, { deadlineMs: patienceMs }))
      expect(result).toBe(10)
      const { clusterId, durability } = left.status.value
      expect(clusterId).not.toBe(before)
      expect(durability).toMatchObject({ acks: 1, voters: 1 })
      expect(events).toContainEqual({ type: 'reformed', before, clusterId })

      const newcomer = await joinLater(later, [third], reform)
      await within(patienceMs, newcomer.when().voters(2))
      await allCome([newcomer], 10)
      await within(patienceMs, newcomer.execute({ add: 5 }))
      expect(await localValue(newcomer)).toBe(15)
      expect(events.filter(({ type }) => type === 'forked')).toEqual([])
    },
  )

  test.concurrent('given that nobody said that it may be reformed, then it waits', async () => {
    await using nodes = await startNodes(3)
    const groups = await declared(nodes)
    await groups[0]!.execute({ add: 1 })
    const left = groups[2] as CounterGroup
    const { clusterId } = left.status.value
    for (const node of nodes.slice(0, 2)) void node.vanish()
    await eventually(() => expect(left.status.value.leader).toBeUndefined())
    expect(await outcomeOf(left.execute({ add: 1 }, { deadlineMs: 3_000 }))).toBe('GROUP_NOT_SUBMITTED')
    expect(left.status.value.clusterId).toBe(clusterId)
  })

  test.concurrent(
    'given five of which three are killed, then one of the two makes the group anew, and the other keeps what it has and follows',
    async () => {
      await using nodes = await startNodes(5)
      const groups = await declared(nodes, reform)
      await groups[leaderOf(groups)]!.executeMany(adding(1, 2, 3))
      await allReach(groups, 3, 6)
      const left = groups.slice(3)
      const events = left.map(eventsOf)
      const before = left.map((group) => memberOf(group, nodes[groups.indexOf(group)]!))
      for (const node of nodes.slice(0, 3)) void node.vanish()
      await eventually(() => left.forEach(({ bonds }) => expect(bonds.size).toBe(1)))
      for (const group of left)
        await within(patienceMs, group.execute({ add: 4 }, { deadlineMs: patienceMs }))
      await allCome(left, 14)
      for (const group of left) await within(patienceMs, group.when().voters(2))
      expect(left.map((group) => memberOf(group, nodes[groups.indexOf(group)]!))).toEqual(before)
      const [clusterId, ...others] = new Set(left.map(({ status }) => status.value.clusterId))
      expect(others).toEqual([])
      for (const seen of events)
        expect(seen).toContainEqual(expect.objectContaining({ type: 'reformed', clusterId }))
      expect(events.flat().filter(({ type }) => type === 'forked')).toEqual([])
    },
  )

  test.concurrent(
    'given a member that was cut off for so long and went on alone, when it meets the majority again, then they become one, and who gives way is handed what the other has not, and nothing else',
    async () => {
      await using nodes = await startNodes(3)
      nodes.forEach(letIn)
      const groups = await declared(nodes, { ...reform, requireTicket: validator })
      await groups[leaderOf(groups)]!.executeMany(adding(1, 2, 3))
      await allReach(groups, 3, 6)
      const [alone, ...others] = groups as [CounterGroup, CounterGroup, CounterGroup]
      const events = groups.map(eventsOf)
      cutOff(nodes[0]!)
      await eventually(() => expect(alone.bonds.size).toBe(0))
      await within(patienceMs, alone.execute({ add: 100 }, { deadlineMs: patienceMs }))
      for (const group of others) await within(patienceMs, group.executeMany(adding(10, 10)))
      expect(new Set(groups.map(({ status }) => status.value.clusterId)).size).toBe(2)

      letIn(nodes[0]!)
      await allCome(groups, 46)
      expect(new Set(groups.map(({ status }) => status.value.clusterId)).size).toBe(1)
      // Submitted again in the new cluster, and in the log twice, if it was submitted to the leader of the one before.
      const forked = expect.objectContaining({ type: 'forked', from: 4, commands: [{ add: 100 }] })
      expect(events[0]).toContainEqual(forked)
      expect(
        events
          .slice(1)
          .flat()
          .filter(({ type }) => type === 'forked'),
      ).toEqual([])
      await within(patienceMs, alone.execute({ add: 1 }))
    },
  )

  test.concurrent(
    'given a member with a disk that has gone on alone, when it starts again, then it leads at once, with everything',
    async () => {
      await using all = await startMachines(3, true)
      const { machines, nodes } = all
      const groups = await declared(nodes, reform)
      await groups[leaderOf(groups)]!.executeMany(adding(1, 2, 3))
      await allReach(groups, 3, 6)
      for (const machine of machines.slice(0, 2)) await machine.crash()
      await within(patienceMs, groups[2]!.execute({ add: 4 }, { deadlineMs: patienceMs }))
      const { clusterId } = groups[2]!.status.value
      await machines[2]!.crash()

      const again = await (await machines[2]!.start()).join({ ...reform, founding: { type: 'join-only' } })
      await within(patienceMs, again.when().isLeader())
      expect((await within(patienceMs, again.execute({ add: 5 }))).result).toBe(15)
      expect(again.status.value.clusterId).toBe(clusterId)
    },
  )
})
