import { describe, expect, test } from '@jest/globals'
import { Discovery, ticketIdOf } from '#framework/discovery'
import { Identity } from '#framework/network'
import { Watch, digestOf, isMosaikError, type PeerId } from '#framework/primitives'
import { decodeAnnouncement } from '../../framework/discovery/announcement.js'
import { parseRecord } from '../../framework/discovery/signed-record.js'
import { eventually, within } from '../support/eventually.js'
import { TestNode, TestNodes, freePort, skewedClock } from './node.js'
import { offerOf } from './support.js'

function typesOf({ events }: TestNode): string[] {
  return events.map(({ type }) => type)
}

describe('catalog', () => {
  test('converge_with_bootstrap: given a node and 10 nodes that have it as bootstrap, then within 10 s each knows the 10 others', async () => {
    await using nodes = new TestNodes()
    const first = await nodes.add()
    await Promise.all(Array.from({ length: 10 }, () => nodes.add({ seeds: first.addresses })))
    await within(10_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(10).wait())))
    expect(nodes.all.map(({ count }) => count)).toEqual(nodes.all.map(() => 10))
  })

  test('manual_sync_trigger: given two that do not know each other, when one inserts the other and syncs, then both know each other, signed', async () => {
    await using nodes = new TestNodes()
    const n0 = await nodes.add({ tags: ['tag1'] })
    n0.discovery.addTags('tag2', 'tag3')
    n0.discovery.update(() => ({ produces: [offerOf('text')] }))
    const n1 = await nodes.add()
    expect([n0.count, n1.count]).toEqual([0, 0])

    expect(n1.discovery.insert(n0.discovery.me)).toBe(true)
    expect([n0.count, n1.count]).toEqual([0, 1])
    expect(n1.discovery.catalog.value.unsigned).toEqual(new Set([n0.peerId]))

    await n1.discovery.syncWith({ peer: n0.peerId, addresses: n0.addresses })
    expect([n0.count, n1.count]).toEqual([1, 1])
    expect(n1.discovery.catalog.value.unsigned.size).toBe(0)
    expect(n1.discovery.catalog.value.get(n0.peerId)).toEqual(n0.discovery.me)
    expect(n1.discovery.catalog.value.get(n0.peerId)?.tags).toEqual(['tag1', 'tag2', 'tag3'])
  })

  test('different_networks_are_isolated: given 2 nodes of one network and 3 of another, when all sync with all, then each knows its own network and syncs across are refused with 101', async () => {
    await using nodes = new TestNodes()
    for (const name of ['A', 'A', 'B', 'B', 'B']) await nodes.add({ network: digestOf(name) })
    const pairs = nodes.all.flatMap((from) =>
      nodes.all.filter((to) => to !== from).map((to) => ({ from, to })),
    )
    const results = await Promise.allSettled(
      pairs.map(({ from, to }) => from.discovery.syncWith({ addresses: to.addresses })),
    )
    for (const [index, { from, to }] of pairs.entries()) {
      const result = results[index]
      if (from.host.network === to.host.network) expect(result).toMatchObject({ status: 'fulfilled' })
      else expect(result).toMatchObject({ reason: { code: 'LINK_CLOSED', reason: { code: 101 } } })
    }
    expect(nodes.all.map(({ count }) => count)).toEqual([1, 1, 2, 2, 2])
    for (const node of nodes.all) {
      for (const { network } of node.discovery.catalog.value.peers.values())
        expect(network).toBe(node.host.network)
    }
  })

  test('given nodes that are connected only through others, when one changes its tags, then all know', async () => {
    await using nodes = new TestNodes()
    const a = await nodes.add({ meshPeers: 0 })
    const b = await nodes.add({ meshPeers: 0, seeds: a.addresses })
    const c = await nodes.add({ meshPeers: 0, seeds: b.addresses })
    await within(10_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(2).wait())))
    expect(c.host.connections.value.has(a.peerId)).toBe(false)
    a.discovery.addTags('news')
    await within(5_000, c.discovery.when().tagged('news').wait())
    await eventually(() =>
      expect(c.events).toContainEqual(
        expect.objectContaining({
          type: 'updated',
          entry: expect.objectContaining({ peer: a.peerId }),
        }),
      ),
    )
  })

  test('partition and heal: given two halves that do not know each other, when one node of each meet, then all know all', async () => {
    await using nodes = new TestNodes()
    const halves = await Promise.all(
      [0, 1].map(async () => {
        const quiet = { announceIntervalMs: 3_600_000, meshPeers: 0 }
        const first = await nodes.add(quiet)
        const options = { ...quiet, seeds: first.addresses }
        const rest = [await nodes.add(options), await nodes.add(options)]
        await within(
          5_000,
          Promise.all([first, ...rest].map((node) => node.discovery.when().peers(2).wait())),
        )
        return { first, rest }
      }),
    )
    const [near, far] = halves as [(typeof halves)[number], (typeof halves)[number]]
    near.first.discovery.dial(far.first.addresses)
    await within(10_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(5).wait())))
    // What the two that met have learnt they have told at once, without waiting for anybody's sign of life.
    const farPeers = new Set(far.rest.map(({ peerId }) => peerId))
    await eventually(() =>
      near.rest.some(({ events }) =>
        events.some(
          (event) => event.type === 'discovered' && event.via === 'gossip' && farPeers.has(event.entry.peer),
        ),
      ),
    )
  })
})

