import { expect } from '@jest/globals'
import type { Executed, GroupEvent } from '#framework/groups'
import { eventually, within } from '../../support/eventually.js'
import { discoverAll, type CounterGroup, type CounterOptions, type GroupNode } from '../group/nodes.js'

/** How long anything may take that goes over the network. */
export const patienceMs = 20_000

/** A group that its first node has founded alone, at once; the others have joined later, and follow. */
export async function ledByFirst(
  nodes: readonly GroupNode[],
  options: CounterOptions = {},
): Promise<CounterGroup[]> {
  const [first, ...others] = nodes as [GroupNode, ...GroupNode[]]
  const leading = await first.join({ ...options, founding: { type: 'expect', count: 1 } })
  await within(patienceMs, leading.when().isLeader())
  const following: CounterGroup[] = []
  for (const node of others) following.push(await joinLater(node, [first], options))
  await discoverAll(nodes)
  for (const group of following) await within(patienceMs, group.when().leaderIs(first.peerId))
  return [leading, ...following]
}

/** Joins a group that these nodes are in, and founds none. */
export async function joinLater(
  node: GroupNode,
  others: readonly GroupNode[],
  options: CounterOptions = {},
): Promise<CounterGroup> {
  const group = await node.join({ ...options, founding: { type: 'join-only' } })
  await discoverAll([node, ...others])
  return group
}

/** A group of which every node is a voter from the beginning. */
export async function declared(
  nodes: readonly GroupNode[],
  options: CounterOptions = {},
): Promise<CounterGroup[]> {
  const groups = await joinDeclared(nodes, options)
  await discoverAll(nodes)
  await Promise.all(groups.map((group) => within(patienceMs, group.when().online())))
  return groups
}

/** The same, without waiting for anything. */
export function joinDeclared(
  nodes: readonly GroupNode[],
  options: CounterOptions = {},
): Promise<CounterGroup[]> {
  const founders = nodes.map(({ peerId }) => peerId)
  return Promise.all(nodes.map((node) => node.join({ ...options, founding: { type: 'declared', founders } })))
}

/** Where the leader is among these, as it says itself. */
export function leaderOf(groups: readonly CounterGroup[]): number {
  const place = groups.findIndex(({ status }) => status.value.role === 'leader')
  expect(place).toBeGreaterThanOrEqual(0)
  return place
}

/** What a node has, however old that is. */
export async function localValue(group: CounterGroup): Promise<number> {
  return (await group.query('value', { consistency: 'local' })).answer
}

/** Waits until every one of these has applied everything up to the index, and has this value. */
export async function allReach(
  groups: readonly CounterGroup[],
  index: number,
  value: number,
  timeoutMs = patienceMs,
): Promise<void> {
  for (const group of groups) await within(timeoutMs, group.when().committed(index))
  for (const group of groups) {
    expect(group.status.value.committed).toBe(index)
    expect(await localValue(group)).toBe(value)
  }
}

/** Waits until all of these know one leader, which is one of them. */
export async function agreeOnLeader(
  nodes: readonly GroupNode[],
  groups: readonly CounterGroup[],
): Promise<void> {
  await eventually(
    () => {
      const leaders = new Set(groups.map(({ status }) => status.value.leader))
      expect(leaders.size).toBe(1)
      const leading = groups.filter(({ status }) => status.value.role === 'leader')
      expect(leading).toHaveLength(1)
      expect(leaders).toContain(nodes[groups.indexOf(leading[0]!)]!.peerId)
    },
    { timeoutMs: patienceMs },
  )
}

export function indicesOf(executed: readonly Executed<number>[]): number[] {
  return executed.map(({ index }) => index)
}

export function adding(...amounts: readonly number[]): { add: number }[] {
  return amounts.map((add) => ({ add }))
}

/** Whatever happens to a group from now on. */
export function eventsOf(group: CounterGroup): GroupEvent[] {
  const seen: GroupEvent[] = []
  const events = group.events()[Symbol.asyncIterator]()
  const follow = async (): Promise<void> => {
    for (let next = await events.next(); next.done !== true; next = await events.next()) seen.push(next.value)
  }
  void follow()
  return seen
}

/** The code that a call fails with; `done` when it does not fail. */
export function outcomeOf(call: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(call).then(
    () => 'done',
    (error: { readonly code?: unknown }) => error.code ?? error,
  )
}
