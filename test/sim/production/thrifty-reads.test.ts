import { expect, test } from '@jest/globals'
import { hedgeMs } from '../../../framework/groups/member/hedge.js'
import { CalmGroup, delayMs } from './calm-group.js'
import type { ProductionHost } from './host.js'

/** How long a strong read takes at a node, in simulated milliseconds. */
function readMs(group: CalmGroup, host: ProductionHost): Promise<number> {
  const { timeline } = group
  return group.ask(host, async (node) => {
    const startedMs = timeline.nowMs
    await node.handle().query('k')
    return Math.round(timeline.nowMs - startedMs)
  })
}

test('given a follower that stands still, then it holds up one strong read at most, and no longer than until the other one is asked and has answered', async () => {
  using group = new CalmGroup()
  // Not at a heartbeat, by which all are asked.
  await group.pass(10_100)
  const leader = group.leader!
  const roundTripMs = 2 * delayMs
  expect(await readMs(group, leader)).toBe(roundTripMs)
  const firstReads: number[] = []
  for (const follower of group.hosts.filter((host) => host !== leader)) {
    follower.process!.pause()
    firstReads.push(await readMs(group, leader))
    // Heartbeats, which the follower does not answer, bring nobody back to asking it alone.
    for (let read = 1; read <= 20; read++) {
      expect(await readMs(group, leader)).toBe(roundTripMs)
      await group.pass(50)
    }
    follower.process!.resume('events')
    await group.pass(1_000)
  }
  // Only one of the two had been asked.
  expect(firstReads.sort((a, b) => a - b)).toEqual([roundTripMs, hedgeMs + roundTripMs])
})
