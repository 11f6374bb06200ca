// The groups of one node: what its services share, where they are kept, and what is told of them.
import { expect, test } from '@jest/globals'
import { bindingOf, Group, Service, type Class } from '#decorators'
import { startNode, type NodeOptions, type RunningNode } from '#framework/topology'
import { Counter } from '../decorators/counter.js'
import { eventually, within } from '../support/eventually.js'
import { folderWith } from '../support/mosaik-process.js'

const handles: Group<Counter>[] = []

@Service()
class First {
  @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
  onStart(): void {
    handles[0] = this.tally
  }
}

@Service()
class Second {
  @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
  onStart(): void {
    handles[1] = this.tally
  }
}

@Service()
class Kept {
  @Group('kept', { machine: Counter, storage: 'lmdb' }) readonly kept!: Group<Counter>
}

function start(services: readonly Class[], more: Partial<NodeOptions> = {}): Promise<RunningNode> {
  return startNode({
    network: 'node-groups',
    name: 'only',
    replica: 0,
    tags: [],
    config: {},
    services: services.map(bindingOf),
    groups: { tally: { founding: { type: 'expect', count: 1 } } },
    ...more,
  })
}

test('given two services of one group, they share a member, and both see what either submits', async () => {
  await using node = await start([First, Second])
  const [first, second] = handles
  expect(first).not.toBe(second)
  expect((await within(20_000, first!.execute({ add: 1 }))).result).toBe(1)
  expect((await second!.execute({ add: 2 })).result).toBe(3)
  expect((await first!.query('total')).answer).toBe(3)
  await eventually(() =>
    expect(node.groups.value).toEqual([
      { name: 'tally', status: expect.objectContaining({ phase: 'online', role: 'leader', committed: 2 }) },
    ]),
  )
  await node.close()
  expect(node.groups.ended).toBe(true)
  await expect(first!.execute({ add: 1 })).rejects.toMatchObject({ code: 'GROUP_TERMINATED' })
})

test('given a group that is to be kept and no folder, the node does not start', async () => {
  await expect(start([Kept])).rejects.toMatchObject({ code: 'GROUP_STORAGE_WITHOUT_DATA' })
})

test('given a folder, a group is kept unless it is said not to be', async () => {
  await using folder = await folderWith({})
  const founding = { type: 'expect', count: 1 } as const
  await using node = await start([First, Kept], {
    data: folder.path,
    groups: { tally: { founding, storage: 'memory' }, kept: { founding } },
  })
  await eventually(() =>
    expect(node.groups.value.map(({ status }) => [status.phase, status.durability.isDurable])).toEqual([
      ['online', false],
      ['online', true],
    ]),
  )
})
