import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { randomDigest, systemRandom } from '#framework/primitives'
import { openLmdbStorages, type StorageProvider } from '#framework/groups'
import { eventually, within } from '../../support/eventually.js'
import { recordingLogger } from '../../support/recording-logger.js'
import { discoverAll, GroupNode } from './nodes.js'

/** Nodes whose groups are stored, each in a folder of its own. */
async function storedNodes(count: number, stack: AsyncDisposableStack): Promise<GroupNode[]> {
  const network = randomDigest(systemRandom)
  const folder = await mkdtemp(join(tmpdir(), 'mosaik-stopping-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const nodes: GroupNode[] = []
  for (let place = 0; place < count; place++) {
    const storage: StorageProvider = await openLmdbStorages({ folder: join(folder, String(place)) })
    stack.defer(() => storage.close())
    nodes.push(stack.use(await GroupNode.start(network, { storage })))
  }
  return nodes
}

test('given durable storage and a node that stops, then it stays a voter, and another one leads at once', async () => {
  await using stack = new AsyncDisposableStack()
  const nodes = await storedNodes(3, stack)
  const founding = { type: 'declared', founders: nodes.map(({ peerId }) => peerId) } as const
  const groups = await Promise.all(nodes.map((node) => node.join({ founding })))
  await discoverAll(nodes)
  await Promise.all(groups.map((group) => within(15_000, group.when().online())))
  const leading = groups.findIndex(({ status }) => status.value.role === 'leader')
  const [other] = groups.filter((_, place) => place !== leading)
  await nodes[leading]!.groups.close()
  await eventually(() => {
    expect(other!.status.value.leader).toBeDefined()
    expect(other!.status.value.leader).not.toBe(nodes[leading]!.peerId)
  })
  await within(10_000, other!.execute({ add: 1 }))
  expect(other!.status.value.durability).toEqual({ acks: 2, voters: 3, isDurable: true })
})

test('given a member that leaves in good order, then there is nothing to warn of', async () => {
  const network = randomDigest(systemRandom)
  const lines: string[] = []
  await using staying = await GroupNode.start(network)
  await using leaving = await GroupNode.start(network, { logger: recordingLogger(lines) })
  const founding = { type: 'declared', founders: [staying.peerId, leaving.peerId] } as const
  const [first, second] = await Promise.all([staying, leaving].map((node) => node.join({ founding })))
  await discoverAll([staying, leaving])
  await within(15_000, second!.when().online())
  await within(15_000, second!.close())
  await eventually(() => expect(first!.status.value.durability.voters).toBe(1))
  expect(lines.filter((line) => !line.startsWith('info'))).toEqual([])
})