describe('departures', () => {
  test('graceful_departure: given three nodes that know each other, when one closes, then the next event of the others is its departure', async () => {
    await using nodes = new TestNodes()
    const first = await nodes.add()
    const leaver = await nodes.add({ seeds: first.addresses })
    const other = await nodes.add({ seeds: first.addresses })
    await within(10_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(2).wait())))
    for (const node of nodes.all) {
      await eventually(() => expect(typesOf(node)).toEqual(['discovered', 'discovered']))
    }

    await within(2_000, leaver.discovery.close())
    // Whoever was connected has answered the goodbye, so that the process may end now.
    expect(first.knows(leaver.peerId)).toBe(false)
    for (const node of [first, other]) {
      await eventually(() => node.events.length > 2)
      expect(node.events[2]).toMatchObject({ type: 'departed', peer: leaver.peerId, cause: 'graceful' })
      expect(node.count).toBe(1)
    }
  })

  test('D-6, departed peer not resurrected by the sync of a third party: given a peer that has departed, when another that missed it comes back, then the departed one stays away', async () => {
    await using nodes = new TestNodes()
    const first = await nodes.add()
    const leaver = await nodes.add({ seeds: first.addresses })
    const missed = await nodes.add()
    await within(5_000, first.discovery.when().peers(1).wait())
    missed.discovery.feed(leaver.discovery.signedEntry())
    expect(missed.knows(leaver.peerId)).toBe(true)

    await leaver.discovery.close()
    await leaver.host.close()
    await within(5_000, first.discovery.when().peer(leaver.peerId).not().wait())
    await missed.discovery.syncWith({ addresses: first.addresses })
    expect([first.knows(leaver.peerId), missed.knows(leaver.peerId)]).toEqual([false, false])
    await eventually(() => expect(typesOf(first)).toEqual(['discovered', 'departed', 'discovered']))
  })

  test('given a peer that does not answer, when a node closes, then it takes no longer than its time to say goodbye', async () => {
    await using node = await TestNode.start({ departureMs: 300 })
    await using mute = await TestNode.host()
    mute.handle({ id: '/mosaik/discovery/sync/1.0', frameBytesMax: 1024 }, ({ closed }) =>
      closed.then(() => undefined),
    )
    await mute.connect({ addresses: node.addresses })
    await within(2_000, node.discovery.when().connected().wait())
    const before = performance.now()
    await node.discovery.close()
    expect(performance.now() - before).toBeLessThan(1_500)
  })

  test('stale_peers_are_purged: given a quick and a slow node, then the quick one forgets the slow one between its signs of life, and finds it again', async () => {
    await using nodes = new TestNodes()
    const slow = await nodes.add({ purgeAfterMs: 180_000, announceIntervalMs: 3_500, announceJitter: 0 })
    const quick = await nodes.add({
      purgeAfterMs: 1_500,
      announceIntervalMs: 500,
      announceJitter: 0,
      seeds: slow.addresses,
    })
    await eventually(() => quick.count === 1 && slow.count === 1)
    expect(quick.events).toEqual([expect.objectContaining({ type: 'discovered' })])

    await within(4_000, quick.discovery.when().peers(1).not().wait())
    await eventually(() => quick.events.length > 1)
    expect(quick.events[1]).toMatchObject({ type: 'departed', peer: slow.peerId, cause: 'stale' })
    expect(slow.count).toBe(1)

    await within(6_000, quick.discovery.when().peers(1).wait())
    await eventually(() => quick.events.length > 2)
    // By the sign of life itself, or by a catalog sync that came right after it.
    expect(quick.events[2]).toMatchObject({ type: 'discovered', entry: slow.discovery.me })
    expect(slow.count).toBe(1)
    expect(typesOf(slow)).toEqual(['discovered'])
  })
})

