import { expect, test } from '@jest/globals'
import { hedgeMs } from '../../../framework/groups/member/hedge.js'
import { CalmGroup } from './calm-group.js'
import type { ProductionHost } from './host.js'

/** How long a write takes at a node, in simulated milliseconds. */
function writeMs(group: CalmGroup, host: ProductionHost): Promise<number> {
  return group.msOf(host, (node) => node.handle().execute({ kind: 'write', key: 'k', value: 'v' }))
}

test('given a follower that stands still, then it holds up one write at most, and no longer than until the other one is asked and has answered', async () => {
  using group = new CalmGroup()
  await group.pass(10_100)
  const leader = group.leader!
  const usualMs = await writeMs(group, leader)
  const firstWrites: number[] = []
  for (const follower of group.hosts.filter((host) => host !== leader)) {
    follower.process!.pause()
    firstWrites.push(await writeMs(group, leader))
    for (let write = 1; write <= 20; write++) {
      expect(await writeMs(group, leader)).toBe(usualMs)
      await group.pass(50)
    }
    follower.process!.resume('events')
    await group.pass(1_000)
  }
  // Each was asked first when it stood still, the second one because the first had.
  expect(firstWrites).toEqual([hedgeMs + usualMs, hedgeMs + usualMs])
})
