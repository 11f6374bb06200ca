import { describe, expect, test } from '@jest/globals'
import { GroupError } from '#framework/groups'
import { eventually, within } from '../../support/eventually.js'
import { startNodes, type CounterGroup, type GroupNode } from '../group/nodes.js'
import { encodeSessionOpening, encodeSubmission } from '../../../framework/groups/machine/submission.js'
import { encodeForward } from '../../../framework/groups/wire/forward-wire.js'
import { Counter, type CounterCommand } from '../machine/counter.js'
import { adding, allReach, joinLater, ledByFirst, localValue, outcomeOf, patienceMs } from './support.js'

const alone = { founding: { type: 'expect', count: 1 } } as const
const joinOnly = { founding: { type: 'join-only' } } as const

/** What no machine should do. */
class Fragile extends Counter {
  override apply(command: CounterCommand, context: Parameters<Counter['apply']>[1]): number {
    if (command.add === 13) throw new Error('13 brings bad luck')
    return super.apply(command, context)
  }
}

const fragile = (): Fragile => new Fragile()

describe('W-A1: two handles of one group on one node', () => {
  test('given that one is closed, then the other goes on; given that both are, then the node has left', async () => {
    await using nodes = await startNodes(1)
    const [node] = nodes as unknown as [GroupNode]
    const one = await node.join(alone)
    const other = await node.join(alone)
    expect(other.id).toBe(one.id)
    await within(patienceMs, one.when().isLeader())
    await one.execute({ add: 1 })
    await one.close()
    await expect(one.execute({ add: 1 })).rejects.toMatchObject({ code: 'GROUP_TERMINATED' })
    await expect(one.query('value')).rejects.toMatchObject({ code: 'GROUP_TERMINATED' })
    expect(await other.execute({ add: 1 })).toMatchObject({ index: 2, result: 2 })
    // Closing the first one again is not closing the second one.
    await one.close()
    expect(other.status.value.phase).toBe('online')
    await other.close()
    expect(other.status.value.phase).toBe('left')
  })

  test('given commands of both at once, then each is carried out once', async () => {
    await using nodes = await startNodes(1)
    const [node] = nodes as unknown as [GroupNode]
    const handles = [await node.join(alone), await node.join(alone)]
    await within(patienceMs, handles[0]!.when().isLeader())
    await Promise.all(handles.flatMap((handle) => adding(1, 2, 3).map((command) => handle.execute(command))))
    await allReach(handles, 6, 12)
  })
})

test('W-A2: given a group that the node is in, when it is joined with other options, then that is refused, and the first stays as it is', async () => {
  await using nodes = await startNodes(1)
  const [node] = nodes as unknown as [GroupNode]
  const group = await node.join(alone)
  for (const options of [{ maxVoters: 3 }, { machine: () => new Counter() }, { role: 'reader' as const }]) {
    await expect(node.join({ ...alone, ...options })).rejects.toMatchObject({ code: 'GROUP_ALREADY_JOINED' })
  }
  await within(patienceMs, group.when().isLeader())
  await group.execute({ add: 1 })
})

