import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { CloseReasons, Host, Identity, closeReason, libp2pPeerId, type Link } from '#framework/network'
import { eventually, within } from '../support/eventually.js'
import { echo, listenOn, network, peerCount, protocol, startHost } from './hosts.js'

describe('starting', () => {
  test('given a UDP port that is taken, fails with ADDRESS_IN_USE, naming the address', async () => {
    await using first = await startHost()
    const address = first.addresses.value[0]!.replace(/\/p2p\/.*/, '')
    await expect(startHost({ listen: [address] })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: expect.stringContaining(address),
      details: { address },
    })
  })

  test('given a TCP port that is taken by somebody else, fails with ADDRESS_IN_USE and lets go of the others', async () => {
    // The UDP port of that number has to be free, which two sockets of ours find out; other tests run at the same time.
    const reserved = createSocket('udp4').bind(0, '127.0.0.1')
    await once(reserved, 'listening')
    const { port } = reserved.address()
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    reserved.close()
    await once(reserved, 'close')
    const listen = [`/ip4/127.0.0.1/udp/${port}/quic-v1`, `/ip4/127.0.0.1/tcp/${port}`]
    await expect(startHost({ listen })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      details: { address: `/ip4/127.0.0.1/tcp/${port}` },
    })
    server.close()
    await once(server, 'close')
    await using second = await startHost({ listen })
    expect(second.addresses.value).toHaveLength(2)
  })

  test('given a memory address that is taken, fails with ADDRESS_IN_USE', async () => {
    await using _first = await startHost({ listen: ['/memory/taken'] })
    await expect(startHost({ listen: ['/memory/taken'] })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
  })

  test.each(['nonsense', '/ip4/127.0.0.1/udp/1', '/ip4/203.0.113.1/udp/0/quic-v1', '/ip4/203.0.113.1/tcp/0'])(
    'given the address %s, where nobody can listen, fails with ADDRESS_INVALID, naming it',
    async (address) => {
      await expect(startHost({ listen: [address] })).rejects.toMatchObject({
        code: 'ADDRESS_INVALID',
        message: expect.stringContaining(address),
      })
    },
  )

  test('given open ports of both transports, gives both the same number', async () => {
    await using host = await startHost({ listen: listenOn.both })
    const ports = host.addresses.value.map((address) => /\/(udp|tcp)\/(\d+)/.exec(address)?.slice(1))
    expect(ports.map((port) => port?.[0])).toEqual(['udp', 'tcp'])
    expect(ports[0]?.[1]).toBe(ports[1]?.[1])
    expect(Number(ports[0]?.[1])).toBeGreaterThan(0)
  })

  test.each([undefined, '', 'my-app', 'A'.repeat(64)])(
    'given no network id but %p, fails with NETWORK_INVALID',
    async (given) => {
      await expect(startHost({ network: given as never })).rejects.toMatchObject({ code: 'NETWORK_INVALID' })
    },
  )

  test('N-2: given no relay and no internet, is online on loopback within a second', async () => {
    // The first host of a process loads libp2p.
    await using _warm = await startHost()
    await using host = await within(1_000, Host.start({ network }))
    expect(host.addresses.value.length).toBeGreaterThan(0)
  })

  test('given nothing but a network, listens on this machine over both transports and says where', async () => {
    await using host = await Host.start({ network })
    expect(host.addresses.value).toHaveLength(2)
    for (const address of host.addresses.value) {
      expect(address).toMatch(/^\/ip4\/127\.0\.0\.1\//)
      expect(address).toContain(`/p2p/${libp2pPeerId(host.peerId)}`)
    }
  })

  test('given every interface, says an address of each, this machine last', async () => {
    await using host = await startHost({ listen: ['/ip4/0.0.0.0/udp/0/quic-v1'] })
    const addresses = host.addresses.value
    expect(addresses.at(-1)).toContain('/ip4/127.0.0.1/')
    expect(addresses.every((address) => address.includes('/quic-v1/p2p/'))).toBe(true)
    await using other = await startHost()
    await expect(other.connect({ addresses: [addresses[0]!] })).resolves.toBe(host.peerId)
  })

  test('given no address to listen on, dials all the same', async () => {
    await using host = await startHost()
    await using dialler = await startHost({ listen: [] })
    expect(dialler.addresses.value).toEqual([])
    await expect(dialler.connect({ addresses: host.addresses.value })).resolves.toBe(host.peerId)
  })
})

