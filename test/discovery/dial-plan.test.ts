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

function situation(
  options: {
    connected?: readonly PeerId[]
    peers?: readonly PeerId[]
    departed?: readonly PeerId[]
    located?: readonly PeerId[]
  } = {},
) {
  const { connected = [], peers = [], departed = [], located = [] } = options
  return {
    self,
    connected: new Set(connected),
    peers: new Map(peers.map((peer) => [peer, true])),
    hasDeparted: (peer: PeerId) => departed.includes(peer),
    isAddressKnown: (peer: PeerId) => located.includes(peer),
  }
}

const written = { source: 'seeds', isLasting: true }
const found = { source: 'mdns', isLasting: false }

function addressed(port: number, peer?: PeerId) {
  return { addresses: [`/ip4/127.0.0.1/tcp/${port}`], ...(peer !== undefined && { peer }) }
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
    plan.add(seed, written, 0)
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
    plan.add(seed, written, 0)
    const times = failing(plan, situation({ connected: [ids[0]!] }), 0, 600_000)
    expect(times).toHaveLength(11)
  })

  test('given a candidate that has answered, then it is dialled again only once its connection is lost, and not at once', () => {
    const plan = planOf()
    plan.add(seed, written, 0)
    const [dial] = plan.next(situation(), 0).dials
    plan.onConnected(dial!, ids[0]!, 10)
    expect(plan.next(situation({ connected: [ids[0]!] }), 20).dials).toEqual([])
    expect(plan.next(situation({ connected: [ids[1]!] }), 30)).toEqual({ dials: [], atMs: 510 })
    expect(plan.next(situation({ connected: [ids[1]!] }), 510).dials).toEqual([dial])
  })

  test('given a candidate that turns out to be ourselves, then it is never dialled again', () => {
    const plan = planOf()
    plan.add(seed, written, 0)
    const [dial] = plan.next(situation(), 0).dials
    plan.onConnected(dial!, self, 10)
    expect(plan.next(situation(), 3_600_000)).toEqual({ dials: [], atMs: Infinity })
  })

  test('given a candidate that waits, when it is added again, then it is dialled at once', () => {
    const plan = planOf()
    plan.add(seed, written, 0)
    const [dial] = plan.next(situation(), 0).dials
    plan.onFailed(dial!, false, 0)
    expect(plan.next(situation(), 1).dials).toEqual([])
    plan.add(seed, written, 0)
    expect(plan.next(situation(), 1).dials).toEqual([dial])
  })

  test('given an attempt that runs, then it is not started a second time', () => {
    const plan = planOf()
    plan.add(seed, written, 0)
    expect(plan.next(situation(), 0).dials).toHaveLength(1)
    plan.add(seed, written, 0)
    expect(plan.next(situation(), 1_000_000)).toEqual({ dials: [], atMs: Infinity })
  })

  test('given more lasting candidates than can be remembered, then adding says so', () => {
    const plan = planOf()
    const added = Array.from({ length: 300 }, (_, i) => plan.add(addressed(i), written, 0))
    expect(added.filter((result) => result === 'added')).toHaveLength(256)
    expect(added.at(-1)).toBe('full')
  })

  test('D-5: given a peer id alone, then it is dialled once an address of it is known, and not before', () => {
    const plan = planOf()
    plan.add({ peer: ids[0]! }, written, 0)
    expect(plan.next(situation(), 0)).toEqual({ dials: [], atMs: Infinity })
    expect(plan.statuses(situation(), 0)).toMatchObject([{ peer: ids[0], state: 'unlocated' }])
    const { dials } = plan.next(situation({ located: [ids[0]!] }), 10)
    expect(dials.map(({ target }) => target)).toEqual([{ peer: ids[0], addresses: [] }])
  })

  test('given a candidate that is found again at another address, then it is one candidate, dialled at once at both', () => {
    const plan = planOf()
    plan.add(addressed(1, ids[0]), found, 0)
    const [dial] = plan.next(situation(), 0).dials
    plan.onFailed(dial!, false, 0)
    expect(plan.add(addressed(2, ids[0]), found, 1)).toBe('renewed')
    const [again] = plan.next(situation(), 1).dials
    expect(again?.target.addresses).toEqual(['/ip4/127.0.0.1/tcp/2', '/ip4/127.0.0.1/tcp/1'])
    expect(plan.candidateCount).toBe(1)
  })

  test('given a source that repeats a candidate that is down, then it is not dialled each time', () => {
    const plan = planOf()
    let dialled = 0
    for (let now = 0; now < 120_000; now += 1_000) {
      plan.add(addressed(1, ids[0]), found, now)
      for (const dial of plan.next(situation(), now).dials) {
        dialled++
        plan.onFailed(dial, false, now)
      }
    }
    expect(dialled).toBeGreaterThan(8)
    expect(dialled).toBeLessThan(20)
  })

  test('given one source that makes up candidates without end, then it takes no room from others, and theirs are dialled', () => {
    const plan = planOf()
    const where = situation({ connected: [ids[11]!] })
    let port = 0
    const dialled = new Set<string>()
    const running: { readonly dial: Dial; readonly endsAtMs: number }[] = []
    for (let now = 0; now < 60_000; now += 1_000) {
      for (let i = 0; i < 10; i++) plan.add(addressed(++port), { source: 'liar', isLasting: false }, now)
      if (now === 30_000) plan.add(seed, written, now)
      if (now === 30_000) plan.add(addressed(70_000), found, now)
      running.push(...plan.next(where, now).dials.map((dial) => ({ dial, endsAtMs: now + 3_000 })))
      while (running[0] && running[0].endsAtMs <= now) {
        const { dial } = running.shift()!
        dialled.add(dial.target.addresses?.[0] ?? '')
        plan.onFailed(dial, true, now)
      }
    }
    expect(plan.counts()).toEqual(
      new Map([
        ['liar', 64],
        ['seeds', 1],
        ['mdns', 1],
      ]),
    )
    expect([...dialled]).toEqual(expect.arrayContaining([seed.addresses[0], '/ip4/127.0.0.1/tcp/70000']))
  })

  test('given a source that is full, then the candidate that has failed most gives way, and none that was not tried yet', () => {
    const plan = planOf()
    for (let i = 0; i < 64; i++) plan.add(addressed(i), found, 0)
    expect(plan.add(addressed(100), found, 0)).toBe('full')
    const { dials } = plan.next(situation(), 0)
    plan.onFailed(dials[2]!, false, 0)
    expect(plan.add(addressed(100), found, 0)).toBe('added')
    const addresses = plan.statuses(situation(), 0).flatMap((status) => status.addresses)
    expect(addresses).not.toContain(dials[2]?.target.addresses?.[0])
    expect(addresses).toContain(dials[1]?.target.addresses?.[0])
  })

  test('given a found candidate whose peer is in the catalog, then the mesh decides about it, except when we are alone', () => {
    const plan = planOf(1)
    plan.add(addressed(1, ids[0]), found, 0)
    const peers = [ids[0]!]
    expect(plan.next(situation({ peers, connected: [ids[1]!] }), 0).dials).toEqual([])
    expect(plan.statuses(situation({ peers, connected: [ids[1]!] }), 0)).toMatchObject([{ state: 'known' }])
    expect(plan.next(situation({ peers }), 1).dials).toHaveLength(1)
  })

  test('given other connections, then a found candidate that is down is tried less and less often', () => {
    const plan = planOf(1)
    plan.add(addressed(1), found, 0)
    const times = failing(plan, situation({ connected: [ids[0]!] }), 0, 10_000_000)
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(gaps[0]).toBe(5_000)
    expect(gaps[1]).toBe(10_000)
    expect(Math.max(...gaps)).toBe(960_000)
  })

  test('given a found candidate that nobody has found again for a day, then it is dropped, but not while we are alone; a written one stays', () => {
    const plan = planOf()
    const day = 24 * 60 * 60_000
    plan.add(addressed(1), found, 0)
    plan.add(seed, written, 0)
    plan.next(situation(), day)
    expect(plan.candidateCount).toBe(2)
    for (const dial of plan.next(situation(), day).dials) plan.onFailed(dial, false, day)
    for (const name of ['x', 'y']) plan.add(addressed(9, identityOf(name).peerId), found, day)
    plan.next(situation({ connected: [ids[0]!] }), day + 1)
    expect(plan.statuses(situation(), day).map(({ source }) => source)).toEqual(
      expect.arrayContaining(['seeds', 'mdns', 'mdns']),
    )
  })

  test('given a found candidate whose peer has said goodbye, then it is dropped', () => {
    const plan = planOf()
    plan.add(addressed(1, ids[0]), found, 0)
    expect(plan.next(situation({ departed: [ids[0]!] }), 0).dials).toEqual([])
    expect(plan.candidateCount).toBe(0)
  })

  test('given two sources that have found the same peer, then it is dialled once at a time', () => {
    const plan = planOf()
    plan.add(addressed(1, ids[0]), found, 0)
    plan.add(addressed(2, ids[0]), { source: 'dht', isLasting: false }, 0)
    expect(plan.next(situation(), 0).dials).toHaveLength(1)
    expect(plan.next(situation(), 0).dials).toHaveLength(0)
  })

  test('D-29: given a candidate that does not answer, then how it stands says how often it failed, why, and what is next', () => {
    const plan = planOf()
    plan.add(seed, written, 0)
    const [dial] = plan.next(situation(), 0).dials
    expect(plan.statuses(situation(), 0)).toMatchObject([{ state: 'dialling', failures: 0 }])
    plan.onFailed(dial!, false, 100, 'nobody is there')
    expect(plan.statuses(situation(), 200)).toEqual([
      {
        source: 'seeds',
        addresses: seed.addresses,
        state: 'waiting',
        failures: 1,
        lastError: 'nobody is there',
        nextAttemptInMs: 400,
      },
    ])
    plan.onConnected(plan.next(situation(), 1_000).dials[0]!, ids[0]!, 1_000)
    const connected = plan.statuses(situation({ connected: [ids[0]!] }), 1_000)
    expect(connected).toEqual([
      { source: 'seeds', peer: ids[0], addresses: seed.addresses, state: 'connected', failures: 0 },
    ])
  })

  test('given a peer that has let us go, then it is left alone for minutes while there are others, and for seconds when there are none', () => {
    const plan = planOf()
    plan.add(seed, written, 0)
    const [dial] = plan.next(situation(), 0).dials
    const peer = ids[0]!
    plan.onConnected(dial!, peer, 0)
    const others = situation({ connected: [ids[1]!], peers: [peer, ids[1]!] })
    plan.next(others, 1)
    plan.onPruned(peer, 1_000)
    for (let now = 1_000; now < 300_000; now += 1_000) expect(plan.next(others, now).dials).toEqual([])
    expect(plan.next(others, 1_000_000).dials).not.toEqual([])

    plan.onConnected(dial!, peer, 1_000_000)
    plan.next(others, 1_000_001)
    plan.onPruned(peer, 1_000_002)
    expect(plan.next(situation(), 1_000_003).dials).toEqual([])
    expect(plan.next(situation(), 1_010_000).dials).toHaveLength(1)
  })

  test('given lasting candidates that have answered, then their peers are to be kept', () => {
    const plan = planOf()
    plan.add(seed, written, 0)
    plan.add(addressed(1, ids[1]), found, 0)
    plan.onConnected(plan.next(situation(), 0).dials[0]!, ids[0]!, 0)
    expect(plan.keep()).toEqual(new Set([ids[0]]))
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
