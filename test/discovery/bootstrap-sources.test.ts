import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Discovery, remembered, seeds, type BootstrapSource } from '#framework/discovery'
import {
  CloseReasons,
  Host,
  Identity,
  defaultLimits,
  libp2pPeerId,
  type DialTarget,
} from '#framework/network'
import { eventually, within } from '../support/eventually.js'
import { TestNode, TestNodes } from './node.js'
import { network } from './support.js'

/** A node with these sources and no others. */
async function nodeWith(
  stack: AsyncDisposableStack,
  sourcesOf: (host: Host) => readonly BootstrapSource[],
  identity = Identity.random(),
) {
  const host = stack.use(await TestNode.host({ identity }))
  const discovery = stack.use(await Discovery.start({ host, bootstrap: sourcesOf(host) }))
  return { host, discovery }
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sources-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('seeds', () => {
  test('given seeds alone, by address with and without a peer id, then the node finds the network', async () => {
    await using nodes = new TestNodes()
    const seed = await nodes.add()
    const [full = ''] = seed.addresses
    await nodes.add({ seeds: [full] })
    await nodes.add({ seeds: [full.replace(/\/p2p\/.*/, '')] })
    await within(10_000, Promise.all(nodes.all.map(({ discovery }) => discovery.when().peers(2).wait())))
  })

  test.each([
    ['64 hexadecimal characters', (identity: Identity) => identity.peerId],
    ['as libp2p writes it', (identity: Identity) => libp2pPeerId(identity.peerId)],
  ])(
    'D-5: given a seed by its peer id alone, %s, then it is dialled once another source knows where it is',
    async (_, idOf) => {
      await using stack = new AsyncDisposableStack()
      const seed = await nodeWith(stack, () => [])
      const { promise, resolve } = Promise.withResolvers<void>()
      const found: BootstrapSource = {
        name: 'found',
        async *candidates(): AsyncGenerator<DialTarget> {
          await promise
          yield { peer: seed.host.peerId, addresses: seed.host.addresses.value }
        },
      }
      const node = await nodeWith(stack, () => [seeds([idOf(seed.host.identity)]), found])
      await eventually(() =>
        expect(node.discovery.candidates).toMatchObject([{ source: 'seeds', state: 'unlocated' }]),
      )
      resolve()
      await within(5_000, node.discovery.when().peer(seed.host.peerId).wait())
    },
  )

  test.each(['nonsense', '/ip4/127.0.0.1/udp/1', 'aa', ''])(
    'given "%s" as a seed, then it is refused at once',
    (text) => {
      expect(() => seeds([text])).toThrow(expect.objectContaining({ code: 'ADDRESS_INVALID' }))
    },
  )

  test('D-29: given addresses to dial, then a wrong one is refused, and of the others one can see how they stand', async () => {
    await using node = await TestNode.start()
    expect(() => node.discovery.dial(['/ip4/127.0.0.1/tcp/1', 'nonsense'])).toThrow(
      expect.objectContaining({ code: 'ADDRESS_INVALID' }),
    )
    expect(node.discovery.candidates).toEqual([])
    node.discovery.dial(['/ip4/127.0.0.1/tcp/1'])
    await eventually(() =>
      expect(node.discovery.candidates).toMatchObject([
        {
          source: 'dial',
          addresses: ['/ip4/127.0.0.1/tcp/1'],
          failures: 1,
          lastError: expect.stringContaining('/tcp/1'),
        },
      ]),
    )
  })
})

describe('peers of an earlier life', () => {
  test('given remembered peers alone, then a node that starts again finds the network without any seed', async () => {
    await using nodes = new TestNodes()
    const other = await nodes.add()
    const identity = Identity.random()
    {
      await using stack = new AsyncDisposableStack()
      const first = await nodeWith(
        stack,
        (host) => [seeds(other.addresses), remembered({ host, folder })],
        identity,
      )
      await within(5_000, first.discovery.when().peers(1).wait())
    }
    await eventually(() => other.count === 0)
    expect(await readdir(folder)).toHaveLength(1)

    await using stack = new AsyncDisposableStack()
    const second = await nodeWith(stack, (host) => [remembered({ host, folder })], identity)
    await within(5_000, second.discovery.when().peer(other.peerId).wait())
    await within(5_000, other.discovery.when().peer(identity.peerId).wait())
    expect(second.discovery.candidates).toMatchObject([{ source: 'remembered', peer: other.peerId }])
  })

  test('given a peer that was only dialled by others, then it is remembered by what it says of itself', async () => {
    await using stack = new AsyncDisposableStack()
    const seed = await nodeWith(stack, (host) => [remembered({ host, folder })])
    const client = await nodeWith(stack, () => [seeds(seed.host.addresses.value)])
    await within(5_000, seed.discovery.when().peers(1).wait())
    await seed.discovery.close()
    await using other = await TestNode.host()
    const found: DialTarget[] = []
    const stop = new AbortController()
    for await (const target of remembered({ host: other, folder }).candidates(stop.signal)) {
      found.push(target)
      stop.abort()
      break
    }
    expect(found).toMatchObject([{ peer: client.host.peerId }])
  })
})

describe('a seed with many clients', () => {
  test('given more clients than it needs connections, then it lets idle ones go, and they stay away and are not lost', async () => {
    await using stack = new AsyncDisposableStack()
    const limits = {
      connectionsHigh: 10,
      connectionsLow: 8,
      pruneGraceMs: 500,
      gossip: { ...defaultLimits.gossip, meshPeers: 2, meshPeersMin: 2, meshPeersMax: 3 },
    }
    const start = async (from: readonly string[], meshPeers: number) => {
      const listen = ['/ip4/127.0.0.1/udp/0/quic-v1']
      const host = stack.use(await Host.start({ network, listen, limits }))
      const discovery = stack.use(await Discovery.start({ host, meshPeers, bootstrap: [seeds(from)] }))
      return { host, discovery }
    }
    const seed = await start([], 0)
    const startClients = (count: number) =>
      Promise.all(Array.from({ length: count }, () => start(seed.host.addresses.value, 4)))
    const clients = await startClients(10)
    const isSettled = ({ host, discovery }: (typeof clients)[number]) =>
      host.connections.value.size >= 3 && discovery.catalog.value.size === 10
    await eventually(() => clients.every(isSettled), { timeoutMs: 10_000 })

    await startClients(1)
    await eventually(() => seed.host.connections.value.size === 8)
    const letGo = clients.filter(({ host }) => !seed.host.connections.value.has(host.peerId))
    expect(letGo).toHaveLength(3)
    expect(seed.host.metrics.value('mosaik_connections_pruned_total')).toBe(3)
    for (const { host, discovery } of letGo) {
      await eventually(() => !host.connections.value.has(seed.host.peerId))
      const [candidate] = discovery.candidates
      expect(candidate).toMatchObject({ source: 'seeds', peer: seed.host.peerId, state: 'waiting' })
      expect(candidate?.nextAttemptInMs).toBeGreaterThan(60_000)
      expect(discovery.catalog.value.peers.has(seed.host.peerId)).toBe(true)
    }
  }, 30_000)
})

describe('no source', () => {
  test('given a node without any source, then it dials nobody and writes nothing, and others find it all the same', async () => {
    await using stack = new AsyncDisposableStack()
    const quiet = await nodeWith(stack, () => [])
    const loud = await nodeWith(stack, () => [seeds(quiet.host.addresses.value)])
    await within(5_000, quiet.discovery.when().peer(loud.host.peerId).wait())
    expect(quiet.host.metrics.value('mosaik_discovery_dials_total', { result: 'ok' }) ?? 0).toBe(0)
    expect(quiet.discovery.candidates).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })
})

describe('weaknesses', () => {
  test('N-1: given addresses of others, also such as are said to be ours, then what this node says of itself stays as it was', async () => {
    await using nodes = new TestNodes()
    const one = await nodes.add()
    const other = await nodes.add({ seeds: one.addresses })
    await within(5_000, one.discovery.when().peers(1).wait())
    const before = { host: [...one.host.addresses.value], entry: one.discovery.me.addresses }
    one.host.learn(other.peerId, ['/ip4/198.51.100.1/udp/1/quic-v1'])
    one.host.learn(one.peerId, ['/ip4/198.51.100.2/udp/2/quic-v1'], 'hint')
    other.discovery.update(() => ({ addresses: ['/ip4/198.51.100.3/udp/3/quic-v1'] }))
    await eventually(() => one.host.addressesOf(other.peerId).includes('/ip4/198.51.100.3/udp/3/quic-v1'))
    expect({ host: [...one.host.addresses.value], entry: one.discovery.me.addresses }).toEqual(before)
    expect(one.host.addressesOf(one.peerId)).toEqual([])
  })

  test('D-12: given neighbours that come and go, then their number is that of the neighbours there are', async () => {
    await using nodes = new TestNodes()
    const one = await nodes.add()
    for (let i = 0; i < 2; i++) {
      const other = await nodes.add({ seeds: one.addresses })
      await eventually(() => expect(one.metric('gossip_neighbors')).toBe(1))
      await other.discovery.close()
      await other.host.close()
      await eventually(() => expect(one.metric('gossip_neighbors')).toBe(0))
    }
  })

  test('D-13: given a hundred changes while a node is alone, then who comes is told the last of them, once', async () => {
    await using nodes = new TestNodes()
    const one = await nodes.add({ announceIntervalMs: 3_600_000 })
    for (let i = 0; i < 100; i++) {
      one.discovery.update(() => ({ tags: [`tag-${i}`] }))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const other = await nodes.add({ seeds: one.addresses, announceIntervalMs: 3_600_000 })
    await within(5_000, other.discovery.when().tagged('tag-99').wait())
    await eventually(() => one.metric('gossip_neighbors') === 1)
    expect(one.metric('announcements_total', { kind: 'entry' })).toBeLessThanOrEqual(2)
    expect(other.events.filter(({ type }) => type === 'updated')).toEqual([])
  })

  test('D-24: given conditions on what is known, then each is fulfilled when it is true, and not before', async () => {
    await using nodes = new TestNodes()
    const one = await nodes.add()
    const fulfilled: string[] = []
    const when = one.discovery.when()
    const other = await nodes.add({ tags: ['worker'] })
    const waits = Object.entries({
      connected: when.connected(),
      peers: when.peers(1),
      peer: when.peer(other.peerId),
      tagged: when.tagged('worker'),
      two: when.peers(2),
    }).map(([name, condition]) =>
      condition.wait().then(
        () => fulfilled.push(name),
        () => {},
      ),
    )
    await new Promise((resolve) => setImmediate(resolve))
    expect(fulfilled).toEqual([])
    other.discovery.dial(one.addresses)
    await within(5_000, Promise.all(waits.slice(0, 4)))
    expect(fulfilled.toSorted()).toEqual(['connected', 'peer', 'peers', 'tagged'])
  })

  test('D-27: given a catalog sync that fails, then the ones after it go on as if it had not been', async () => {
    await using nodes = new TestNodes()
    const one = await nodes.add({ syncIntervalMs: 3_600_000 })
    await using rude = await TestNode.host()
    rude.handle({ id: '/mosaik/discovery/sync/1.0', frameBytesMax: 1024 }, (link) =>
      link.close(CloseReasons.NotAllowed),
    )
    await expect(one.discovery.syncWith({ addresses: rude.addresses.value })).rejects.toMatchObject({
      code: 'LINK_CLOSED',
    })
    await eventually(() => one.metric('syncs_total', { direction: 'outbound', result: 'closed' }) > 0)
    const other = await nodes.add()
    one.discovery.dial(other.addresses)
    await within(10_000, one.discovery.when().peer(other.peerId).wait())
  })

  test('D-26: given times and limits that make no sense, then each is refused, and named', async () => {
    await using host = await TestNode.host()
    const wrong = {
      announceIntervalMs: [0, -1, Number.NaN],
      announceJitter: [1, 2, -0.1],
      purgeAfterMs: [0],
      syncIntervalMs: [0],
      departureMs: [-1],
      meshPeers: [-1, 1.5],
      reconnect: [{ factor: 0.5 }, { jitter: 2 }, { maxMs: 0 }],
    }
    for (const [option, values] of Object.entries(wrong)) {
      for (const value of values) {
        await expect(Discovery.start({ host, [option]: value })).rejects.toMatchObject({
          code: 'DISCOVERY_OPTION_INVALID',
          details: { option },
        })
      }
    }
  })
})