describe.each([
  ['QUIC', listenOn.quic],
  ['TCP', listenOn.tcp],
  ['both', listenOn.both],
  ['memory', ['/memory/server']],
])('over %s', (name, listen) => {
  test('given two hosts of one network, a link opens, carries messages both ways in order, and ends with its reason', async () => {
    await using server = await startHost({ listen })
    await using client = await startHost({ listen: name === 'memory' ? ['/memory/client'] : listen })
    echo(server, protocol())
    const link = await client.open({ addresses: server.addresses.value }, protocol(), {
      payload: { my: 'name' },
    })
    expect(link).toMatchObject({
      peer: server.peerId,
      direction: 'outbound',
      acceptPayload: { echoes: { my: 'name' } },
    })
    for (let i = 0; i < 20; i++) await link.send({ i })
    for (let i = 0; i < 20; i++) {
      expect(await link.recvMessage(z.object({ i: z.number() }), { timeoutMs: 5000 })).toEqual({ i })
    }
    await link.close(closeReason(CloseReasons.Success, 'that was all'))
    expect(await link.closed).toMatchObject({ code: 200, message: 'that was all' })
    expect([...client.connections.value]).toEqual([server.peerId])
    expect([...server.connections.value]).toEqual([client.peerId])
  })

  test('given a connection, its round trip is known and it says why it ends', async () => {
    const where = name === 'memory' ? ['/memory/rtt-server'] : listen
    await using server = await startHost({ listen: where })
    await using client = await startHost({ listen: name === 'memory' ? ['/memory/rtt-client'] : listen })
    echo(server, protocol())
    const link = await client.open({ addresses: server.addresses.value }, protocol())
    await eventually(() => client.rttMs(server.peerId) !== undefined)
    expect(client.rttMs(server.peerId)).toBeGreaterThan(0)
    await server.disconnect(client.peerId, closeReason(CloseReasons.GracefulShutdown, 'closing time'))
    expect((await within(2000, link.closed)).code).toBe(CloseReasons.UnexpectedClose.code)
    await eventually(() => peerCount(client) === 0 && peerCount(server) === 0)
    expect(
      client.metrics.value('mosaik_links_closed_total', {
        protocol: '/mosaik/hello/1.0',
        reason: 'GracefulShutdown',
      }),
    ).toBe(1)
  })
})