/** A node that a seed knew, killed, and started again with the same key; the seed knows that, too. `run`: of before. */
async function killedAndRestarted(nodes: TestNodes, options: Parameters<TestNodes['add']>[0] = {}) {
  const identity = Identity.random()
  const seed = await nodes.add()
  const before = await nodes.add({ identity, seeds: seed.addresses, tags: ['before'] })
  await within(5_000, seed.discovery.when().tagged('before').wait())
  const { run } = before.discovery.me.version
  await before.vanish()

  const after = await nodes.add({ identity, seeds: seed.addresses, tags: ['after'], ...options })
  await within(5_000, seed.discovery.when().tagged('after').wait())
  return { seed, run, after }
}

describe('restarts and identities', () => {
  test.concurrent(
    'bootstrap down at start then up: given a seed that nobody listens on, when it comes up, then they find each other',
    async () => {
      const port = await freePort()
      const address = `/ip4/127.0.0.1/udp/${port}/quic-v1`
      await using nodes = new TestNodes()
      const early = await nodes.add({ seeds: [address], reconnect: { initialMs: 100 } })
      await eventually(() => early.metric('dials_total', { result: 'failed' }) > 0)
      expect(early.count).toBe(0)
      const seed = await nodes.add({ listen: [address] })
      await within(
        10_000,
        Promise.all([early, seed].map(({ discovery }) => discovery.when().peers(1).wait())),
      )
    },
  )

  test.concurrent(
    'given a list of seeds that a node is on itself, then it does not dial itself',
    async () => {
      const port = await freePort()
      const address = `/ip4/127.0.0.1/udp/${port}/quic-v1`
      await using nodes = new TestNodes()
      const seed = await nodes.add({ listen: [address], seeds: [address] })
      const other = await nodes.add({ seeds: [address] })
      await within(5_000, other.discovery.when().peers(1).wait())
      expect(seed.metric('dials_total', { result: 'failed' })).toBe(0)
    },
  )

  test.concurrent(
    'restart with the same key: given a killed node, when it starts again, then the newer run replaces its entry at once',
    async () => {
      await using nodes = new TestNodes()
      const { seed, run, after } = await killedAndRestarted(nodes)
      expect(seed.count).toBe(1)
      expect(seed.discovery.catalog.value.get(after.peerId)?.version.run).toBeGreaterThan(run)
      // Where the start takes longer than a second, the peer was lost in between, and may be back before it has said anything.
      const lost = 'discovered departed discovered'
      await eventually(() =>
        expect(['discovered updated', lost, `${lost} updated`]).toContain(typesOf(seed).join(' ')),
      )
      expect(after.events).not.toContainEqual(expect.objectContaining({ type: 'duplicate-identity' }))
    },
  )

  test.concurrent(
    'restart with the same key and a clock set back: then the new life is accepted all the same',
    async () => {
      await using nodes = new TestNodes()
      const { after } = await killedAndRestarted(nodes, { clock: skewedClock(-3_600_000) })
      expect(after.events).not.toContainEqual(expect.objectContaining({ type: 'duplicate-identity' }))
    },
  )

  test.concurrent(
    'duplicate identity: given the same key started twice, when both are online, then both are told',
    async () => {
      await using nodes = new TestNodes()
      const identity = Identity.random()
      const seed = await nodes.add()
      const options = { identity, seeds: seed.addresses, syncIntervalMs: 300 }
      const twins = [await nodes.add(options), await nodes.add({ ...options, clock: skewedClock(5_000) })]
      for (const twin of twins) {
        await eventually(
          () => expect(twin.events).toContainEqual({ type: 'duplicate-identity', peer: identity.peerId }),
          { timeoutMs: 10_000 },
        )
        expect(twin.metric('duplicate_identities_total')).toBeGreaterThan(0)
      }
    },
  )

  test.concurrent(
    'clock skew: given a node whose clock is 60 s behind, then all others know it, and it says whose clocks seem wrong',
    async () => {
      await using nodes = new TestNodes()
      const seed = await nodes.add()
      const third = await nodes.add({ seeds: seed.addresses })
      const behind = await nodes.add({ seeds: seed.addresses, clock: skewedClock(-60_000) })
      await within(
        10_000,
        Promise.all([seed, third].map(({ discovery }) => discovery.when().peer(behind.peerId).wait())),
      )
      await eventually(() =>
        expect(behind.events).toContainEqual(
          expect.objectContaining({ type: 'clock-skewed', peer: seed.peerId }),
        ),
      )
    },
  )
})

