import { describe, expect, test } from '@jest/globals'
import { eventually, within } from '../../support/eventually.js'
import { startNodes, type CounterGroup } from '../group/nodes.js'
import {
  adding,
  agreeOnLeader,
  allReach,
  declared,
  indicesOf,
  ledByFirst,
  localValue,
  patienceMs,
} from './support.js'

describe('a leader and two that have joined later', () => {
  test('no_catchup_weak_query: given commands of any of them, then all have them, also when the leader is gone, and batches keep together', async () => {
    await using nodes = await startNodes(3)
    const groups = await ledByFirst(nodes)
    const [g0, g1, g2] = groups as [CounterGroup, CounterGroup, CounterGroup]
    await g0.execute({ add: 3 })
    expect(await g0.execute({ add: 4 })).toMatchObject({ index: 2, result: 7 })
    expect(g0.status.value.committed).toBe(2)
    expect(await g0.query('value')).toEqual({ answer: 7, index: 2 })
    await allReach(groups, 2, 7)
    expect(await g1.execute({ add: -2 })).toMatchObject({ index: 3, result: 5 })
    await allReach(groups, 3, 5)

    for (const group of groups) await within(patienceMs, group.when().voters(3))
    const changed = [g1, g2].map((group) => group.when().leaderChanged())
    void nodes[0]!.vanish()
    for (const change of changed) await within(patienceMs, change)
    await agreeOnLeader(nodes.slice(1), [g1, g2])
    expect(indicesOf(await within(patienceMs, g1.executeMany(adding(3, 4, 5))))).toEqual([4, 5, 6])
    expect(indicesOf(await within(patienceMs, g2.executeMany(adding(4, 5, 5))))).toEqual([7, 8, 9])
    await allReach([g1, g2], 9, 31)
  })

  test('no_catchup_strong_query: given two commands, when asked with whatever consistency, then each has the answer; a follower that is left alone still has what it knows, and says nothing for the group', async () => {
    await using nodes = await startNodes(3)
    const groups = await ledByFirst(nodes)
    const [g0, g1] = groups as [CounterGroup, CounterGroup, CounterGroup]
    await g0.executeMany(adding(3, 4))
    const answer = { answer: 7, index: 2 }
    await allReach(groups, 2, 7)
    expect(await g0.query('value', { consistency: 'strong' })).toEqual(answer)
    expect(await g1.query('value', { consistency: 'local' })).toEqual(answer)
    expect(await g1.query('value', { consistency: 'strong' })).toEqual(answer)
    expect(await g1.query('value', { consistency: 'lease' })).toEqual(answer)
    for (const group of groups) await within(patienceMs, group.when().voters(3))
    // Upstream times the two of a follower: strong is the one that needs somebody else.
    void nodes[0]!.vanish()
    void nodes[2]!.vanish()
    await eventually(() => expect(g1.bonds.size).toBe(0))
    expect(await g1.query('value', { consistency: 'local' })).toEqual(answer)
    for (const consistency of ['strong', 'lease'] as const) {
      await expect(g1.query('value', { consistency, deadlineMs: 300 })).rejects.toMatchObject({
        code: 'GROUP_NOT_SUBMITTED',
      })
    }
  })
})

describe('two nodes that both submit at the same time', () => {
  test('execute_is_send_sync_via_joinset: given five commands of each, then all of them are carried out', async () => {
    await using nodes = await startNodes(2)
    const groups = await declared(nodes)
    const [g0, g1] = groups as [CounterGroup, CounterGroup]
    const executed = await within(
      patienceMs,
      Promise.all([
        ...[1, 2, 3, 4, 5].map((add) => g0.execute({ add })),
        ...[10, 11, 12, 13, 14].map((add) => g1.execute({ add })),
      ]),
    )
    expect(indicesOf(executed).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    // Each handle's in the order of its calls.
    expect(indicesOf(executed.slice(0, 5))).toEqual(indicesOf(executed.slice(0, 5)).sort((a, b) => a - b))
    await allReach(groups, 10, 75)
  })

  test('execute_many_is_send_sync_via_joinset: given two batches of each, then all of them are carried out, with nothing in between', async () => {
    await using nodes = await startNodes(2)
    const groups = await declared(nodes)
    const [g0, g1] = groups as [CounterGroup, CounterGroup]
    const batches = await within(
      patienceMs,
      Promise.all([
        g0.executeMany(adding(1, 2)),
        g0.executeMany(adding(3, 4, 5)),
        g1.executeMany(adding(5, 5)),
        g1.executeMany(adding(10, 15)),
      ]),
    )
    for (const batch of batches) {
      const [first = 0] = indicesOf(batch)
      expect(indicesOf(batch)).toEqual(batch.map((_, place) => first + place))
    }
    await allReach(groups, 9, 50)
  })

  test('query_is_send_sync_via_joinset: given a value on both, when each is asked three times with either consistency at once, then all answers are the value', async () => {
    await using nodes = await startNodes(2)
    const groups = await declared(nodes)
    await groups[0]!.execute({ add: 30 })
    await allReach(groups, 1, 30)
    const answers = await within(
      patienceMs,
      Promise.all(
        groups.flatMap((group) =>
          [1, 2, 3].flatMap(() => [localValue(group), group.query('value').then(({ answer }) => answer)]),
        ),
      ),
    )
    expect(answers).toEqual(Array.from({ length: 12 }, () => 30))
  })
})
