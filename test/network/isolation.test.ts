import { describe, expect, test } from '@jest/globals'
import { encode } from '#framework/primitives'
import { CloseReasons, NetworkKey, type Host } from '#framework/network'
import { eventually, within } from '../support/eventually.js'
import { echo, listenOn, network, otherNetwork, peerCount, protocol, rejections, startHost } from './hosts.js'
import { CLOSE, MESSAGE, OPEN, Received, frame, helloFrame, openFrame, startStranger } from './stranger.js'

const accept = (): 'accept' => 'accept'

function connectionCount(host: Host): number {
  const { metrics } = host
  return (
    metrics.value('mosaik_connections', { state: 'admitted' })! +
    metrics.value('mosaik_connections', { state: 'unadmitted' })!
  )
}

describe.each([
  ['QUIC', listenOn.quic],
  ['TCP', listenOn.tcp],
])('hosts of different networks over %s', (_, listen) => {
  test('N-6: given a dial, both are told DifferentNetwork, both count it, and nobody is connected', async () => {
    await using ours = await startHost({ listen })
    await using theirs = await startHost({ listen, network: otherNetwork })
    echo(theirs, protocol())
    const refusal = {
      code: 'LINK_CLOSED',
      by: 'remote',
      reason: { code: CloseReasons.DifferentNetwork.code },
    }
    await expect(ours.connect({ addresses: theirs.addresses.value })).rejects.toMatchObject(refusal)
    await eventually(() => connectionCount(ours) === 0 && connectionCount(theirs) === 0)
    await expect(ours.open({ addresses: theirs.addresses.value }, protocol())).rejects.toMatchObject(refusal)
    expect(rejections(ours, 'network')).toBe(2)
    expect(rejections(theirs, 'network')).toBe(2)
    expect(peerCount(ours) + peerCount(theirs)).toBe(0)
    await eventually(() => connectionCount(ours) === 0 && connectionCount(theirs) === 0)
  })

  test('given gossip on the same topic in both, no message passes', async () => {
    await using ours = await startHost({ listen })
    await using friend = await startHost({ listen })
    await using theirs = await startHost({ listen, network: otherNetwork })
    const topics = [ours, friend, theirs].map((host) =>
      host.gossip('topic', { validate: accept, messageBytesMax: 1024 }),
    )
    const heard: string[] = []
    topics.forEach((topic, i) => topic.messages((data) => heard.push(`${i} ${Buffer.from(data).toString()}`)))
    await expect(ours.connect({ addresses: theirs.addresses.value })).rejects.toMatchObject({
      code: 'LINK_CLOSED',
    })
    await expect(theirs.connect({ addresses: ours.addresses.value })).rejects.toMatchObject({
      code: 'LINK_CLOSED',
    })
    await ours.connect({ addresses: friend.addresses.value })
    await eventually(() => topics[0]!.neighbours.value.size === 1)
    expect(await topics[0]!.publish(Buffer.from('for friends'))).toEqual({ recipients: 1 })
    expect(await topics[2]!.publish(Buffer.from('for them'))).toEqual({ recipients: 0 })
    await eventually(() => heard.length > 0)
    expect(heard).toEqual(['1 for friends'])
  })

  test('N-12: given two networks in one process, each has its own peers and its own figures', async () => {
    await using a1 = await startHost({ listen })
    await using a2 = await startHost({ listen })
    await using b1 = await startHost({ listen, network: otherNetwork })
    await using b2 = await startHost({ listen, network: otherNetwork })
    await a1.connect({ addresses: a2.addresses.value })
    await b1.connect({ addresses: b2.addresses.value })
    expect([...a1.connections.value]).toEqual([a2.peerId])
    expect([...b1.connections.value]).toEqual([b2.peerId])
    expect(a1.metrics.render()).not.toBe(b1.metrics.render())
    expect(rejections(a1, 'network')).toBe(0)
  })
})

