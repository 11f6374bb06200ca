import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import type { Entry, MemberId } from '#framework/groups/raft'
import { CatchUpPlan, type CatchUpAction, type OwnLog } from '../../../framework/groups/sync/catch-up-plan.js'
import type { Availability, Entries } from '../../../framework/groups/sync/sync-messages.js'
import { DEFAULT_SYNC, type SyncSettings } from '../../../framework/groups/sync/sync-settings.js'
import { clusterId, LyingWorld, type Behaviour, type Peer, type WorldOptions } from './lying-world.js'

const length = 120
const honest: Peer = { behaviour: 'honest', firstIndex: 1 }
const peer = fc.record({
  behaviour: fc.constantFrom<Behaviour>(
    'honest',
    'silent',
    'flaky',
    'vanishing',
    'corrupt',
    'shifted',
    'boastful',
    'forging',
  ),
  firstIndex: fc.integer({ min: 1, max: length }),
})
const own = fc
  .tuple(fc.integer({ min: 1, max: length }), fc.nat(length), fc.nat(60))
  .map(([known, committed, stale]) => ({
    true: known,
    committed: Math.max(1, Math.min(known, committed)),
    false: stale,
  }))

/** What is committed is what is committed, at every moment. */
function run(options: WorldOptions): LyingWorld {
  const world = new LyingWorld(options)
  world.run(() => {
    const { commitIndex } = world.core.status
    const hash = world.core.entryAt(commitIndex)?.hash
    expect(hash).toBe(world.truth[commitIndex - 1]?.hash)
  })
  return world
}

describe('an episode of catching up', () => {
  test('whoever lies, whatever is lost, doubled or late: only the true log is committed', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(peer, { maxLength: 5 }), peer, own, (seed, peers, leader, mine) => {
        const { behaviour } = leader
        // Of what the leader says nobody else is the judge.
        const trusted = { ...leader, behaviour: behaviour === 'forging' ? ('honest' as const) : behaviour }
        run({ seed, length, leader: trusted, peers, own: mine })
      }),
      { numRuns: 100 },
    )
  })

  test('given an honest leader and somebody honest who has all entries, then it gets them, whatever others do', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(peer, { maxLength: 5 }),
        fc.nat(5),
        fc.integer({ min: 1, max: length }),
        own,
        (seed, peers, place, firstIndex, mine) => {
          const all = peers.toSpliced(place, 0, honest)
          const world = run({ seed, length, leader: { ...honest, firstIndex }, peers: all, own: mine })
          expect(world.plan.outcome).toBe('caught-up')
          expect(world.core.status.commitIndex).toBe(length)
        },
      ),
      { numRuns: 100 },
    )
  })

  test('given that only one at a time is asked, then it is one who has the entry that is next', () => {
    const peers: Peer[] = [
      { behaviour: 'forging', firstIndex: 35 },
      { behaviour: 'vanishing', firstIndex: 1 },
      honest,
    ]
    const mine = { true: 13, committed: 1, false: 4 }
    const world = run({ seed: 0, length, leader: { ...honest, firstIndex: 42 }, peers, own: mine })
    expect(world.plan.outcome).toBe('caught-up')
  })
})

const self: OwnLog = { lastIndex: 10, commitIndex: 10, durableIndex: 10 }
const [a, b, leader] = ['a/1', 'b/1', 'leader/1'] as [MemberId, MemberId, MemberId]

function planOf(
  members: readonly MemberId[],
  settings: Partial<SyncSettings> = {},
  takesSnapshots = false,
): CatchUpPlan {
  let lastRequestId = 0
  return new CatchUpPlan({
    demand: { leader, firstIndex: 91, commitIndex: 100 },
    members,
    own: self,
    nowMs: 0,
    takesSnapshots,
    settings: { ...DEFAULT_SYNC, batchEntries: 10, ...settings },
    nextRequestId: () => ++lastRequestId,
  })
}

