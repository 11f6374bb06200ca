import { expect, test } from '@jest/globals'
import { hedgeMs } from '../../../framework/groups/member/hedge.js'
import { CalmGroup, calmSetup, delayMs } from './calm-group.js'
import type { ProductionHost } from './host.js'

/** How long a strong read takes at a node, in simulated milliseconds. */
function readMs(group: CalmGroup, host: ProductionHost): Promise<number> {
  return group.msOf(host, (node) => node.handle().query('k'))
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

/** Three voters and a learner. */
function withLearner(): CalmGroup {
  const { peers } = calmSetup(4)
  return new CalmGroup(
    calmSetup(4, { founding: { type: 'declared', founders: peers.slice(0, 3), patienceTicks: Infinity } }),
  )
}

test('given members that do not lead, then a strong read of them takes one round trip', async () => {
  using group = withLearner()
  await group.pass(5_000)
  const leader = group.leader!
  expect(leader.member!.core.configuration.voters).toHaveLength(3)
  for (const host of group.hosts.filter((each) => each !== leader)) {
    // The first opens lanes.
    await readMs(group, host)
    expect(await readMs(group, host)).toBe(2 * delayMs)
  }
})

test('given a voter that stands still, then it holds up one strong read of a learner at most, until the leader has confirmed that', async () => {
  using group = withLearner()
  await group.pass(5_000)
  const leader = group.leader!
  const { voters, learners } = leader.member!.core.configuration
  const learner = group.hosts.find(({ id }) => learners.includes(id))!
  const roundTripMs = 2 * delayMs
  // The first of a voter opens lanes.
  await readMs(group, learner)
  const firstReads: number[] = []
  for (const voter of group.hosts.filter((host) => host !== leader && voters.includes(host.id))) {
    voter.process!.pause()
    // The leader has seen that it does not answer.
    await group.pass(150)
    firstReads.push(await readMs(group, learner))
    await readMs(group, learner)
    for (let read = 1; read <= 5; read++) {
      expect(await readMs(group, learner)).toBe(roundTripMs)
      await group.pass(50)
    }
    voter.process!.resume('events')
    await group.pass(1_000)
  }
  // Only one of the two was asked, until it did not answer; after that, the other one.
  expect(firstReads).toContain(roundTripMs + hedgeMs + 2 * roundTripMs)
})