describe('a stranger', () => {
  // Time enough for what comes before, beside the other tests.
  const limits = { admissionTimeoutMs: 800 }

  test.concurrent('that says nothing is cut off when its time is over, and counted', async () => {
    await using host = await startHost({ limits })
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    expect(peerCount(host)).toBe(0)
    await eventually(() => host.metrics.value('mosaik_connections', { state: 'unadmitted' }) === 1)
    await eventually(() => connection.status === 'closed', { timeoutMs: 2000 })
    expect(rejections(host, 'timeout')).toBe(1)
    expect(connectionCount(host)).toBe(0)
  })

  test.concurrent('that goes without a word is counted too', async () => {
    await using host = await startHost()
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    await eventually(() => connectionCount(host) === 1)
    await connection.close()
    await eventually(() => rejections(host, 'lost') === 1)
    expect(connectionCount(host)).toBe(0)
  })

  test.concurrent('that opens the hello and then says nothing is cut off as well', async () => {
    await using host = await startHost({ limits })
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    await connection.newStream('/mosaik/hello/1.0')
    await eventually(() => connection.status === 'closed', { timeoutMs: 2500 })
    expect(rejections(host, 'timeout')).toBe(1)
  })

  test.concurrent('that sends its hello byte by byte, slower than it may, is cut off', async () => {
    await using host = await startHost({ limits })
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    const stream = await connection.newStream('/mosaik/hello/1.0')
    const bytes = helloFrame(new NetworkKey(network), stranger.peerId, host.peerId)
    let at = 0
    const drip = setInterval(() => {
      if (stream.status === 'open') stream.send(bytes.subarray(at, ++at))
    }, 20)
    await eventually(() => connection.status === 'closed', { timeoutMs: 2500 })
    clearInterval(drip)
    expect(peerCount(host)).toBe(0)
  })

  test.concurrent.each([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a message where the opening is due', frame(MESSAGE, encode({ type: 'ping', id: 0 }))],
    ['an opening that is no map', frame(OPEN, encode([1, 2]))],
    ['an opening without a network', frame(OPEN, encode({ v: 1 }))],
    ['another version', frame(OPEN, encode({ v: 2, network: new Uint8Array(32) }))],
  ])('that says %s is refused as not speaking the protocol', async (_, bytes) => {
    await using host = await startHost()
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    const stream = await connection.newStream('/mosaik/hello/1.0')
    const received = new Received(stream)
    stream.send(bytes)
    await eventually(() => received.kinds.includes(CLOSE))
    expect(received.kinds).toEqual([CLOSE])
    expect(rejections(host, 'protocol')).toBe(1)
    await stream.close()
    await eventually(() => connection.status === 'closed')
  })

  test.concurrent(
    'that was refused once does not get in with a second, proper hello on the same connection',
    async () => {
      await using host = await startHost()
      await using stranger = await startStranger()
      const connection = await stranger.dial(host)
      const stream = await connection.newStream('/mosaik/hello/1.0')
      stream.send(helloFrame(new NetworkKey(otherNetwork), stranger.peerId, host.peerId))
      await eventually(() => rejections(host, 'network') === 1)
      stream.abort(new Error('let me try again'))
      const again = helloFrame(new NetworkKey(network), stranger.peerId, host.peerId)
      await connection.newStream('/mosaik/hello/1.0').then(
        (second) => second.send(again),
        () => {},
      )
      await eventually(() => connection.status === 'closed')
      expect(peerCount(host)).toBe(0)
    },
  )

  test.concurrent(
    'N-6: that goes straight for a protocol learns nothing, and the handler never hears of it',
    async () => {
      await using host = await startHost({ limits: { admissionTimeoutMs: 5_000 } })
      let calls = 0
      host.handle(protocol(), async (link) => {
        calls++
        await link.close(CloseReasons.Success)
      })
      await using stranger = await startStranger()
      const connection = await stranger.dial(host)
      // The reset may overtake the answer to the negotiation, which then fails.
      const stream = await connection.newStream(protocol().id).catch(() => undefined)
      const received = stream === undefined ? undefined : new Received(stream)
      stream?.send(openFrame(network))
      await eventually(() => stream?.status !== 'open', { timeoutMs: 2000 })
      // Nothing of it is kept until the time for a hello is over.
      expect(connection.status).toBe('open')
      expect(received?.bytes ?? []).toHaveLength(0)
      expect(calls).toBe(0)
      expect(
        host.metrics.value('mosaik_links_refused_total', { protocol: protocol().id, reason: 'unadmitted' }),
      ).toBe(1)
    },
  )

  test.concurrent(
    'that goes straight for gossip gets no subscription and no message, and its own go nowhere',
    async () => {
      await using host = await startHost({ limits: { admissionTimeoutMs: 1000 } })
      await using friend = await startHost()
      const topic = host.gossip('topic', { validate: accept, messageBytesMax: 1024 })
      friend.gossip('topic', { validate: accept, messageBytesMax: 1024 })
      await friend.connect({ addresses: host.addresses.value })
      await eventually(() => topic.neighbours.value.size === 1)
      await using stranger = await startStranger()
      const connection = await stranger.dial(host)
      const stream = await connection.newStream('/meshsub/1.2.0')
      const received = new Received(stream)
      stream.send(Buffer.from([12, 10, 10, 8, 1, 18, 6, ...Buffer.from('topic!')]))
      await topic.publish(Buffer.from('secret'))
      await eventually(() => connection.status === 'closed', { timeoutMs: 2500 })
      expect(received.bytes).toHaveLength(0)
      expect([...topic.neighbours.value]).toEqual([friend.peerId])
    },
  )

  test('that comes in hundreds finds no place beyond the limit, while a peer still dials out', async () => {
    await using host = await startHost({ limits: { unadmittedMax: 3, admissionTimeoutMs: 5000 } })
    await using friend = await startHost()
    const strangers = await Promise.all(Array.from({ length: 8 }, () => startStranger()))
    const connections = await Promise.all(
      strangers.map((stranger) => stranger.dial(host).catch(() => undefined)),
    )
    await eventually(() => {
      expect(connections.filter((connection) => connection?.status === 'open').length).toBeLessThanOrEqual(3)
    })
    expect(host.metrics.value('mosaik_connections', { state: 'unadmitted' })).toBeLessThanOrEqual(3)
    expect(rejections(host, 'capacity')).toBeGreaterThanOrEqual(5)
    await expect(host.connect({ addresses: friend.addresses.value })).resolves.toBe(friend.peerId)
    await Promise.all(strangers.map((stranger) => stranger[Symbol.asyncDispose]()))
  })
})

