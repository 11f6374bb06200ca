import { expect, test } from '@jest/globals'
import { GroupKey } from '#framework/groups'
import { shortId } from '#framework/primitives'
import { eventually, within } from '../../support/eventually.js'
import { discoverAll, quickly, startNodes, type CounterGroup, type GroupNode } from '../group/nodes.js'
import { agreeOnLeader, allReach, declared, joinDeclared, leaderOf, patienceMs } from './support.js'

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

/** Resolves when nothing is said of these groups for several heartbeats. */
async function quiet(node: GroupNode, groups: readonly CounterGroup[]): Promise<void> {
  let count = -1
  let since = 0
  await eventually(
    () => {
      const now = controlMessages(node, groups)
      if (now !== count) since = performance.now()
      count = now
      expect(performance.now() - since).toBeGreaterThan(5 * quickly.heartbeatIntervalMs)
    },
    { timeoutMs: patienceMs },
  )
}

test.concurrent(
  'given two nodes with many groups in common, when these are idle, then nothing is said of them, and each of them works',
  async () => {
    await using nodes = await startNodes(2)
    const first = nodes[0]!
    const byGroup = await Promise.all(
      Array.from({ length: groupCount }, () => joinDeclared(nodes, { key: GroupKey.random() })),
    )
    // Once for all of them: a node does not put up with a dozen exchanges at a time.
    await discoverAll(nodes)
    await Promise.all(byGroup.flat().map((group) => within(patienceMs, group.when().online())))
    const groups = byGroup.map(([own]) => own!)

    await quiet(first, groups)
    expect(groups.every(({ status }) => status.value.phase === 'online')).toBe(true)
    for (const [n, pair] of byGroup.entries()) {
      await pair[n % 2]!.execute({ add: n })
      await allReach(pair, 1, n)
    }
  },
)

test.concurrent(
  'given a group that is idle, then lease and strong queries see everything; and when its leader disappears, another one is elected though nobody asks',
  async () => {
    await using nodes = await startNodes(3)
    const groups = await declared(nodes)
    await groups[0]!.execute({ add: 7 })
    for (const consistency of ['lease', 'strong'] as const) {
      await quiet(nodes[0]!, [groups[0]!])
      for (const group of groups) expect((await group.query('value', { consistency })).answer).toBe(7)
    }

    await quiet(nodes[0]!, [groups[0]!])
    const place = leaderOf(groups)
    await nodes[place]!.vanish()
    const left = groups.filter((_, at) => at !== place)
    await agreeOnLeader(
      nodes.filter((_, at) => at !== place),
      left,
    )
    expect(await within(patienceMs, left[0]!.execute({ add: 1 }))).toMatchObject({ result: 8 })
  },
)
