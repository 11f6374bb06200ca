import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { nearest, prefer, type PeerEntry } from '#framework/discovery'
import { CloseReasons } from '#framework/network'
import { seededRandom, type PeerId } from '#framework/primitives'
import { ProbePlan, type Wanted } from '../../framework/discovery/ranking/probe-plan.js'
import { eventually, within } from '../support/eventually.js'
import { TestNode, TestNodes } from './node.js'
import { entryNamed, peerNamed } from './ranking-support.js'

const many = Array.from({ length: 1_000 }, (_, i) => peerNamed(`many-${i}`))

function planOf(seed = 'probes') {
  return new ProbePlan(seededRandom(seed), 0)
}

/** Peers that are asked about, some of them urgently. */
function wantedOf(peers: readonly PeerId[], urgent: readonly PeerId[] = []): Map<PeerId, Wanted> {
  return new Map(peers.map((peer) => [peer, { peer, isUrgent: urgent.includes(peer) }]))
}

interface Started {
  readonly peer: PeerId
  readonly atMs: number
}

/**
 * All that a plan starts within a time, when each probe takes so long and ends so; Infinity is a probe that never ends.
 * Tells also how many have run at a time at most.
 */
function run(
  plan: ProbePlan,
  wanted: ReadonlyMap<PeerId, Wanted>,
  options: { forMs: number; takesMs: number; measured: boolean },
): { started: Started[]; concurrentMax: number } {
  const started: Started[] = []
  const running: Started[] = []
  const left = new Map(wanted)
  let concurrentMax = 0
  for (let nowMs = 0; nowMs <= options.forMs; nowMs += 100) {
    while (running[0] && running[0].atMs + options.takesMs <= nowMs) {
      const { peer } = running.shift()!
      plan.onEnd(peer, options.measured, nowMs)
      if (options.measured) left.delete(peer)
    }
    if (plan.readyAtMs > nowMs) continue
    for (const peer of plan.next(left, nowMs).probes) {
      started.push({ peer, atMs: nowMs })
      running.push({ peer, atMs: nowMs })
    }
    concurrentMax = Math.max(concurrentMax, running.length)
  }
  return { started, concurrentMax }
}

/** The most that were started within any minute. */
function perMinute(started: readonly Started[]): number {
  return Math.max(
    ...started.map(
      ({ atMs }) => started.filter((other) => other.atMs >= atMs && other.atMs < atMs + 60_000).length,
    ),
  )
}

describe('which round trips to measure', () => {
  test('D-3: given a thousand peers that are asked about, then no more than four are probed at a time, and sixteen a minute', () => {
    const { started, concurrentMax } = run(planOf(), wantedOf(many), {
      forMs: 600_000,
      takesMs: 300,
      measured: true,
    })
    expect(concurrentMax).toBe(4)
    expect(perMinute(started)).toBeLessThanOrEqual(16)
    // Each once, and not fewer than the rate allows.
    expect(new Set(started.map(({ peer }) => peer)).size).toBe(started.length)
    expect(started.length).toBeGreaterThan(115)
  })

  test('D-3: given probes that hang, then they are the only ones until they end: nothing accumulates', () => {
    const { started } = run(planOf(), wantedOf(many), { forMs: 600_000, takesMs: Infinity, measured: false })
    expect(started).toHaveLength(4)
  })

  test('given several nodes, then they begin with different peers, not with the first ones of the catalog', () => {
    const firsts = ['a', 'b', 'c'].map((seed) => planOf(seed).next(wantedOf(many), 0).probes)
    expect(firsts.map(({ length }) => length)).toEqual([4, 4, 4])
    expect(new Set(firsts.flat()).size).toBe(12)
    expect(firsts.flat().some((peer) => many.indexOf(peer) > 100)).toBe(true)
  })

  test('given peers that were chosen on an assumption, then they are measured first; when they do not answer, then the others are', () => {
    const urgent = [many[700]!, many[800]!]
    const options = { forMs: 60_000, takesMs: 300, measured: false }
    const { started } = run(planOf(), wantedOf(many, urgent), options)
    expect(new Set(started.slice(0, 2).map(({ peer }) => peer))).toEqual(new Set(urgent))
    expect(started.filter(({ peer }) => !urgent.includes(peer)).length).toBeGreaterThan(8)
  })

  test('given a peer that cannot be reached, then it is probed again after a minute or so, and ever more rarely', () => {
    const { started } = run(planOf(), wantedOf([many[0]!]), {
      forMs: 7_200_000,
      takesMs: 3_000,
      measured: false,
    })
    const gaps = started.slice(1).map(({ atMs }, index) => atMs - (started[index]?.atMs ?? 0))
    expect(gaps[0]).toBeGreaterThanOrEqual(30_000)
    expect(gaps.length).toBeGreaterThan(4)
    expect(gaps.length).toBeLessThan(20)
    expect(Math.max(...gaps)).toBeGreaterThan(300_000)
  })

  test('given a peer that nobody asks about any more, then what was noted of it is forgotten', () => {
    const plan = planOf()
    const [peer] = many
    plan.next(wantedOf([peer!]), 0)
    plan.onEnd(peer!, false, 100)
    expect(plan.next(wantedOf([peer!]), 200).probes).toEqual([])
    plan.next(new Map(), 300)
    expect(plan.next(wantedOf([peer!]), 400).probes).toEqual([peer])
  })

  test('given nobody asked about, then nothing is due', () => {
    expect(planOf().next(new Map(), 0)).toEqual({ probes: [], atMs: Infinity })
  })
})

