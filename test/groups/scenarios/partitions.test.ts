import { describe, expect, test } from '@jest/globals'
import { eventually, within } from '../../support/eventually.js'
import { startNodes, type CounterGroup } from '../group/nodes.js'
import { GatedNodes } from './gated-nodes.js'
import { cutOff, letIn, validator } from './out-of-reach.js'
import {
  agreeOnLeader,
  allReach,
  declared,
  eventsOf,
  joinDeclared,
  leaderOf,
  localValue,
  outcomeOf,
  patienceMs,
} from './support.js'

/** Waits until all have carried out the same, and says what that comes to. */
async function commonValue(groups: readonly CounterGroup[]): Promise<number> {
  const values = async (): Promise<number[]> => Promise.all(groups.map(localValue))
  await eventually(
    async () => {
      const [{ answer }] = [await groups[0]!.query('value')]
      expect(await values()).toEqual(groups.map(() => answer))
    },
    { timeoutMs: patienceMs },
  )
  return (await values())[0]!
}

describe('W-S1: a minority', () => {
  test.concurrent(
    'given a leader that is cut off, then it commits nothing, gives up, and its clients are told; the others go on, and it follows them when it is back',
    async () => {
      await using nodes = await startNodes(3)
      nodes.forEach(letIn)
      const groups = await declared(nodes, { requireTicket: validator })
      const place = leaderOf(groups)
      const former = groups[place]!
      const events = eventsOf(former)
      const others = groups.filter((group) => group !== former)
      const otherNodes = nodes.filter((_, at) => at !== place)
      await former.execute({ add: 1 })
      await allReach(groups, 1, 1)
      cutOff(nodes[place]!)
      await eventually(() => expect(former.bonds.size).toBe(0))
      // It thinks that it leads for an election timeout, unless that was over before the bonds were.
      const pending = outcomeOf(former.execute({ add: 10 }, { deadlineMs: 3_000 }))
      await eventually(() => expect(former.status.value.leader).toBeUndefined())
      expect(former.status.value).toMatchObject({
        role: expect.not.stringMatching('leader'),
        phase: 'joining',
      })
      expect(events).toContainEqual(expect.objectContaining({ type: 'quorum-lost' }))
      expect(await outcomeOf(former.execute({ add: 100 }, { deadlineMs: 200 }))).toBe('GROUP_NOT_SUBMITTED')
      expect(await outcomeOf(former.query('value', { deadlineMs: 200 }))).toBe('GROUP_NOT_SUBMITTED')
      await agreeOnLeader(otherNodes, others)
      await within(patienceMs, others[0]!.execute({ add: 1_000 }))
      const outcome = await pending
      expect(['GROUP_OUTCOME_UNKNOWN', 'GROUP_NOT_SUBMITTED']).toContain(outcome)
      expect(await localValue(former)).toBe(1)
      expect(await localValue(others[0]!)).toBe(1_001)

      letIn(nodes[place]!)
      await within(patienceMs, former.when().leaderElected())
      await within(patienceMs, former.execute({ add: 1_000 }))
      // What it had said of each came true: of one that nobody knows, and of another that it never will.
      const maybe = outcome === 'GROUP_OUTCOME_UNKNOWN' ? [2_001, 2_011] : [2_001]
      expect(maybe).toContain(await commonValue(groups))
    },
  )

  // By itself: nodes that wait for their turn for as long as an election timeout elect somebody, whoever comes back.
  test('given a follower that is cut off, then it neither commits nor leads, and disturbs nobody when it is back (W-L5)', async () => {
    await using nodes = await startNodes(3)
    nodes.forEach(letIn)
    const groups = await declared(nodes, { requireTicket: validator })
    const leading = groups[leaderOf(groups)]!
    const follower = groups.find((group) => group !== leading)!
    const node = nodes[groups.indexOf(follower)]!
    cutOff(node)
    await eventually(() => expect(follower.status.value.leader).toBeUndefined())
    expect(await outcomeOf(follower.execute({ add: 100 }, { deadlineMs: 200 }))).toBe('GROUP_NOT_SUBMITTED')
    await within(patienceMs, leading.execute({ add: 1 }))
    const { term, leader } = leading.status.value
    letIn(node)
    await within(patienceMs, follower.when().leaderIs(leader!))
    await within(patienceMs, follower.execute({ add: 1 }))
    expect(await commonValue(groups)).toBe(2)
    expect(leading.status.value).toMatchObject({ term, leader })
  })

  test.concurrent(
    'given five of which two vanish, the leader among them, then the other three go on',
    async () => {
      await using nodes = await startNodes(5)
      const groups = await declared(nodes)
      await groups[0]!.execute({ add: 1 })
      // On a busy machine there may have been another election, of which the leader before has not heard yet.
      await agreeOnLeader(nodes, groups)
      const leader = leaderOf(groups)
      const gone = [leader, (leader + 1) % 5]
      const isLeft = (_: unknown, place: number): boolean => !gone.includes(place)
      const left = groups.filter(isLeft)
      const changed = left.map((group) => group.when().leaderChanged())
      for (const place of gone) void nodes[place]!.vanish()
      for (const change of changed) await within(patienceMs, change)
      await agreeOnLeader(nodes.filter(isLeft), left)
      for (const group of left) await within(patienceMs, group.execute({ add: 1 }))
      expect(await commonValue(left)).toBe(4)
      expect(left[0]!.status.value.durability).toMatchObject({ acks: 3, voters: 5 })
    },
  )
})

