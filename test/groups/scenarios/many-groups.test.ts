import { expect, test } from '@jest/globals'
import { GroupKey } from '#framework/groups'
import { shortId } from '#framework/primitives'
import { eventually } from '../../support/eventually.js'
import { quickly, startNodes, type CounterGroup, type GroupNode } from '../group/nodes.js'
import { allReach, declared } from './support.js'

const groupCount = 12

/** Messages on the control lanes of a node, both ways. */
function controlMessages({ host }: GroupNode, groups: readonly CounterGroup[]): number {
  let count = 0
  for (const { id } of groups) {
    const labels = { group: shortId(id), lane: 'control' }
    count += host.metrics.value('mosaik_group_bond_sent_messages_total', labels) ?? 0
    count += host.metrics.value('mosaik_group_bond_received_messages_total', labels) ?? 0
  }
  return count
}

test('given two nodes with many groups in common, when these are idle, then their heartbeats travel together, and each of them works', async () => {
  await using nodes = await startNodes(2)
  const first = nodes[0]!
  const byGroup: CounterGroup[][] = []
  for (let n = 0; n < groupCount; n++) byGroup.push(await declared(nodes, { key: GroupKey.random() }))
  const groups = byGroup.map(([own]) => own!)

  const before = controlMessages(first, groups)
  const startedAt = performance.now()
  await eventually(() => expect(controlMessages(first, groups)).toBeGreaterThan(before + 60))
  const messages = controlMessages(first, groups) - before
  const rounds = (performance.now() - startedAt) / quickly.heartbeatIntervalMs
  // Apart from each other, a round of a group takes a message and its answer.
  expect(messages / rounds).toBeLessThan(groupCount)
  expect(groups.every(({ status }) => status.value.phase === 'online')).toBe(true)

  for (const [n, pair] of byGroup.entries()) {
    await pair[0]!.execute({ add: n })
    await allReach(pair, 1, n)
  }
})
