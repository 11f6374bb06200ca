import { describe, expect, test } from '@jest/globals'
import { eventually, within } from '../../support/eventually.js'
import { discoverAll, startNodes, type CounterGroup, type GroupNode } from '../group/nodes.js'
import { cutOff, letIn, validator } from './out-of-reach.js'
import {
  adding,
  agreeOnLeader,
  allReach,
  declared,
  eventsOf,
  joinLater,
  ledByFirst,
  localValue,
  patienceMs,
} from './support.js'

/** Nodes that have never heard of each other, each leading a group of its own. */
async function rivals(nodes: readonly GroupNode[]): Promise<CounterGroup[]> {
  const groups = await Promise.all(nodes.map((node) => node.join({ founding: { type: 'expect', count: 1 } })))
  await Promise.all(groups.map((group) => within(patienceMs, group.when().isLeader())))
  return groups
}

/**
 * A group of the first node, with three commands, and a part of the other three, with one, of which a member is out of reach
 * of everybody. Neither knows of the other.
 */
async function partWithAbsentMember(nodes: readonly GroupNode[]) {
  const [n0, ...rest] = nodes as unknown as [GroupNode, GroupNode, GroupNode, GroupNode]
  nodes.forEach(letIn)
  const options = { requireTicket: validator } as const
  const [g0] = (await ledByFirst([n0], options)) as [CounterGroup]
  await g0.executeMany(adding(3, 2, 1))
  const part = await declared(rest, options)
  await part[0]!.execute({ add: 100 })
  await allReach(part, 1, 100)
  const absent = part.find(({ status }) => status.value.role !== 'leader')!
  const node = rest[part.indexOf(absent)]!
  cutOff(node)
  await eventually(() => expect(absent.bonds.size).toBe(0))
  return { n0, g0, others: part.filter((group) => group !== absent), absent, node }
}

test('is_elected: given a lone member, then it leads after a while; given others later, then they follow it without an election; given that it is gone, then the rest have one new leader, whom newcomers follow', async () => {
  await using nodes = await startNodes(4)
  const [n0, n1, n2, n3] = nodes as unknown as [GroupNode, GroupNode, GroupNode, GroupNode]
  const g0 = await n0.join()
  expect(g0.when().leaderElected().met).toBe(false)
  await within(patienceMs, g0.when().leaderIs(n0.peerId))
  expect(g0.status.value.role).toBe('leader')
  const { term } = g0.status.value
  const g1 = await joinLater(n1, [n0])
  const g2 = await joinLater(n2, [n0, n1])
  for (const group of [g1, g2]) await within(patienceMs, group.when().leaderIs(n0.peerId))
  // Of two voters, the one that is left could not go on: all three must be.
  for (const group of [g0, g1, g2]) await within(patienceMs, group.when().voters(3))
  expect(g0.status.value).toMatchObject({ role: 'leader', term })
  const changed = [g1, g2].map((group) => group.when().leaderChanged())
  void n0.vanish()
  for (const change of changed) await within(patienceMs, change)
  await agreeOnLeader([n1, n2], [g1, g2])
  const { leader } = g1.status.value
  const g3 = await joinLater(n3, [n1, n2])
  await within(patienceMs, g3.when().leaderIs(leader!))
  expect(g3.status.value.role).not.toBe('leader')
})

describe('leaders that know nothing of each other', () => {
  test.concurrent(
    'rivals_with_same_log_pos: given three with nothing in their logs, when they are discovered, then all agree on one leader, and each sees it',
    async () => {
      await using nodes = await startNodes(3)
      const groups = await rivals(nodes)
      await discoverAll(nodes)
      await agreeOnLeader(nodes, groups)
      const { leader } = groups[0]!.status.value
      for (const group of groups) await within(2_000, group.when().leaderIs(leader!))
    },
  )

  test.concurrent(
    'rivals_with_different_log_pos: given one with three commands, one with one and one with none, when they are discovered, then all follow the first, the states are equal (W-S4), and who gave way is told what it had',
    async () => {
      await using nodes = await startNodes(3)
      const groups = await rivals(nodes)
      const [g0, g1] = groups as [CounterGroup, CounterGroup, CounterGroup]
      const events = groups.map(eventsOf)
      await g0.executeMany(adding(3, 2, 1))
      await g1.execute({ add: 100 })
      await discoverAll(nodes)
      for (const group of groups) await within(patienceMs, group.when().leaderIs(nodes[0]!.peerId))
      await allReach(groups, 3, 6)
      await eventually(() =>
        expect(events[1]).toContainEqual({ type: 'forked', from: 1, to: 1, commands: [{ add: 100 }] }),
      )
      expect(events[0]!.filter(({ type }) => type === 'forked')).toEqual([])
      // What was given up is gone for good, and there is one group.
      await within(patienceMs, g1.execute({ add: 4 }))
      for (const group of groups) await eventually(async () => expect(await localValue(group)).toBe(10))
    },
  )

  test.concurrent(
    'W-S4: given a part of two members that gives way, then both give up what it had, and follow the other',
    async () => {
      await using nodes = await startNodes(3)
      const [n0, n1, n2] = nodes as unknown as [GroupNode, GroupNode, GroupNode]
      const [g0] = (await ledByFirst([n0])) as [CounterGroup]
      await g0.executeMany(adding(3, 2, 1))
      const part = await ledByFirst([n1, n2])
      await within(patienceMs, part[0]!.when().voters(2))
      await part[1]!.execute({ add: 100 })
      await allReach(part, 1, 100)
      const events = part.map(eventsOf)
      await discoverAll(nodes)
      for (const group of part) await within(patienceMs, group.when().leaderIs(n0.peerId))
      await allReach([g0, ...part], 3, 6)
      for (const seen of events) {
        expect(seen).toContainEqual({ type: 'forked', from: 1, to: 1, commands: [{ add: 100 }] })
      }
      await within(patienceMs, part[1]!.execute({ add: 4 }))
      for (const group of [g0, ...part])
        await eventually(async () => expect(await localValue(group)).toBe(10))
    },
  )

  test.concurrent(
    'given a part of which one member does not hear that it gives way, then that one is told by the others, and follows as well',
    async () => {
      await using nodes = await startNodes(4)
      const { n0, g0, others, absent: deaf, node } = await partWithAbsentMember(nodes)
      const events = eventsOf(deaf)
      await discoverAll(nodes)
      for (const group of others) await within(patienceMs, group.when().leaderIs(n0.peerId))
      await allReach([g0, ...others], 3, 6)
      expect(await localValue(deaf)).toBe(100)

      letIn(node)
      await within(patienceMs, deaf.when().leaderIs(n0.peerId))
      await allReach([deaf], 3, 6)
      expect(events).toContainEqual({ type: 'forked', from: 1, to: 1, commands: [{ add: 100 }] })
    },
  )

  test.concurrent(
    'given a member that was away when its part gave way, and of that part is nobody left, then it is told by the other part, and follows as well',
    async () => {
      await using nodes = await startNodes(4)
      const { n0, g0, others, absent: away, node } = await partWithAbsentMember(nodes)
      const events = eventsOf(away)
      await discoverAll(nodes)
      await allReach([g0, ...others], 3, 6)
      for (const group of others) await within(patienceMs, group.close())
      expect(await localValue(away)).toBe(100)

      letIn(node)
      await discoverAll([n0, node])
      await within(patienceMs, away.when().leaderIs(n0.peerId))
      await allReach([away], 3, 6)
      expect(events).toContainEqual({ type: 'forked', from: 1, to: 1, commands: [{ add: 100 }] })
    },
  )
})
