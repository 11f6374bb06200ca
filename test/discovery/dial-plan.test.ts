import { describe, expect, test } from '@jest/globals'
import { seededRandom, type PeerId } from '#framework/primitives'
import { DialPlan, type Dial } from '../../framework/discovery/dial-plan.js'
import { identityOf } from './support.js'

const self = identityOf('self').peerId
const names = Array.from({ length: 12 }, (_, i) => `peer-${i}`)
const ids = names.map((name) => identityOf(name).peerId)
const seed = { addresses: ['/ip4/127.0.0.1/udp/1/quic-v1'] }

function planOf(meshPeers = 3) {
  return new DialPlan({ meshPeers, reconnect: { jitter: 0 }, random: seededRandom('dial') })
}

function situation(options: { connected?: readonly PeerId[]; peers?: readonly PeerId[] } = {}) {
  const { connected = [], peers = [] } = options
  return { self, connected: new Set(connected), peers: new Map(peers.map((peer) => [peer, true])) }
}

/** All that the plan wants between two moments, as if every attempt took no time and failed. */
function failing(
  plan: DialPlan,
  where: ReturnType<typeof situation>,
  fromMs: number,
  toMs: number,
): number[] {
  const times: number[] = []
  for (let now = fromMs; now <= toMs;) {
    const { dials, atMs } = plan.next(where, now)
    for (const dial of dials) {
      times.push(now)
      plan.onFailed(dial, where.connected.size > 0, now)
    }
    now = dials.length > 0 ? now : Math.max(atMs, now + 1)
    if (dials.length === 0 && atMs === Infinity) break
  }
  return times
}

describe('bootstrap candidates', () => {
  test('given an isolated node, then a candidate that is down is dialled for as long as it takes, with back-off', () => {
    const plan = planOf()
    plan.add(seed)
    const times = failing(plan, situation(), 0, 3_600_000)
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(times[0]).toBe(0)
    expect(gaps.slice(0, 3)).toEqual([500, 750, 1_125])
    expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000)
    expect(gaps.at(-1)).toBeCloseTo(60_000)
    expect(times.at(-1)).toBeGreaterThan(3_500_000)
  })

  test('given other connections, then a candidate that does not answer is still tried, but rarely', () => {
    const plan = planOf(1)
    plan.add(seed)
    const times = failing(plan, situation({ connected: [ids[0]!] }), 0, 600_000)
    expect(times).toHaveLength(11)
  })

  test('given a candidate that has answered, then it is dialled again only once its connection is lost, and not at once', () => {
    const plan = planOf()
    plan.add(seed)
    const [dial] = plan.next(situation(), 0).dials
    plan.onConnected(dial!, ids[0]!, 10)
    expect(plan.next(situation({ connected: [ids[0]!] }), 20).dials).toEqual([])
    expect(plan.next(situation({ connected: [ids[1]!] }), 30)).toEqual({ dials: [], atMs: 510 })
    expect(plan.next(situation({ connected: [ids[1]!] }), 510).dials).toEqual([dial])
  })

  test('given a candidate that turns out to be ourselves, then it is never dialled again', () => {
    const plan = planOf()
    plan.add(seed)
    const [dial] = plan.next(situation(), 0).dials
    plan.onConnected(dial!, self, 10)
    expect(plan.next(situation(), 3_600_000)).toEqual({ dials: [], atMs: Infinity })
  })

  test('given a candidate that waits, when it is added again, then it is dialled at once', () => {
    const plan = planOf()
    plan.add(seed)
    const [dial] = plan.next(situation(), 0).dials
    plan.onFailed(dial!, false, 0)
    expect(plan.next(situation(), 1).dials).toEqual([])
    plan.add(seed)
    expect(plan.next(situation(), 1).dials).toEqual([dial])
  })

  test('given an attempt that runs, then it is not started a second time', () => {
    const plan = planOf()
    plan.add(seed)
    expect(plan.next(situation(), 0).dials).toHaveLength(1)
    plan.add(seed)
    expect(plan.next(situation(), 1_000_000)).toEqual({ dials: [], atMs: Infinity })
  })

  test('given more candidates than can be remembered, then adding says so', () => {
    const plan = planOf()
    const added = Array.from({ length: 300 }, (_, i) => plan.add({ addresses: [`/ip4/127.0.0.1/tcp/${i}`] }))
    expect(added.filter((ok) => ok)).toHaveLength(256)
  })
})

