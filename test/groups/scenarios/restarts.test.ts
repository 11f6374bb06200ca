import { describe, expect, test } from '@jest/globals'
import type { PeerId } from '#framework/primitives'
import { eventually, within } from '../../support/eventually.js'
import { discoverAll, startNodes, type CounterGroup } from '../group/nodes.js'
import { startMachines } from './machines.js'
import { adding, allReach, declared, leaderOf, ledByFirst, localValue, patienceMs } from './support.js'

/** As which members a peer is in the configuration, as this node knows. */
function membersOf(group: CounterGroup, peer: PeerId): { readonly member: string; readonly role: string }[] {
  return group.members.value.flatMap(({ member, peer: of, role }) => (of === peer ? { member, role } : []))
}

describe('a follower that crashes and starts again', () => {
  test('W-S7: given a disk, then it is the same member, and has everything that was acknowledged', async () => {
    await using all = await startMachines(3, true)
    const { machines, nodes } = all
    const groups = await declared(nodes)
    const leading = groups[leaderOf(groups)]!
    const place = groups.findIndex((group) => group !== leading)
    const { peerId } = nodes[place]!
    expect(leading.status.value.durability).toEqual({ acks: 2, voters: 3, isDurable: true })
    await leading.executeMany(adding(1, 2, 3))
    const before = membersOf(leading, peerId)
    await machines[place]!.crash()
    await within(patienceMs, leading.execute({ add: 4 }))

    nodes[place] = await machines[place]!.start()
    const founders = nodes.map((node) => node.peerId)
    const back = await nodes[place].join({ founding: { type: 'declared', founders } })
    // It knows what it knew before it hears of anybody.
    await within(
      patienceMs,
      eventually(async () => expect(await localValue(back)).toBeLessThanOrEqual(10)),
    )
    await discoverAll(nodes)
    await within(patienceMs, back.when().leaderElected())
    await allReach([back], 4, 10)
    expect(membersOf(leading, peerId)).toEqual(before)
    await within(patienceMs, back.execute({ add: 1 }))
  })

  test('W-S7, W-L1: given no disk, then it is another member, which takes the place of the former one while nobody writes', async () => {
    await using all = await startMachines(3, false)
    const { machines, nodes } = all
    const groups = await declared(nodes)
    const leading = groups[leaderOf(groups)]!
    const place = groups.findIndex((group) => group !== leading)
    const { peerId } = nodes[place]!
    await leading.executeMany(adding(1, 2, 3))
    const [former] = membersOf(leading, peerId)
    await machines[place]!.crash()
    nodes[place] = await machines[place]!.start()
    const back = await nodes[place].join({ founding: { type: 'join-only' } })
    await discoverAll(nodes)
    await eventually(
      () => {
        const [member, ...rest] = membersOf(leading, peerId)
        expect(rest).toEqual([])
        expect(member?.role).toBe('voter')
        expect(member?.member).not.toBe(former?.member)
      },
      { timeoutMs: patienceMs },
    )
    await allReach([back], 3, 6)
    // That it is a voter it learns after its leader has decided so.
    const durability = { acks: 2, voters: 3, isDurable: false }
    await eventually(() => expect(back.status.value.durability).toEqual(durability), {
      timeoutMs: patienceMs,
    })
    await within(patienceMs, back.execute({ add: 1 }))
  })
})

test('W-S7: given a group that crashes as a whole, when all start again with their disks, then it is the same group with everything that was acknowledged', async () => {
  await using all = await startMachines(3, true)
  const { machines, nodes } = all
  const before = await declared(nodes)
  for (const group of before) await group.executeMany(adding(1, 2))
  const { clusterId, term } = before[0]!.status.value
  await Promise.all(machines.map((machine) => machine.crash()))

  const again = await Promise.all(machines.map((machine) => machine.start()))
  const groups = await declared(again)
  await allReach(groups, 6, 9)
  expect(await within(patienceMs, groups[2]!.execute({ add: 1 }))).toMatchObject({ index: 7, result: 10 })
  for (const { status } of groups) expect(status.value.clusterId).toBe(clusterId)
  expect(groups[0]!.status.value.term).toBeGreaterThan(term)
})

test('given members that leave one after the other, then the last one leaves as well, and whoever comes later founds another group', async () => {
  await using nodes = await startNodes(2)
  const groups = await ledByFirst(nodes)
  const [g0, g1] = groups as [CounterGroup, CounterGroup]
  await g0.execute({ add: 1 })
  await within(patienceMs, g0.when().voters(2))
  const { clusterId } = g0.status.value
  await within(patienceMs, g0.close())
  expect(g0.status.value.phase).toBe('left')
  await within(patienceMs, g1.when().isLeader())
  await within(patienceMs, g1.execute({ add: 1 }))
  const isClosed = g1.when().closed()
  await within(patienceMs, g1.close())
  expect((await isClosed).phase).toBe('left')
  await expect(g1.execute({ add: 1 })).rejects.toMatchObject({ code: 'GROUP_TERMINATED' })

  const later = await nodes[1]!.join({ founding: { type: 'expect', count: 1 } })
  await within(patienceMs, later.when().isLeader())
  expect(later.status.value.clusterId).not.toBe(clusterId)
  expect(await later.execute({ add: 5 })).toMatchObject({ index: 1, result: 5 })
})

test('given three of which one has vanished, when another one leaves in good order, then the last one goes on alone', async () => {
  await using nodes = await startNodes(3)
  const groups = await declared(nodes)
  const leading = groups[leaderOf(groups)]!
  const [vanishing, leaving] = groups.filter((group) => group !== leading) as [CounterGroup, CounterGroup]
  await leading.execute({ add: 1 })
  const { peerId } = nodes[groups.indexOf(vanishing)]!
  void nodes[groups.indexOf(vanishing)]!.vanish()
  await eventually(() => expect([...leading.bonds].map(({ peer }) => peer)).not.toContain(peerId))
  await within(patienceMs, leaving.close())
  await within(patienceMs, leading.execute({ add: 1 }))
  await eventually(() => expect(leading.status.value.durability).toMatchObject({ acks: 1, voters: 1 }))
})
