import { describe, expect, test } from '@jest/globals'
import { seededRandom, type PeerId } from '#framework/primitives'
import {
  SlotPlan,
  type Publication,
  type SlotPlanOptions,
  type SlotSituation,
  type SlotView,
} from '../../framework/discovery/dht/slot-plan.js'
import { NOW, identityOf } from './support.js'

const self = identityOf('self').peerId
const TTL_MS = 600_000
const OURS = ['/ip4/93.184.216.34/tcp/4001']

function planOf(options: Partial<SlotPlanOptions> = {}): SlotPlan {
  return new SlotPlan({
    self,
    slots: 16,
    ttlMs: TTL_MS,
    maxDriftMs: 50_000,
    recheckMs: 4_000,
    random: seededRandom('plan'),
    ...options,
  })
}

const peers = Array.from({ length: 100 }, (_, index) => identityOf(`peer-${index}`).peerId)

function peer(index: number): PeerId {
  return peers[index]!
}

/** `ms` after the beginning. */
function at(ms: number, ...connected: readonly PeerId[]): SlotSituation {
  return { connected: new Set(connected), nowMs: NOW + ms, monotonicMs: ms }
}

function record(by: PeerId, { publishedAtMs = NOW, seq = NOW, addresses = OURS } = {}): SlotView {
  return { kind: 'record', seq, record: { peer: by, startedAtMs: NOW, publishedAtMs, addresses } }
}

const empty: SlotView = { kind: 'empty' }
const garbage: SlotView = { kind: 'unreadable', seq: 5 }
const unknown: SlotView = { kind: 'unknown' }

/** All sixteen slots, the same in each unless said otherwise. */
function all(view: SlotView | ((slot: number) => SlotView)): Map<number, SlotView> {
  return new Map(
    Array.from({ length: 16 }, (_, slot) => [slot, typeof view === 'function' ? view(slot) : view]),
  )
}

const strangers = all((slot) => record(peer(slot)))

/** Checks all occupants that are due, with the same outcome. */
function checkAll(plan: SlotPlan, situation: SlotSituation, alive: boolean): number {
  const checks = plan.checks(situation)
  for (const found of checks) plan.onChecked(found, alive, situation.monotonicMs)
  return checks.length
}