/** Everything there is to do at that moment. What is appended is durable at once. */
function actionsOf(plan: CatchUpPlan, nowMs: number, before = self): CatchUpAction[] {
  const actions: CatchUpAction[] = []
  let own = before
  for (let action = plan.next(own, nowMs); action !== undefined; action = plan.next(own, nowMs)) {
    actions.push(action)
    if (action.type !== 'append') continue
    const lastIndex = action.entries.at(-1)!.index
    own = { ...own, lastIndex, durableIndex: lastIndex }
    plan.onAppended(action.entries.length, own, nowMs)
  }
  return actions
}

function fetchesOf(actions: readonly CatchUpAction[]): Extract<CatchUpAction, { type: 'fetch' }>[] {
  return actions.filter((action) => action.type === 'fetch')
}

/** Says what the members have that are asked for it, and gives back what is done then. */
function heard(plan: CatchUpPlan, has: Readonly<Record<string, number>>, nowMs = 0): CatchUpAction[] {
  for (const action of actionsOf(plan, nowMs)) {
    if (action.type !== 'ask') continue
    const { member, requestId } = action
    plan.onAvailability(member, availability(requestId, has[member] ?? 100))
  }
  return actionsOf(plan, nowMs)
}

function availability(requestId: number, lastIndex: number): Availability {
  return { type: 'availability', clusterId, requestId, firstIndex: 1, lastIndex }
}

function entries(requestId: number, firstIndex: number, count: number): Entries {
  const of = Array.from({ length: count }, (_, place): Entry => {
    const index = firstIndex + place
    return { index, term: 1, kind: 'command', commandCount: 1, applicationIndex: index, ...nothing }
  })
  return { type: 'entries', clusterId, requestId, firstIndex, entries: of }
}

const nothing = { timestampMs: 0, payload: new Uint8Array(0), hash: 0 }