describe('reaching a peer', () => {
  test('given a dead QUIC address before a live TCP one, gets there within three seconds', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    await once(silent, 'listening')
    await using server = await startHost({ listen: listenOn.tcp })
    await using client = await startHost()
    const dead = `/ip4/127.0.0.1/udp/${silent.address().port}/quic-v1`
    await within(3000, client.connect({ peer: server.peerId, addresses: [...server.addresses.value, dead] }))
    expect(client.metrics.value('mosaik_dials_total', { transport: 'quic', result: 'failed' })).toBe(1)
    expect(client.metrics.value('mosaik_dials_total', { transport: 'tcp', result: 'ok' })).toBe(1)
    silent.close()
  })

  test('given only addresses that do not work, fails with every one of them and what was wrong with it', async () => {
    await using client = await startHost({ limits: { quicDialTimeoutMs: 100 } })
    const addresses = ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/udp/1/quic-v1']
    await expect(client.connect({ addresses })).rejects.toMatchObject({
      code: 'DIAL_FAILED',
      message: expect.stringMatching(/udp\/1\/quic-v1: [^\n]*100 ms[^]*tcp\/1: .*ECONNREFUSED/),
      details: {
        attempts: [
          { address: addresses[1], error: expect.any(String) },
          { address: addresses[0], error: expect.stringContaining('ECONNREFUSED') },
        ],
      },
    })
  })

  test('given a peer that nobody has said anything about, fails at once', async () => {
    await using client = await startHost()
    await expect(client.connect({ peer: Identity.random().peerId })).rejects.toMatchObject({
      code: 'DIAL_FAILED',
      message: 'no address is known',
    })
  })

  test.each([listenOn.quic, listenOn.tcp])(
    'given an address where another peer lives now (%s), fails and says so',
    async (address) => {
      await using server = await startHost({ listen: [address] })
      await using client = await startHost()
      await expect(
        client.connect({
          peer: Identity.random().peerId,
          addresses: server.addresses.value.map((text) => text.replace(/\/p2p\/.*/, '')),
        }),
      ).rejects.toMatchObject({ code: 'DIAL_FAILED' })
      expect(peerCount(client)).toBe(0)
      await eventually(() => peerCount(server) === 0)
    },
  )

  test('given the address book, finds a peer by its id alone, and given its own id, refuses', async () => {
    await using server = await startHost()
    await using client = await startHost()
    client.learn(server.peerId, ['nonsense', ...server.addresses.value])
    await expect(client.connect({ peer: server.peerId })).resolves.toBe(server.peerId)
    await expect(
      client.connect({ peer: client.peerId, addresses: client.addresses.value }),
    ).rejects.toMatchObject({ code: 'DIAL_FAILED' })
    await expect(
      client.connect({ addresses: client.addresses.value.map((text) => text.replace(/\/p2p\/.*/, '')) }),
    ).rejects.toMatchObject({ code: 'DIAL_FAILED' })
  })

  test('given many who want the same peer at the same time, connects once', async () => {
    await using server = await startHost()
    await using client = await startHost()
    echo(server, protocol())
    const target = { addresses: server.addresses.value.map((text) => text.replace(/\/p2p\/.*/, '')) }
    await Promise.all(Array.from({ length: 10 }, () => client.open(target, protocol())))
    await client.connect(target)
    await client.connect({ peer: server.peerId })
    expect(client.metrics.value('mosaik_connections', { state: 'admitted' })).toBe(1)
    expect(client.metrics.value('mosaik_links_open', { protocol: protocol().id })).toBe(10)
  })

  test('given two peers that dial each other at the same time, both know one peer, and one connection stays', async () => {
    // Long enough for the links to be over, also on a slow machine: a connection that is used then stays.
    const limits = { surplusGraceMs: 1_500 }
    await using a = await startHost({ limits })
    await using b = await startHost({ limits })
    for (const host of [a, b]) echo(host, protocol())
    const [linkA, linkB] = await Promise.all([
      a.open({ addresses: b.addresses.value }, protocol()),
      b.open({ addresses: a.addresses.value }, protocol()),
    ])
    expect([...a.connections.value]).toEqual([b.peerId])
    await Promise.all([linkA.close(CloseReasons.Success), linkB.close(CloseReasons.Success)])
    await eventually(() => {
      for (const host of [a, b])
        expect(host.metrics.value('mosaik_connections', { state: 'admitted' })).toBe(1)
    })
    await expect(a.open({ peer: b.peerId }, protocol())).resolves.toMatchObject({ peer: b.peerId })
    await expect(b.open({ peer: a.peerId }, protocol())).resolves.toMatchObject({ peer: a.peerId })
  })

  test('N-16: given a signal that aborts meanwhile, gives up at once with its reason', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    await once(silent, 'listening')
    await using client = await startHost()
    const giveUp = new AbortController()
    const connecting = client.connect(
      { addresses: [`/ip4/127.0.0.1/udp/${silent.address().port}/quic-v1`] },
      { signal: giveUp.signal },
    )
    giveUp.abort(new Error('never mind'))
    await expect(within(500, connecting)).rejects.toThrow('never mind')
    silent.close()
  })

  test('N-5, N-16: given less time than it takes, fails with TIMEOUT', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    await once(silent, 'listening')
    await using client = await startHost()
    await expect(
      client.connect(
        { addresses: [`/ip4/127.0.0.1/udp/${silent.address().port}/quic-v1`] },
        { timeoutMs: 50 },
      ),
    ).rejects.toMatchObject({ code: 'TIMEOUT' })
    silent.close()
  })

  test('given a host name, looks it up', async () => {
    await using server = await startHost({ listen: listenOn.both })
    await using client = await startHost()
    const named = server.addresses.value.map((text) => text.replace('/ip4/127.0.0.1/', '/dns4/localhost/'))
    await expect(client.connect({ addresses: [named[0]!] })).resolves.toBe(server.peerId)
    await using second = await startHost()
    await expect(second.connect({ addresses: [named[1]!] })).resolves.toBe(server.peerId)
  })
})