describe('where to publish', () => {
  test('given empty slots, when many nodes choose, then each may be chosen, and nothing is expected in it', () => {
    const chosen = new Set<number>()
    for (let i = 0; i < 200; i++) {
      const plan = planOf({ random: seededRandom(i) })
      plan.see(all(empty), at(0))
      const publication = plan.publication(OURS, at(0))!
      expect(publication).toEqual({ slot: publication.slot, seq: NOW, cas: 0 })
      chosen.add(publication.slot)
    }
    expect(chosen.size).toBe(16)
  })

  test('given one slot that nobody has and others that are garbage or stale, then the former is taken', () => {
    const plan = planOf()
    const stale = record(peer(1), { publishedAtMs: NOW - TTL_MS - 1 })
    plan.see(
      all((slot) => (slot === 11 ? empty : slot % 2 === 0 ? garbage : stale)),
      at(0),
    )
    expect(plan.publication(OURS, at(0))?.slot).toBe(11)
  })

  test('D-9: given a slot that is garbage, then it is taken at once, on the condition that it is still the same', () => {
    const plan = planOf()
    plan.see(
      all((slot) => (slot === 7 ? garbage : record(peer(slot)))),
      at(0),
    )
    expect(plan.publication(OURS, at(0))).toEqual({ slot: 7, seq: NOW, cas: 5 })
  })

  test('given a sequence number that is ahead of the time, then ours is one more; and where numbers end, nothing is tried', () => {
    const plan = planOf()
    const ahead = NOW + 1e9
    plan.see(
      all((slot) => ({ kind: 'unreadable', seq: slot === 3 ? ahead : Number.MAX_SAFE_INTEGER })),
      at(0),
    )
    expect(plan.publication(OURS, at(0))).toEqual({ slot: 3, seq: ahead + 1, cas: ahead })
    plan.see(all({ kind: 'unreadable', seq: Infinity }), at(0))
    expect(plan.publication(OURS, at(0))).toBeUndefined()
  })

  test('given slots that the DHT did not tell of, or no addresses to tell, then nothing is published', () => {
    const plan = planOf()
    plan.see(all(unknown), at(0))
    expect(plan.publication(OURS, at(0))).toBeUndefined()
    plan.see(all(empty), at(0))
    expect(plan.publication([], at(0))).toBeUndefined()
  })

  test('D-9: given sixteen occupants that answer but are not admitted, then only after two attempts one is replaced', () => {
    const plan = planOf()
    plan.see(strangers, at(0))
    expect(checkAll(plan, at(0), false)).toBe(16)
    expect(plan.publication(OURS, at(0))).toBeUndefined()
    plan.see(strangers, at(5_000))
    expect(checkAll(plan, at(5_000), false)).toBe(16)
    const publication = plan.publication(OURS, at(5_000))
    expect(publication?.cas).toBe(NOW)
  })

  test('D-9: given one stranger in all sixteen slots, then two attempts are enough to replace it', () => {
    const plan = planOf()
    for (const ms of [0, 5_000]) {
      plan.see(all(record(peer(1))), at(ms))
      expect(checkAll(plan, at(ms), false)).toBe(1)
    }
    expect(plan.publication(OURS, at(5_000))).toBeDefined()
  })

  test('given sixteen members, then no slot is taken, however often one looks', () => {
    const plan = planOf()
    for (let ms = 0; ms < 100_000; ms += 5_000) {
      plan.see(strangers, at(ms))
      checkAll(plan, at(ms), true)
      expect(plan.publication(OURS, at(ms))).toBeUndefined()
    }
    expect(plan.isContested(at(100_000))).toBe(false)
  })

  test('given an occupant that was dead, when another takes the slot, then it starts with a clean record', () => {
    const plan = planOf()
    plan.see(strangers, at(0))
    checkAll(plan, at(0), false)
    plan.see(all(record(peer(99))), at(5_000))
    checkAll(plan, at(5_000), false)
    expect(plan.publication(OURS, at(5_000))).toBeUndefined()
  })

  test('given a record from the future, then it counts as none, and so cannot hold a slot for ever', () => {
    const plan = planOf()
    plan.see(all(record(peer(1), { publishedAtMs: NOW + 50_001 })), at(0))
    expect(plan.checks(at(0))).toEqual([])
    expect(plan.publication(OURS, at(0))).toBeDefined()
    plan.see(all(record(peer(1), { publishedAtMs: NOW + 50_000 })), at(0))
    expect(plan.checks(at(0))).toHaveLength(1)
  })
})