describe('what a sync has brought', () => {
  test('D-14: given a record that a neighbour has refused for its clock and then learnt by a sync, then those beyond it hear it by gossip', async () => {
    await using nodes = new TestNodes()
    const seed = await nodes.add({ syncIntervalMs: 3_600_000 })
    // It takes part in gossip alone, so that no sync can bring it anything.
    await using listener = await TestNode.host()
    const passedOn: PeerId[] = []
    const topic = listener.gossip('announce/1', {
      validate: (data) => {
        const { record, ageMs } = decodeAnnouncement(data)
        if (ageMs !== undefined) passedOn.push(parseRecord(record).peer)
        return 'ignore'
      },
      messageBytesMax: 64 * 1024,
    })
    await listener.connect({ addresses: seed.addresses })
    await eventually(() => topic.neighbours.value.size > 0)

    const behind = await nodes.add({ seeds: seed.addresses, clock: skewedClock(-60_000), meshPeers: 0 })
    await within(5_000, seed.discovery.when().peer(behind.peerId).wait())
    await eventually(() => expect(passedOn).toContain(behind.peerId))
  })
})

describe('what this node says about itself', () => {
  test('D-11: given many changes in one turn, then they are one announcement; given no change, then none', async () => {
    await using nodes = new TestNodes()
    const one = await nodes.add({ announceIntervalMs: 3_600_000 })
    const other = await nodes.add({ seeds: one.addresses, announceIntervalMs: 3_600_000 })
    await within(5_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(1).wait())))
    await eventually(() => one.metric('announcements_total', { kind: 'entry' }) > 0)
    const before = one.metric('announcements_total', { kind: 'entry' })
    for (let i = 0; i < 100; i++) one.discovery.addTags(`tag-${i}`)
    await within(5_000, other.discovery.when().tagged('tag-99').wait())
    one.discovery.addTags('tag-0')
    one.discovery.update((entry) => ({ tags: [...entry.tags] }))
    one.discovery.addTags('last')
    await within(5_000, other.discovery.when().tagged('last').wait())
    expect(one.metric('announcements_total', { kind: 'entry' })).toBe(before + 2)
    expect(other.discovery.catalog.value.get(one.peerId)?.tags).toHaveLength(101)
  })

  test('D-30: given labels, groups and tickets, when they are added and removed, then the entry has what is left, and another node sees it', async () => {
    await using nodes = new TestNodes()
    const one = await nodes.add({ labels: { region: 'eu', rack: '7' } })
    const other = await nodes.add({ seeds: one.addresses })
    const { discovery } = one
    const [kept, gone] = [digestOf('kept'), digestOf('gone')]
    const ticketOf = (name: string, ...data: number[]) => ({
      class: digestOf(name),
      data: new Uint8Array(data),
    })

    discovery.setLabels({ zone: 'a', region: 'us' })
    discovery.removeLabels('rack', 'unknown')
    discovery.addGroups(kept, gone)
    discovery.removeGroups(gone)
    for (const ticket of [ticketOf('jwt', 1), ticketOf('jwt', 2), ticketOf('jwt', 2), ticketOf('old', 1)]) {
      discovery.addTicket(ticket)
    }
    discovery.addTicket(ticketOf('single', 1))
    discovery.replaceTicket(ticketOf('single', 2))
    discovery.removeTicket(ticketIdOf(ticketOf('jwt', 1)))
    discovery.removeTicketsOf(digestOf('old'))
    discovery.addTags('done')

    await within(5_000, other.discovery.when().tagged('done').wait())
    const seen = other.discovery.catalog.value.get(one.peerId)
    expect(seen).toEqual(discovery.me)
    expect(seen?.labels).toEqual({ region: 'us', zone: 'a' })
    expect(seen?.groups).toEqual([kept])
    expect(seen?.tickets).toHaveLength(2)
    expect(seen?.tickets).toEqual(expect.arrayContaining([ticketOf('jwt', 2), ticketOf('single', 2)]))
  })

  test('oversize entry: given more than fits, then the caller is told at once, and what was said before stays', async () => {
    await using node = await TestNode.start({ tags: ['x'] })
    const { me } = node.discovery
    expect(() => node.discovery.addTags('y'.repeat(50_000))).toThrow(
      expect.objectContaining({ code: 'DISCOVERY_ENTRY_TOO_LARGE' }),
    )
    expect(node.discovery.me).toBe(me)
  })

  test('given an entry shown in a handshake, then the other side can feed it', async () => {
    await using nodes = new TestNodes()
    const [one, other] = [await nodes.add({ tags: ['shown'] }), await nodes.add()]
    expect(other.discovery.feed(one.discovery.signedEntry())).toBe(true)
    expect(other.discovery.catalog.value.get(one.peerId)).toEqual(one.discovery.me)
    await eventually(() =>
      expect(other.events).toEqual([{ type: 'discovered', entry: one.discovery.me, via: 'feed' }]),
    )
    expect(other.discovery.feed(new Uint8Array([1, 2, 3]))).toBe(false)
  })

  test('given a host whose addresses change, then they are announced, until they are set by hand', async () => {
    await using host = await TestNode.host()
    const addresses = new Watch<readonly string[]>(host.addresses.value)
    const moving = new Proxy(host, {
      get: (target, key) => {
        if (key === 'addresses') return addresses
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await using discovery = await Discovery.start({ host: moving })
    addresses.set(['/ip4/10.0.0.1/udp/1/quic-v1'])
    expect(discovery.me.addresses).toEqual(['/ip4/10.0.0.1/udp/1/quic-v1'])
    discovery.update(() => ({ addresses: ['/dns4/node.example/udp/1/quic-v1'] }))
    addresses.set(['/ip4/10.0.0.2/udp/1/quic-v1'])
    expect(discovery.me.addresses).toEqual(['/dns4/node.example/udp/1/quic-v1'])
  })

  test('given a declared node, then its name and replica, addresses and tags are in the entry', async () => {
    await using node = await TestNode.start({ node: { name: 'trader', replica: 1 }, tags: ['b', 'a'] })
    expect(node.discovery.me).toMatchObject({
      node: { name: 'trader', replica: 1 },
      tags: ['a', 'b'],
      addresses: node.addresses,
      peer: node.peerId,
    })
  })
})

describe('the life of discovery', () => {
  test('given it is closed, then it is closed once, what waits is told, and what is asked of it is refused', async () => {
    await using node = await TestNode.start()
    const waiting = node.discovery.when().peers(1).wait()
    await Promise.all([
      node.discovery.close(),
      node.discovery.close(),
      expect(waiting).rejects.toMatchObject({ code: 'ENDED' }),
    ])
    expect(await node.discovery.closed).toBeUndefined()
    expect(() => node.discovery.addTags('x')).toThrow(expect.objectContaining({ code: 'DISCOVERY_CLOSED' }))
    await expect(node.discovery.syncWith({ addresses: node.addresses })).rejects.toMatchObject({
      code: 'DISCOVERY_CLOSED',
    })
    expect(node.metric('peers')).toBe(0)
  })

  test('given its host is closed, then it ends with the cause', async () => {
    await using node = await TestNode.start()
    await node.host.close()
    expect(isMosaikError(await within(5_000, node.discovery.closed), 'DISCOVERY_HOST_CLOSED')).toBe(true)
  })

  test('D-26: given options that make no sense, then starting says which', async () => {
    await using host = await TestNode.host()
    for (const [option, value] of Object.entries({
      announceIntervalMs: 0,
      announceJitter: 1,
      peersMax: 1.5,
      maxDriftMs: -1,
      reconnect: { initialMs: 0 },
    })) {
      await expect(Discovery.start({ host, [option]: value })).rejects.toMatchObject({
        code: 'DISCOVERY_OPTION_INVALID',
        details: { option },
      })
    }
  })

  test('given two networks in one process, then closing one leaves the other alone', async () => {
    await using nodes = new TestNodes()
    const [a1, b1] = [
      await nodes.add({ network: digestOf('A') }),
      await nodes.add({ network: digestOf('B') }),
    ]
    await nodes.add({ network: digestOf('A'), seeds: a1.addresses })
    const b2 = await nodes.add({ network: digestOf('B'), seeds: b1.addresses })
    await within(5_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(1).wait())))
    await a1.discovery.close()
    b1.discovery.addTags('still here')
    await within(5_000, b2.discovery.when().tagged('still here').wait())
  })
})