describe('W-A3: a group without a leader', () => {
  test('given a deadline, then calls end with it, and hand back what they were given', async () => {
    await using nodes = await startNodes(1)
    const group = await nodes[0]!.join(joinOnly)
    const commands = adding(1, 2)
    const error: unknown = await group.executeMany(commands, { deadlineMs: 50 }).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(GroupError)
    expect(error).toMatchObject({ code: 'GROUP_NOT_SUBMITTED', given: commands })
    for (const consistency of ['strong', 'lease'] as const) {
      const answer = group.query('value', { consistency, deadlineMs: 50 })
      expect(await outcomeOf(answer)).toBe('GROUP_NOT_SUBMITTED')
    }
    expect(await outcomeOf(group.feed({ add: 1 }, { deadlineMs: 50 }))).toBe('GROUP_NOT_SUBMITTED')
    expect(await outcomeOf(group.transferLeadership(nodes[0]!.peerId, { deadlineMs: 50 }))).toMatch(/^GROUP_/)
    const early = group.query('value', { consistency: 'local', minIndex: 1, deadlineMs: 50 })
    expect(await outcomeOf(early)).toBe('GROUP_NOT_SUBMITTED')
    expect(await localValue(group)).toBe(0)
  })

  test('given a signal, then calls and conditions end with its reason', async () => {
    await using nodes = await startNodes(1)
    const group = await nodes[0]!.join(joinOnly)
    const controller = new AbortController()
    const { signal } = controller
    const reason = new Error('enough')
    const calls = [
      group.execute({ add: 1 }, { signal }),
      group.feed({ add: 1 }, { signal }),
      group.query('value', { signal }),
      group.when().leaderElected({ signal }),
    ]
    const settled = Promise.allSettled(calls)
    controller.abort(reason)
    for (const result of await within(patienceMs, settled)) {
      expect(result).toEqual({ status: 'rejected', reason })
    }
  })

  test('given that the group is left, then whoever waits is told so', async () => {
    await using nodes = await startNodes(1)
    const group = await nodes[0]!.join(joinOnly)
    const waits = [
      group.execute({ add: 1 }, { deadlineMs: Infinity }),
      group.query('value', { deadlineMs: Infinity }),
      group.when().leaderElected(),
      group.when().committed(1),
    ].map(outcomeOf)
    const closed = group.when().closed()
    await group.close()
    expect(await within(patienceMs, Promise.all(waits))).toEqual(waits.map(() => 'GROUP_TERMINATED'))
    expect((await within(patienceMs, closed)).phase).toBe('left')
  })
})

describe('W-L9: a machine that throws', () => {
  test('then the group has failed on this node, whoever waits is told why, and it can be joined anew', async () => {
    await using nodes = await startNodes(1)
    const [node] = nodes as unknown as [GroupNode]
    const group = await node.join({ ...alone, machine: fragile })
    await within(patienceMs, group.when().isLeader())
    const closed = group.when().closed()
    const never = outcomeOf(group.when().committed(100))
    expect(await within(patienceMs, outcomeOf(group.execute({ add: 13 })))).toBe('GROUP_OUTCOME_UNKNOWN')
    expect(await within(patienceMs, never)).toBe('GROUP_TERMINATED')
    expect(await within(patienceMs, closed)).toMatchObject({
      phase: 'failed',
      cause: { code: 'GROUP_MACHINE_FAILED', cause: { message: '13 brings bad luck' } },
    })
    await expect(group.execute({ add: 1 })).rejects.toMatchObject({ code: 'GROUP_TERMINATED' })

    const again = await node.join({ ...alone, machine: fragile })
    await within(patienceMs, again.when().isLeader())
    expect(await again.execute({ add: 1 })).toMatchObject({ index: 1, result: 1 })
    // The handle of the former one has nothing to do with it any more.
    await group.close()
    await again.execute({ add: 1 })
  })
})

describe('W-S14: a reader', () => {
  test('applies everything and answers, does not count, and writes nothing', async () => {
    await using nodes = await startNodes(3)
    const [n0, n1, n2] = nodes as unknown as [GroupNode, GroupNode, GroupNode]
    const groups = await ledByFirst([n0, n1])
    const [g0] = groups as [CounterGroup, CounterGroup]
    await within(patienceMs, g0.when().voters(2))
    const reader = await joinLater(n2, [n0, n1], { role: 'reader' })
    await g0.executeMany(adding(1, 2))
    await allReach([reader], 2, 3)
    expect(await within(patienceMs, reader.query('value'))).toEqual({ answer: 3, index: 2 })
    await expect(reader.execute({ add: 1 })).rejects.toMatchObject({ code: 'GROUP_REFUSED' })
    await eventually(() =>
      expect(g0.members.value).toContainEqual(
        expect.objectContaining({ peer: n2.peerId, role: 'observer', isBonded: true, isLeader: false }),
      ),
    )
    expect(g0.status.value.durability).toMatchObject({ acks: 2, voters: 2 })
  })
})