/** A node that knows others from one that is between them, and is connected to that one only. */
async function star(nodes: TestNodes, count: number) {
  const middle = await nodes.add({ meshPeers: 0 })
  const options = { meshPeers: 0, seeds: middle.addresses }
  const others = await Promise.all(Array.from({ length: count }, () => nodes.add(options)))
  const node = await nodes.add(options)
  await within(
    10_000,
    node.discovery
      .when()
      .peers(count + 1)
      .wait(),
  )
  expect(node.host.connections.value).toEqual(new Set([middle.peerId]))
  return { node, others }
}

describe('measuring', () => {
  test('given a ranking, then the round trips to peers that are not connected become known', async () => {
    await using nodes = new TestNodes()
    const { node, others } = await star(nodes, 3)
    expect(others.map(({ peerId }) => node.host.rttMs(peerId))).toEqual([undefined, undefined, undefined])
    using ranking = node.discovery.ranking(nearest(1))
    await eventually(() => {
      for (const { peerId } of others) expect(node.host.rttMs(peerId)).toBeGreaterThan(0)
    })
    await eventually(() => expect(ranking.unmeasured).toEqual([]))
    expect(node.metric('rtt_probes_total', { result: 'ok' })).toBe(3)
  })

  test('given a peer that is of no other use, when it has been measured, then its connection is let go, and the round trip stays known; when it is forgotten, then it is measured again', async () => {
    await using node = await TestNode.start({ meshPeers: 0, maxRttMs: 1_000 })
    // A member of the network that takes no part in discovery.
    await using quiet = await TestNode.host()
    const entry = { ...entryNamed('quiet', { addresses: quiet.addresses.value }), peer: quiet.peerId }
    node.discovery.insert({ ...entry, network: node.host.network })
    await eventually(() => expect(node.host.rttMs(quiet.peerId)).toBeGreaterThan(0))
    expect(node.host.connections.value).toEqual(new Set([quiet.peerId]))
    await eventually(() => expect(node.host.connections.value.size).toBe(0))
    expect(node.host.rttMs(quiet.peerId)).toBeGreaterThan(0)
    expect(node.knows(quiet.peerId)).toBe(true)
    expect(node.metric('rtt_probes_total', { result: 'ok' })).toBe(1)
    // When it is not known any more, it is measured again.
    node.host.rtt.remove(quiet.peerId)
    await eventually(() => expect(node.metric('rtt_probes_total', { result: 'ok' })).toBe(2))
    expect(node.host.rttMs(quiet.peerId)).toBeGreaterThan(0)
    // While there is a connection, its next sign of life will tell; when it ends before, nothing else will.
    node.host.rtt.remove(quiet.peerId)
    await node.host.disconnect(quiet.peerId, CloseReasons.Success)
    await eventually(() => expect(node.metric('rtt_probes_total', { result: 'ok' })).toBe(3))
  })

  test('given nobody who asks, or only a ranking in which round trips do not count, then nothing is measured', async () => {
    await using nodes = new TestNodes()
    const { node, others } = await star(nodes, 1)
    using ranking = node.discovery.ranking(prefer({ tags: ['x'], latency: false }))
    expect(ranking.chosen.value).toHaveLength(2)
    // Whatever was going to be measured without being asked for would be by the time that this is.
    using asking = node.discovery.ranking(nearest(1), { candidates: [others[0]!.peerId] })
    await eventually(() => expect(asking.unmeasured).toEqual([]))
    expect(node.metric('rtt_probes_total', { result: 'ok' })).toBe(1)
    expect(node.metric('rtt_probes_total', { result: 'failed' })).toBe(0)
  })

  test('D-3: given peers that take connections and say nothing, then few are tried at a time, the chosen ones first, each has an end, and all are let go', async () => {
    await using mute = new MutePeers()
    await using node = await TestNode.start({ maxRttMs: 100, meshPeers: 0 })
    for (let i = 0; i < 12; i++) {
      const entry = entryNamed(`mute-${i}`, { addresses: [await mute.listen(peerNamed(`mute-${i}`))] })
      mute.entries.push({ ...entry, network: node.host.network })
    }
    for (const entry of mute.entries) node.discovery.insert(entry)
    using ranking = node.discovery.ranking(nearest(4))
    const chosen = new Set(ranking.chosen.value)
    await eventually(() => expect(mute.open.size).toBe(4))
    await eventually(() => expect(node.metric('rtt_probes_total', { result: 'failed' })).toBe(4), {
      timeoutMs: 8_000,
    })
    await eventually(() => expect(mute.open.size).toBe(0))
    expect(mute.most).toBe(4)
    expect(mute.tried).toEqual(chosen)
    expect(node.count).toBe(12)
  })
})

/** Peers that accept connections and never say a word. */
class MutePeers implements AsyncDisposable {
  readonly entries: PeerEntry[] = []
  readonly open = new Set<Socket>()
  readonly tried = new Set<PeerId>()
  /** How many connections were open at a time at most. */
  most = 0
  readonly #servers: Server[] = []

  /** Where the peer can be dialled. */
  async listen(peer: PeerId): Promise<string> {
    const server = createServer((socket) => {
      this.open.add(socket)
      this.tried.add(peer)
      this.most = Math.max(this.most, this.open.size)
      // Read, or the end would not be noticed.
      socket.resume()
      socket.on('error', () => {})
      socket.on('close', () => this.open.delete(socket))
    })
    this.#servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return `/ip4/127.0.0.1/tcp/${port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()))
  }
}