describe('a plan', () => {
  test('asks several at once, each for one chunk, and the leader last', () => {
    const plan = planOf([leader, a, b])
    expect(fetchesOf(heard(plan, {}))).toMatchObject([
      { member: a, firstIndex: 11, lastIndex: 20 },
      { member: b, firstIndex: 21, lastIndex: 30 },
      { member: leader, firstIndex: 31, lastIndex: 40 },
    ])
  })

  test('appends in order what arrives in any order', () => {
    const plan = planOf([a, b])
    const [first, second] = fetchesOf(heard(plan, {}))
    plan.onEntries(b, entries(second!.requestId, 21, 10))
    expect(actionsOf(plan, 1).filter(({ type }) => type === 'append')).toEqual([])
    plan.onEntries(a, entries(first!.requestId, 11, 10))
    const appended = actionsOf(plan, 2).filter((action) => action.type === 'append')
    expect(appended.map((action) => action.entries[0]!.index)).toEqual([11, 21])
  })

  test('W-L4 (a): given somebody that has nothing of what it was asked for, then another one is asked', () => {
    const plan = planOf([a, b])
    const [first, second] = fetchesOf(heard(plan, {}))
    plan.onAbsent(a, { type: 'absent', clusterId, requestId: first!.requestId })
    plan.onEntries(b, entries(second!.requestId, 21, 10))
    expect(fetchesOf(actionsOf(plan, 1))).toMatchObject([{ member: b, firstIndex: 11, lastIndex: 20 }])
  })

  test('W-L4 (b): given an answer that comes when its time is over, then it is ignored, and the chunk comes from another one', () => {
    const plan = planOf([a, b])
    const [first, second] = fetchesOf(heard(plan, {}))
    plan.onEntries(b, entries(second!.requestId, 21, 10))
    const later = DEFAULT_SYNC.fetchTimeoutMs
    const [again] = fetchesOf(actionsOf(plan, later))
    expect(again).toMatchObject({ member: b })
    plan.onEntries(a, entries(first!.requestId, 11, 10))
    plan.onEntries(a, entries(first!.requestId, 11, 10))
    expect(actionsOf(plan, later + 1).filter(({ type }) => type === 'append')).toEqual([])
  })

  test('W-L4 (c): given that nobody has the end yet, then it is asked again until somebody has', () => {
    const plan = planOf([a])
    const [chunk] = fetchesOf(heard(plan, { [a]: 15 }))
    expect(chunk).toMatchObject({ firstIndex: 11, lastIndex: 15 })
    plan.onEntries(a, entries(chunk!.requestId, 11, 5))
    const own = { lastIndex: 15, commitIndex: 10, durableIndex: 15 }
    expect(fetchesOf(actionsOf(plan, 1, own))).toEqual([])
    const nowMs = DEFAULT_SYNC.askIntervalMs
    const [asked] = actionsOf(plan, nowMs, own)
    expect(asked).toMatchObject({ type: 'ask', member: a })
    plan.onAvailability(a, availability((asked as { requestId: number }).requestId, 100))
    expect(fetchesOf(actionsOf(plan, nowMs, own))).toMatchObject([{ firstIndex: 16, lastIndex: 25 }])
  })

  test('W-L4 (d): given a log that ends earlier than it did, then the episode goes on from there', () => {
    const plan = planOf([a])
    const [chunk] = fetchesOf(heard(plan, {}))
    plan.onEntries(a, entries(chunk!.requestId, 11, 10))
    const [next] = fetchesOf(actionsOf(plan, 1))
    expect(next).toMatchObject({ firstIndex: 21 })
    plan.onEntries(a, entries(next!.requestId, 21, 10))
    expect(fetchesOf(actionsOf(plan, 2, self))).toMatchObject([{ firstIndex: 11 }])
  })

  test('given others that have fallen behind alike, then it takes a snapshot, and does not wait for what none of them has', () => {
    const plan = planOf([a, b, leader], {}, true)
    const configuration = { voters: [a], learners: [] }
    const facts = { index: 95, term: 1, applicationIndex: 95, hash: 1, configuration }
    for (const action of actionsOf(plan, 0)) {
      if (action.type !== 'ask') continue
      const { member, requestId } = action
      const compacted = { firstIndex: 91, snapshot: { facts, byteLength: 1_000 } }
      plan.onAvailability(member, {
        ...availability(requestId, member === leader ? 100 : 10),
        ...(member === leader && compacted),
      })
    }
    expect(actionsOf(plan, 0)).toContainEqual(expect.objectContaining({ type: 'install', member: leader }))
  })

  test('given a request that cannot be sent, then another one is asked, and the first again later', () => {
    const plan = planOf([a, b])
    const [first, second] = fetchesOf(heard(plan, {}))
    plan.onUnsent(a, first!.requestId)
    plan.onEntries(b, entries(second!.requestId, 21, 10))
    expect(fetchesOf(actionsOf(plan, 1))).toMatchObject([{ member: b, firstIndex: 11, lastIndex: 20 }])
    const later = actionsOf(plan, DEFAULT_SYNC.askIntervalMs)
    expect(later).toMatchObject([{ type: 'ask', member: a }])
  })

  test('asks whoever is slow for less', () => {
    const plan = planOf([a])
    const [first] = fetchesOf(heard(plan, {}))
    expect(first!.bytesMax).toBe(DEFAULT_SYNC.batchBytes)
    const later = DEFAULT_SYNC.fetchTimeoutMs
    const [second] = fetchesOf(heard(plan, {}, later))
    expect(second!.bytesMax).toBe(DEFAULT_SYNC.batchBytes / 2)
  })

  test('given that nothing comes of it, then it is over after a while', () => {
    const plan = planOf([a, b])
    expect(actionsOf(plan, DEFAULT_SYNC.stallTimeoutMs - 1)).not.toEqual([])
    expect(plan.outcome).toBeUndefined()
    expect(actionsOf(plan, DEFAULT_SYNC.stallTimeoutMs)).toEqual([])
    expect(plan.outcome).toBe('stalled')
  })

  test('appends no more than the storage keeps up with', () => {
    const plan = planOf([a])
    const [chunk] = fetchesOf(heard(plan, {}))
    plan.onEntries(a, entries(chunk!.requestId, 11, 10))
    const behind = { lastIndex: 50_010, commitIndex: 10, durableIndex: 10 }
    expect(actionsOf(plan, 1, behind).filter(({ type }) => type === 'append')).toEqual([])
    expect(plan.nextMs(1)).toBeLessThan(100)
  })
})