describe('keeping a slot', () => {
  const published = (ms = 0, addresses = OURS): Map<number, SlotView> =>
    new Map([[4, record(self, { publishedAtMs: NOW + ms, seq: NOW + ms, addresses })]])

  function settled(): SlotPlan {
    const plan = planOf()
    plan.see(all(empty), at(0))
    plan.onPublished({ slot: 4, seq: NOW, cas: 0 })
    plan.see(published(), at(0))
    return plan
  }

  test('given our record, then it is renewed at half of its time, where it is', () => {
    const plan = settled()
    expect(plan.publication(OURS, at(TTL_MS / 2 - 1))).toBeUndefined()
    expect(plan.publication(OURS, at(TTL_MS / 2))).toEqual({ slot: 4, seq: NOW + TTL_MS / 2, cas: NOW })
  })

  test('given our record, when our addresses change, then it is renewed at once', () => {
    const plan = settled()
    expect(plan.publication([...OURS, '/ip4/8.8.8.8/tcp/1'], at(1))?.slot).toBe(4)
  })

  test('given our record, when the DHT does not say whether it is still there, then no second slot is taken', () => {
    const plan = planOf()
    plan.see(all(empty), at(0))
    plan.onPublished(plan.publication(OURS, at(0))!)
    expect(plan.publication(OURS, at(0))).toBeUndefined()
    plan.see(all(unknown), at(5_000))
    expect(plan.publication(OURS, at(5_000))).toBeUndefined()
    expect(plan.isContested(at(5_000))).toBe(false)
  })

  test('given slots that were empty when all were looked at, then only those that were looked at since are taken', () => {
    const plan = planOf()
    const other = peer(50)
    plan.see(all(empty), at(0, other))
    const looked = plan.look(new Set([other]))
    plan.see(new Map(looked.map((slot) => [slot, record(peer(slot))])), at(1, other))
    expect(plan.publication(OURS, at(1, other))).toBeUndefined()
  })

  test('given our record of an earlier life, then it is renewed and no second slot is taken', () => {
    const plan = planOf()
    plan.see(
      all((slot) => (slot === 9 ? record(self, { addresses: ['/ip4/8.8.8.8/tcp/1'] }) : empty)),
      at(0),
    )
    expect(plan.publication(OURS, at(0))).toMatchObject({ slot: 9, cas: NOW })
    expect(plan.checks(at(0))).toEqual([])
  })

  test('D-10: given somebody who displaces us each time, then we come back later each time', () => {
    const plan = planOf({ random: { ...seededRandom(1), float: () => 0.5 } })
    const delays: number[] = []
    let ms = 0
    plan.see(all(garbage), at(ms))
    for (let i = 0; i < 8; i++) {
      const displacedMs = ms
      let publication: Publication | undefined
      while ((publication = plan.publication(OURS, at(ms))) === undefined) ms += 10
      delays.push(ms - displacedMs)
      plan.onPublished(publication)
      plan.see(all(garbage), at(ms))
    }
    expect(delays).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000])
  })

  test('D-10: given conflict after conflict, then attempts are ever further apart, and only a few are made between two polls', () => {
    const plan = planOf({ random: { ...seededRandom(1), float: () => 0.5 } })
    const pauses: number[] = []
    for (let ms = 0; ms < 600_000; ms += 100_000) {
      plan.see(all(garbage), at(ms))
      expect(plan.publication(OURS, at(ms))).toBeDefined()
      plan.onConflict(ms)
      expect(plan.publication(OURS, at(ms))).toBeUndefined()
      pauses.push(plan.retryAtMs - ms)
    }
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, Infinity, Infinity])
  })
})

describe('which occupants to check', () => {
  test('given a node that is alone, then it looks at all slots and checks every occupant once, whatever order', () => {
    const plan = planOf()
    expect(plan.look(new Set())).toHaveLength(16)
    plan.see(
      all((slot) => (slot < 8 ? record(peer(slot % 4)) : record(self))),
      at(0),
    )
    expect(new Set(plan.checks(at(0)).map((found) => found.peer))).toEqual(
      new Set([peer(0), peer(1), peer(2), peer(3)]),
    )
  })

  test('D-23: given a thousand connected nodes, then each looks at three slots and checks one occupant, and no slot gets much more than its share', () => {
    const looks = Array.from({ length: 16 }, () => 0)
    for (let i = 0; i < 1_000; i++) {
      const plan = planOf({ random: seededRandom(`node ${i}`) })
      const looked = plan.look(new Set([peer(50)]))
      expect(looked).toHaveLength(3)
      for (const slot of looked) looks[slot]!++
      plan.see(new Map(looked.map((slot) => [slot, record(peer(slot))])), at(0, peer(50)))
      expect(plan.checks(at(0, peer(50)))).toHaveLength(1)
    }
    expect(Math.max(...looks)).toBeLessThan(1.3 * (3_000 / 16))
  })

  test('given an occupant that was found to be a member, then a connected node leaves it in peace for as long as it renews', () => {
    const plan = planOf()
    const other = peer(50)
    const [slot = 0] = plan.look(new Set([other]))
    const see = (ms: number, publishedMs: number): void =>
      plan.see(new Map([[slot, record(peer(1), { publishedAtMs: NOW + publishedMs })]]), at(ms, other))
    see(0, 0)
    expect(checkAll(plan, at(0, other), true)).toBe(1)
    see(500_000, 300_000)
    expect(plan.checks(at(500_000, other))).toEqual([])
    see(1_000_000, 300_000)
    expect(plan.checks(at(1_000_000, other))).toHaveLength(1)
  })

  test('given an occupant that we are connected with, then it is a member without being asked', () => {
    const plan = planOf()
    plan.see(all(record(peer(1))), at(0, peer(1)))
    expect(plan.checks(at(0, peer(1)))).toEqual([])
    expect(plan.isContested(at(0, peer(1)))).toBe(false)
  })

  test('D-10: given occupants that do not answer, then they are asked ever more rarely', () => {
    const plan = planOf()
    const asked: number[] = []
    for (let ms = 0; ms <= 130_000; ms += 1_000) {
      plan.see(strangers, at(ms))
      if (checkAll(plan, at(ms), false) > 0) asked.push(ms)
    }
    expect(asked).toEqual([0, 4_000, 12_000, 28_000, 60_000, 124_000])
  })
})