describe('a peer that misbehaves after its hello', () => {
  test.concurrent('given garbage on a protocol, gets 400 there, and everybody else goes on', async () => {
    await using host = await startHost()
    await using friend = await startHost()
    echo(host, protocol())
    const link = await friend.open({ addresses: host.addresses.value }, protocol())
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    await stranger.sayHello(connection, network)
    await eventually(() => peerCount(host) === 2)
    const bad = await connection.newStream(protocol().id)
    const good = await connection.newStream(protocol().id)
    const [fromBad, fromGood] = [new Received(bad), new Received(good)]
    bad.send(openFrame(network))
    good.send(openFrame(network))
    await eventually(() => fromBad.kinds.length === 1 && fromGood.kinds.length === 1)
    bad.send(Buffer.from('\0\0\0\x05\x03\xc1\xc1\xc1\xc1', 'latin1'))
    await eventually(() => fromBad.kinds.includes(CLOSE))
    expect(fromBad.bytes.includes('ProtocolViolation')).toBe(true)
    good.send(frame(MESSAGE, encode('fine')))
    await eventually(() => fromGood.kinds.length === 2)
    await link.send('fine')
    expect(await link.recv({ timeoutMs: 2000 })).toMatchObject({ value: 'fine' })
    expect(connection.status).toBe('open')
    const closed = { protocol: protocol().id, reason: 'ProtocolViolation' }
    await eventually(() => host.metrics.value('mosaik_links_closed_total', closed) === 1)
  })

  test('N-4: given a frame announced as 4 GiB, is closed with FrameTooLarge before anything is buffered', async () => {
    await using host = await startHost()
    echo(host, protocol())
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    await stranger.sayHello(connection, network)
    const stream = await connection.newStream(protocol().id)
    const received = new Received(stream)
    stream.send(openFrame(network))
    await eventually(() => received.kinds.length === 1)
    const before = process.memoryUsage().arrayBuffers
    stream.send(Buffer.from([255, 255, 255, 255, MESSAGE, 0]))
    await eventually(() => received.kinds.includes(CLOSE))
    expect(received.bytes.includes('FrameTooLarge')).toBe(true)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
  })

  test.concurrent('given a second hello on the same connection, loses that stream only', async () => {
    await using host = await startHost()
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    await stranger.sayHello(connection, network)
    await eventually(() => peerCount(host) === 1)
    const second = connection
      .newStream('/mosaik/hello/1.0', { maxOutboundStreams: 9 })
      .then(async (stream) => {
        stream.send(helloFrame(new NetworkKey(otherNetwork), stranger.peerId, host.peerId))
        await eventually(() => stream.status !== 'open')
      })
    // It may be reset before it is even negotiated.
    await second.catch((error: unknown) => expect(error).toMatchObject({ name: 'StreamResetError' }))
    expect(connection.status).toBe('open')
    expect(peerCount(host)).toBe(1)
  })

  test.concurrent('given an answer to nothing on the hello link, loses its connection', async () => {
    await using host = await startHost()
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    const hello = await stranger.sayHello(connection, network)
    await eventually(() => peerCount(host) === 1)
    hello.send(frame(MESSAGE, encode({ type: 'pong', id: 3 })))
    await within(
      3000,
      eventually(() => connection.status === 'closed'),
    )
    expect(peerCount(host)).toBe(0)
  })
})