test.concurrent(
  'given a network that is cut without a word, then nobody leads, clients are told whether it is known that nothing happened, and all go on as one when it is healed',
  async () => {
    await using gated = await GatedNodes.start(3)
    const { nodes } = gated
    const groups = await joinDeclared(nodes)
    await gated.discoverAll()
    await Promise.all(groups.map((group) => within(patienceMs, group.when().online())))
    const leading = groups[leaderOf(groups)]!
    const follower = groups.find((group) => group !== leading)!
    await within(patienceMs, follower.execute({ add: 1 }))
    await allReach(groups, 1, 1)

    gated.cut()
    const pending = [leading.execute({ add: 10 }, { deadlineMs: 2_000 })]
    pending.push(follower.execute({ add: 100 }, { deadlineMs: 2_000 }))
    const outcomes = pending.map(outcomeOf)
    await eventually(
      () => {
        for (const { status } of groups) expect(status.value.leader).toBeUndefined()
        for (const { bonds } of groups) expect(bonds.size).toBe(0)
      },
      { timeoutMs: patienceMs },
    )
    for (const group of groups) {
      expect(await outcomeOf(group.execute({ add: 1_000 }, { deadlineMs: 100 }))).toBe('GROUP_NOT_SUBMITTED')
    }
    expect(await Promise.all(outcomes)).toEqual(['GROUP_OUTCOME_UNKNOWN', 'GROUP_OUTCOME_UNKNOWN'])
    for (const group of groups) expect(await localValue(group)).toBe(1)

    gated.heal()
    for (const group of groups) await within(patienceMs, group.when().leaderElected())
    await within(patienceMs, follower.execute({ add: 1 }, { deadlineMs: patienceMs }))
    expect([2, 12, 102, 112]).toContain(await commonValue(groups))
  },
)

test.concurrent(
  'W-S8, W-S9: given a leader that is killed with writes that nobody has acknowledged, then what was acknowledged is there, what was said not to be submitted is not, and nothing is there twice',
  async () => {
    await using nodes = await startNodes(3)
    const groups = await declared(nodes)
    const place = leaderOf(groups)
    const leading = groups[place]!
    const left = groups.filter((group) => group !== leading)
    const changed = left.map((group) => group.when().leaderChanged())
    // Each command is a bit of the sum.
    const outcomes: Promise<unknown>[] = []
    const submit = (): unknown => outcomes.push(outcomeOf(leading.execute({ add: 2 ** outcomes.length })))
    for (let count = 0; count < 20; count++) submit()
    await Promise.race(outcomes)
    for (let count = 0; count < 20; count++) submit()
    await within(patienceMs, nodes[place]!.vanish())
    for (const change of changed) await within(patienceMs, change)
    await within(patienceMs, left[0]!.execute({ add: 2 ** 40 }, { deadlineMs: patienceMs }))
    const value = await commonValue(left)
    const settled = await within(patienceMs, Promise.all(outcomes))
    expect(settled).toContain('done')
    settled.forEach((outcome, bit) => {
      const isThere = Math.floor(value / 2 ** bit) % 2 === 1
      if (outcome === 'done') expect({ bit, isThere }).toEqual({ bit, isThere: true })
      else if (outcome !== 'GROUP_OUTCOME_UNKNOWN') expect({ bit, isThere }).toEqual({ bit, isThere: false })
    })
    expect(value).toBeLessThan(2 ** 41)
  },
)