test('given an occupant that did not answer, when it has moved, then it is asked at once, and two attempts are all it gets', () => {
  const plan = planOf()
  const moved = (count: number): Map<number, SlotView> =>
    all(record(peer(1), { addresses: [`/ip4/93.184.216.34/tcp/${count}`] }))
  plan.see(moved(1), at(0))
  expect(checkAll(plan, at(0), false)).toBe(1)
  plan.see(moved(1), at(1))
  expect(plan.checks(at(1))).toEqual([])
  plan.see(moved(2), at(2))
  expect(checkAll(plan, at(2), false)).toBe(1)
  expect(plan.publication(OURS, at(2))).toBeDefined()
})

describe('slots that are held against the network', () => {
  test('given slots that cannot be outranked, then they are contested', () => {
    const plan = planOf()
    plan.see(all({ kind: 'unreadable', seq: Infinity }), at(0))
    expect(plan.isContested(at(0))).toBe(true)
  })

  test('given slots that show empty and reject what is put there, then each is tried once, and two make them contested', () => {
    const plan = planOf()
    plan.see(all(empty), at(0))
    const tried = new Set<number>()
    for (let publication; (publication = plan.publication(OURS, at(0))) !== undefined;) {
      expect(plan.isContested(at(0))).toBe(tried.size >= 2)
      expect(tried).not.toContain(publication.slot)
      tried.add(publication.slot)
      plan.onRejected(publication, 0)
    }
    expect(tried.size).toBe(16)
    plan.see(all(empty), at(TTL_MS))
    expect(plan.publication(OURS, at(TTL_MS))).toBeDefined()
  })

  test('given that our record was displaced twice, then they are contested; when it stays, then no more', () => {
    const plan = planOf()
    plan.see(all(garbage), at(0))
    for (const ms of [0, 10_000]) {
      expect(plan.isContested(at(ms))).toBe(false)
      plan.onPublished(plan.publication(OURS, at(ms))!)
      plan.see(all(garbage), at(ms))
    }
    expect(plan.isContested(at(10_000))).toBe(true)
    const publication = plan.publication(OURS, at(20_000))!
    plan.onPublished(publication)
    plan.see(new Map([[publication.slot, record(self)]]), at(20_000))
    expect(plan.isContested(at(20_000))).toBe(false)
  })

  test('given that somebody was faster each time, then they are contested', () => {
    const plan = planOf()
    plan.see(all(garbage), at(0))
    plan.onConflict(0)
    expect(plan.isContested(at(0))).toBe(false)
    plan.onConflict(1_000)
    expect(plan.isContested(at(1_000))).toBe(true)
    plan.see(
      all((slot) => (slot === 3 ? record(peer(1)) : garbage)),
      at(2_000, peer(1)),
    )
    plan.checks(at(2_000, peer(1)))
    expect(plan.isContested(at(2_000, peer(1)))).toBe(false)
  })

  test('given that the DHT did not tell of any slot, or that there is room, then they are not contested', () => {
    const plan = planOf()
    plan.see(all(unknown), at(0))
    expect(plan.isContested(at(0))).toBe(false)
    plan.see(all(empty), at(0))
    expect(plan.isContested(at(0))).toBe(false)
  })
})