test('W-S14: given a reader that submits by hand, past its own handle, then nobody writes that down', async () => {
  await using nodes = await startNodes(3)
  const [n0, n1, n2] = nodes as unknown as [GroupNode, GroupNode, GroupNode]
  const [g0] = (await ledByFirst([n0, n1])) as [CounterGroup]
  const reader = await joinLater(n2, [n0, n1], { role: 'reader' })
  await g0.execute({ add: 1 })
  await allReach([reader], 1, 1)
  const session = 'ab'.repeat(16)
  const command = new Counter().codecs.command.encode({ add: 100 })
  const forged = encodeForward({
    type: 'submit',
    id: 1_000_000,
    isQuiet: true,
    opening: encodeSessionOpening(session),
    submissions: [
      {
        payload: encodeSubmission({ session, sequence: 1, settledBelow: 1, commands: [command] }),
        commandCount: 1,
      },
    ],
  })
  // The leader's is enough to have got here.
  await eventually(() => expect(reader.bonds.size).toBe(2))
  for (const bond of reader.bonds) expect(bond.send('forward', forged)).toBe('sent')
  // Asked on the same lane, so answered after what was sent before.
  expect(await within(patienceMs, reader.query('value'))).toEqual({ answer: 1, index: 1 })
  expect(await g0.execute({ add: 1 })).toMatchObject({ index: 2, result: 2 })
})

test('W-A8: given more commands than may wait, then those beyond are refused at once, and there is room again when the others are gone', async () => {
  await using nodes = await startNodes(1)
  const group = await nodes[0]!.join(joinOnly)
  const controller = new AbortController()
  const { signal } = controller
  const many = adding(...Array.from({ length: 10_000 }, () => 1))
  const waiting = group.executeMany(many, { signal })
  await expect(group.execute({ add: 1 })).rejects.toMatchObject({ code: 'GROUP_BUSY', given: [{ add: 1 }] })
  controller.abort(new Error('never mind'))
  await expect(waiting).rejects.toThrow('never mind')
  expect(await outcomeOf(group.execute({ add: 1 }, { deadlineMs: 50 }))).toBe('GROUP_NOT_SUBMITTED')
})

test('given no commands, or what is none, then that is refused and nothing is submitted', async () => {
  await using nodes = await startNodes(1)
  const group = await nodes[0]!.join(alone)
  await within(patienceMs, group.when().isLeader())
  expect(await outcomeOf(group.executeMany([]))).toBe('GROUP_NO_COMMANDS')
  expect(await outcomeOf(group.execute({ add: 0.5 }))).toBe('GROUP_COMMAND_INVALID')
  expect(group.status.value.committed).toBe(0)
})

test('W-A10, W-A5: given members that join, then every one of them sees who is in the group, who leads and how far it is', async () => {
  await using nodes = await startNodes(2)
  const groups = await ledByFirst(nodes)
  const [g0] = groups as [CounterGroup, CounterGroup]
  await within(patienceMs, g0.when().voters(2))
  await g0.execute({ add: 1 })
  await allReach(groups, 1, 1)
  for (const group of groups) {
    await eventually(() =>
      expect(group.members.value.map(({ peer, role, isLeader }) => ({ peer, role, isLeader }))).toEqual(
        expect.arrayContaining(
          nodes.map(({ peerId }) => ({ peer: peerId, role: 'voter', isLeader: peerId === nodes[0]!.peerId })),
        ),
      ),
    )
  }
  await eventually(() => expect(g0.members.value.map(({ lag }) => lag)).toEqual([0, 0]))
})