describe('peers of the catalog', () => {
  test('given a small network, then connections are made to as many random peers as a mesh needs, and no more', () => {
    const plan = planOf(3)
    let connected: PeerId[] = []
    for (let now = 0; now < 2_000; now += 10) {
      const { dials } = plan.next(situation({ connected, peers: ids }), now)
      for (const dial of dials) {
        connected = [...connected, dial.target.peer!]
        plan.onConnected(dial, dial.target.peer!, now)
      }
    }
    expect(new Set(connected).size).toBe(3)
  })

  test('given a fleet that starts, then each node makes its mesh denser one dial at a time, and with pauses', () => {
    const plan = planOf(8)
    let connected: PeerId[] = [ids[0]!]
    const times: number[] = []
    for (let now = 0; now < 60_000; now += 10) {
      const { dials } = plan.next(situation({ connected, peers: ids }), now)
      expect(dials.length).toBeLessThanOrEqual(1)
      for (const dial of dials) {
        times.push(now)
        connected = [...connected, dial.target.peer!]
        plan.onConnected(dial, dial.target.peer!, now)
      }
    }
    expect(times).toHaveLength(7)
    expect(times.at(-1)).toBeGreaterThan(3_000)
    expect(times.at(-1)).toBeLessThan(14_000)
  })

  test('given dials for the mesh that fail, then there are fewer and fewer of them, whomever they are for', () => {
    const plan = planOf(8)
    const where = situation({ connected: [ids[0]!], peers: ids })
    const times = failing(plan, where, 0, 600_000)
    expect(times.filter((time) => time < 60_000).length).toBeLessThan(20)
    expect(times.filter((time) => time >= 300_000).length).toBeLessThan(10)
    expect(times.filter((time) => time >= 300_000).length).toBeGreaterThan(3)
  })

  test('given different chance, then different peers are chosen', () => {
    const chosenBy = (name: string) => {
      const plan = new DialPlan({ meshPeers: 3, reconnect: {}, random: seededRandom(name) })
      plan.next(situation({ peers: ids }), 0)
      return plan.next(situation({ peers: ids }), 1_000).dials.map(({ key }) => key)
    }
    expect(chosenBy('x')).not.toEqual(chosenBy('y'))
  })

  test('given peers that cannot be reached, then others take their place, and no more than four attempts run at a time', () => {
    const plan = planOf(8)
    const tried = new Set<string>()
    const running: Dial[] = []
    for (let now = 0; now < 5_000; now += 10) {
      const { dials } = plan.next(situation({ peers: ids }), now)
      running.push(...dials)
      for (const { key } of dials) tried.add(key)
      expect(running.length).toBeLessThanOrEqual(4)
      const failed = running.shift()
      if (failed) plan.onFailed(failed, false, now)
    }
    expect(tried.size).toBe(ids.length)
  })

  test('given the last connection is lost, then all back-offs start over', () => {
    const plan = planOf(1)
    const peers = [ids[0]!]
    failing(plan, situation({ peers }), 0, 600_000)
    plan.next(situation({ peers, connected: [ids[1]!] }), 600_000)
    const { atMs, dials } = plan.next(situation({ peers }), 600_010)
    expect(dials.length === 1 || atMs <= 600_310).toBe(true)
  })

  test('given a node that is alone and many peers that take long to answer, then four attempts run at a time', () => {
    const plan = planOf(8)
    const running = [0, 1_000, 2_000].flatMap((now) => plan.next(situation({ peers: ids }), now).dials)
    expect(running).toHaveLength(4)
  })

  test('given a peer that left the catalog and comes back, then what was known of it is forgotten', () => {
    const plan = planOf(8)
    const peers = [ids[0]!]
    failing(plan, situation({ peers }), 0, 600_000)
    plan.next(situation(), 600_000)
    expect(plan.next(situation({ peers }), 600_010).atMs).toBeLessThanOrEqual(600_310)
  })

  test('given a peer that left the catalog, then it is not dialled any more', () => {
    const plan = planOf()
    plan.next(situation({ peers: ids }), 0)
    expect(plan.next(situation(), 1_000)).toEqual({ dials: [], atMs: Infinity })
  })
})