describe('serving a protocol', () => {
  test('given a protocol that nobody serves, the opener is told so', async () => {
    await using server = await startHost()
    await using client = await startHost()
    await expect(client.open({ addresses: server.addresses.value }, protocol())).rejects.toMatchObject({
      code: 'LINK_CLOSED',
      by: 'remote',
      reason: { code: CloseReasons.InvalidAlpn.code },
    })
    expect(peerCount(client)).toBe(1)
  })

  test('given a handler that refuses, the opener has the reason', async () => {
    await using server = await startHost()
    await using client = await startHost()
    server.handle(protocol(), async (link) =>
      link.close(closeReason(CloseReasons.NotAllowed, `not you, ${link.openPayload as string}`)),
    )
    await expect(
      client.open({ addresses: server.addresses.value }, protocol(), { payload: 'Bob' }),
    ).rejects.toMatchObject({
      reason: { code: 10403, message: 'not you, Bob' },
    })
  })

  test('N-19: given a protocol with close reasons of its own, the other side has code, name and words', async () => {
    await using server = await startHost()
    await using client = await startHost()
    server.handle(protocol(), async (link, accept) => {
      await accept()
      await link.close({ code: 70_001, name: 'OutOfPaper', message: 'tray 2' })
    })
    const link = await client.open({ addresses: server.addresses.value }, protocol())
    expect(await within(2_000, link.closed)).toEqual({ code: 70_001, name: 'OutOfPaper', message: 'tray 2' })
    const closed = { protocol: protocol().id, reason: 'other' }
    expect(client.metrics.value('mosaik_links_closed_total', closed)).toBe(1)
  })

  test('N-16, N-20: given a link that is over, what is asked of it fails with the reason that ended it, and says whose it was', async () => {
    await using server = await startHost()
    await using client = await startHost()
    server.handle(protocol(), async (link, accept) => {
      await accept()
      await link.close(closeReason(CloseReasons.UnknownPeer, 'sync first'))
    })
    const link = await client.open({ addresses: server.addresses.value }, protocol())
    await within(2_000, link.closed)
    const over = { code: 'LINK_CLOSED', by: 'remote', reason: { code: 401, message: 'sync first' } }
    await expect(link.send('x')).rejects.toMatchObject(over)
    await expect(link.recv()).rejects.toMatchObject(over)
    await link.close(CloseReasons.Success)
    expect(await link.closed).toMatchObject({ code: 401 })
  })

  test.each([
    ['throws before it decides', async () => Promise.reject(new Error('oops'))],
    ['returns without deciding', async () => {}],
  ])('given a handler that %s, the link ends, and the host and other links live', async (_, handler) => {
    await using server = await startHost()
    await using client = await startHost()
    echo(server, protocol())
    server.handle(protocol('broken'), handler)
    const link = await client.open({ addresses: server.addresses.value }, protocol())
    await expect(client.open({ peer: server.peerId }, protocol('broken'))).rejects.toMatchObject({
      reason: { code: CloseReasons.UnexpectedClose.code },
    })
    await link.send('still here')
    await expect(link.recv({ timeoutMs: 2000 })).resolves.toMatchObject({ value: 'still here' })
  })

  test('given a handler that throws after it accepted, the link ends and it is counted', async () => {
    await using server = await startHost()
    await using client = await startHost()
    server.handle(protocol(), async (_, accept) => {
      await accept()
      throw new Error('oops')
    })
    const link = await client.open({ addresses: server.addresses.value }, protocol())
    expect((await within(2000, link.closed)).code).toBe(CloseReasons.UnexpectedClose.code)
    await eventually(
      () => server.metrics.value('mosaik_link_handler_failures_total', { protocol: protocol().id }) === 1,
    )
  })

  test('given a peer with as many links as it may have, the next one is refused, and one that ends makes room', async () => {
    const few = protocol('few', { maxInboundPerPeer: 3 })
    await using server = await startHost()
    await using client = await startHost()
    await using other = await startHost()
    echo(server, few)
    const target = { addresses: server.addresses.value }
    const links: Link[] = []
    for (let i = 0; i < 3; i++) links.push(await client.open(target, few))
    await expect(client.open(target, few)).rejects.toMatchObject({
      reason: { code: CloseReasons.TooManyRequests.code },
    })
    await expect(other.open(target, few)).resolves.toBeDefined()
    await links[0]!.close(CloseReasons.Success)
    await eventually(async () => {
      await client.open(target, few)
    })
    expect(
      server.metrics.value('mosaik_links_refused_total', { protocol: few.id, reason: 'limit' }),
    ).toBeGreaterThanOrEqual(1)
  })

  test('given a protocol that has a handler, refuses a second one, until the first is gone', async () => {
    await using server = await startHost()
    const stop = echo(server, protocol())
    expect(() => echo(server, protocol())).toThrow(expect.objectContaining({ code: 'PROTOCOL_TAKEN' }))
    stop()
    await eventually(() => {
      echo(server, protocol())
    })
  })

  test('N-8: given hundreds of links over one connection, all of them work', async () => {
    const many = protocol('many', { maxInboundPerPeer: 400 })
    await using server = await startHost()
    await using client = await startHost()
    echo(server, many)
    const links = await Promise.all(
      Array.from({ length: 400 }, () => client.open({ addresses: server.addresses.value }, many)),
    )
    await Promise.all(links.map((link, i) => link.send(i)))
    expect(
      await Promise.all(
        links
          .map(async (link) => (await link.recv()) as { value: unknown })
          .map(async (frame) => (await frame).value),
      ),
    ).toEqual(links.map((_, i) => i))
    expect(client.metrics.value('mosaik_connections', { state: 'admitted' })).toBe(1)
  })
})
