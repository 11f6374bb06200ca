import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Connection } from '@libp2p/interface'
import { describe, expect, test } from '@jest/globals'
import { Identity, defaultLimits, type NetworkLimits } from '#framework/network'
import { eventually } from '../support/eventually.js'
import { network, peerCount, rejections, startHost } from './hosts.js'
import { startStranger } from './stranger.js'

describe('a host at its limit', () => {
  test('of connections: given one more, in or out, it is refused and counted, and one that ends makes room', async () => {
    await using host = await startHost({ limits: { connectionsMax: 2 } })
    await using a = await startHost()
    await using b = await startHost()
    await using c = await startHost()
    const target = { addresses: host.addresses.value }
    await a.connect(target)
    await b.connect(target)
    await expect(c.connect(target)).rejects.toThrow()
    await expect(host.connect({ addresses: c.addresses.value })).rejects.toMatchObject({
      code: 'DIAL_FAILED',
    })
    expect(rejections(host, 'capacity')).toBeGreaterThanOrEqual(2)
    expect(peerCount(host)).toBe(2)
    await a.close()
    await eventually(() => peerCount(host) === 1)
    await expect(c.connect(target)).resolves.toBe(host.peerId)
  })

  test('of connections of one peer: given one more, the oldest is told why and goes', async () => {
    await using host = await startHost({ limits: { connectionsPerPeerMax: 2 } })
    await using stranger = await startStranger()
    const connections: Connection[] = []
    for (let i = 0; i < 3; i++) {
      const connection = await stranger.dial(host)
      await stranger.sayHello(connection, network)
      connections.push(connection)
    }
    await eventually(() => connections[0]?.status !== 'open')
    expect(connections.slice(1).map(({ status }) => status)).toEqual(['open', 'open'])
    expect(host.metrics.value('mosaik_connections', { state: 'admitted' })).toBe(2)
    const closed = { protocol: '/mosaik/hello/1.0', reason: 'GracefulShutdown' }
    expect(host.metrics.value('mosaik_links_closed_total', closed)).toBe(1)
  })

  test('of dials at once: given one more, it fails at once and says so', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address()
    await using host = await startHost({ limits: { dialsMax: 3, quicDialTimeoutMs: 500 } })
    const dial = (): Promise<unknown> =>
      host
        .connect({ peer: Identity.random().peerId, addresses: [`/ip4/127.0.0.1/udp/${port}/quic-v1`] })
        .catch((error: unknown) => error)
    const dials = Array.from({ length: 3 }, dial)
    expect(await dial()).toMatchObject({
      code: 'DIAL_FAILED',
      message: expect.stringContaining('3 dials are under way already'),
    })
    await Promise.all(dials)
    silent.close()
  })

  test('of addresses in one dial: given more, the first so many are tried, and each is counted', async () => {
    await using host = await startHost({ limits: { dialAddressesMax: 2 } })
    const addresses = [1, 2, 3, 4].map((port) => `/ip4/127.0.0.1/tcp/${port}`)
    await expect(host.connect({ peer: Identity.random().peerId, addresses })).rejects.toMatchObject({
      details: { attempts: [{ address: addresses[0] }, { address: addresses[1] }] },
    })
    expect(host.metrics.value('mosaik_dials_total', { transport: 'tcp', result: 'failed' })).toBe(2)
  })
})

test.each<[string, Partial<NetworkLimits>]>([
  ['connectionsMax', { connectionsMax: 0 }],
  ['dialTimeoutMs', { dialTimeoutMs: -1 }],
  ['openTimeoutMs', { openTimeoutMs: Number.NaN }],
  ['closeTimeoutMs', { closeTimeoutMs: Infinity }],
  ['gossip.heartbeatMs', { gossip: { ...defaultLimits.gossip, heartbeatMs: 0 } }],
  ['gossip.meshPeers', { gossip: { ...defaultLimits.gossip, meshPeers: 20 } }],
  ['connectionsLow', { connectionsLow: 200 }],
  ['perBlock.connectionsMax', { perBlock: { unadmittedMax: 1 } as never }],
  ['conectionsMax', { conectionsMax: 5 } as never],
])(
  'N-18: given a limit that makes no sense (%s), then a host does not start, and says which',
  async (limit, limits) => {
    await expect(startHost({ limits })).rejects.toMatchObject({ code: 'LIMIT_INVALID', details: { limit } })
  },
)

test('N-18: given several addresses to listen on, then a host listens on every one of them', async () => {
  await using host = await startHost({
    listen: [0, 1, 2].map(() => '/ip4/127.0.0.1/udp/0/quic-v1'),
  })
  expect(new Set(host.addresses.value).size).toBe(3)
})
