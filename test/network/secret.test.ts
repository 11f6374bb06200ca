import type { Connection, Stream } from '@libp2p/interface'
import { describe, expect, test } from '@jest/globals'
import { Discovery, seeds } from '#framework/discovery'
import {
  CloseReasons,
  Identity,
  NetworkKey,
  libp2pPeerId,
  type Host,
  type HostOptions,
} from '#framework/network'
import { bytesOf, encode, systemRandom } from '#framework/primitives'
import { syncProtocol } from '../../framework/discovery/sync/protocol.js'
import { GOSSIP_PROTOCOL } from '../../framework/network/gossip/gossip-protocol.js'
import { HELLO } from '../../framework/network/hello.js'
import { eventually } from '../support/eventually.js'
import { echo, listenOn, network, peerCount, protocol, rejections, startHost } from './hosts.js'
import {
  ACCEPT,
  CLOSE,
  MESSAGE,
  Received,
  frame,
  helloFrame,
  openFrame,
  startStranger,
  type Stranger,
} from './stranger.js'

const SECRET = 'only-the-two-of-us-know-4711'
const closed = (options: Partial<HostOptions> = {}): Promise<Host> =>
  startHost({ secret: SECRET, ...options })
const key = new NetworkKey(network, SECRET)

async function openHello(connection: Connection): Promise<[Stream, Received]> {
  const stream = await connection.newStream(HELLO.id, { signal: AbortSignal.timeout(5_000) })
  return [stream, new Received(stream)]
}

describe.each([
  ['QUIC', listenOn.quic],
  ['TCP', listenOn.tcp],
])('a closed network over %s', (_, listen) => {
  test('given the same secret, peers connect, open links and gossip, as in an open one', async () => {
    await using a = await closed({ listen })
    await using b = await closed({ listen, secret: new TextEncoder().encode(SECRET) })
    echo(b, protocol())
    const link = await a.open({ addresses: b.addresses.value }, protocol())
    await link.send('hello')
    expect(await link.recv({ timeoutMs: 2_000 })).toMatchObject({ value: 'hello' })
    const topics = [a, b].map((host) =>
      host.gossip('topic', { validate: () => 'accept', messageBytesMax: 100 }),
    )
    const heard: string[] = []
    topics[1]!.messages((data) => heard.push(Buffer.from(data).toString()))
    await topics[0]!.publish(Buffer.from('psst'))
    await eventually(() => heard.includes('psst'))
  })

  test.each<[string, Partial<HostOptions>]>([
    ['another secret', { secret: 'nobody-else-knows-this-0815' }],
    ['no secret', {}],
  ])('given a host with %s, neither side lets the other in, whoever dials', async (__, options) => {
    await using ours = await closed({ listen })
    await using theirs = await startHost({ listen, ...options })
    const refusal = { code: 'LINK_CLOSED', by: 'remote', reason: { code: 101 } }
    await expect(ours.connect({ addresses: theirs.addresses.value })).rejects.toMatchObject(refusal)
    await expect(theirs.connect({ addresses: ours.addresses.value })).rejects.toMatchObject(refusal)
    expect(rejections(ours, 'network')).toBe(2)
    expect(rejections(theirs, 'network')).toBe(2)
    expect(peerCount(ours) + peerCount(theirs)).toBe(0)
  })
})

test('given a secret that is too weak, a host does not start', async () => {
  await expect(startHost({ secret: 'short' })).rejects.toMatchObject({ code: 'SECRET_WEAK' })
})

test('given the name alone, the id that members use cannot be told; given the secret, all agree on it', async () => {
  await using a = await closed()
  await using b = await closed()
  expect(a.network).toBe(b.network)
  expect(a.network).not.toBe(network)
  expect(a.rendezvousSeed).toEqual(b.rendezvousSeed)
})

describe('a stranger to a closed network', () => {
  const PROTOCOLS = [
    syncProtocol.id,
    '/mosaik/streams/1.0',
    GOSSIP_PROTOCOL,
    protocol().id,
    '/ipfs/id/1.0.0',
    '/ipfs/ping/1.0.0',
    '/libp2p/circuit/relay/0.2.0/hop',
    '/libp2p/circuit/relay/0.2.0/stop',
    '/libp2p/dcutr',
    '/libp2p/autonat/1.0.0',
    '/libp2p/autonat/2/dial-request',
  ]

  test.concurrent(
    'N-6: that knows the name and speaks every protocol gets not one byte but code 101',
    async () => {
      // Time enough for all the openings, also on a busy machine.
      await using host = await closed({ limits: { admissionTimeoutMs: 3_000 } })
      await using friend = await closed()
      echo(host, protocol())
      const tags = ['tag-of-a-member']
      await using _ = await Discovery.start({ host, tags })
      await using discovery = await Discovery.start({
        host: friend,
        tags,
        bootstrap: [seeds(host.addresses.value)],
      })
      await discovery.when().peers(1).wait()

      await using stranger = await startStranger()
      const connection = await stranger.dial(host)
      const openings = await Promise.all(
        PROTOCOLS.map(async (id) => {
          try {
            const stream = await connection.newStream(id, { signal: AbortSignal.timeout(5_000) })
            const received = new Received(stream)
            stream.send(openFrame(network, { fingerprint: new Uint8Array(32) }))
            return received
          } catch {
            return undefined
          }
        }),
      )
      const [hello, answer] = await openHello(connection)
      hello.send(helloFrame(new NetworkKey(network), stranger.peerId, host.peerId))
      await eventually(() => connection.status === 'closed', { timeoutMs: 10_000 })

      // Sync, gossip and the test's protocol are spoken there, so that at least their streams were opened.
      expect(openings.filter((each) => each !== undefined).length).toBeGreaterThanOrEqual(3)
      expect(Buffer.concat(openings.map((each) => each?.bytes ?? Buffer.alloc(0)))).toHaveLength(0)
      expect(answer.kinds).toEqual([CLOSE])
      expect(answer.bodies).toEqual([{ code: 101, name: 'DifferentNetwork' }])
      expect(rejections(host, 'network')).toBe(1)
      expect([...host.connections.value]).toEqual([friend.peerId])
    },
  )

  test.concurrent(
    'that is dialled by a member learns neither the network, nor anything about the member but its key',
    async () => {
      await using host = await closed({ limits: { admissionTimeoutMs: 1_000 } })
      await using stranger = await startStranger(Identity.random(), { accepts: true })
      const address = await stranger.listen()
      const heard: Received[] = []
      await stranger.serve(HELLO.id, (stream) => heard.push(new Received(stream)))
      await expect(host.connect({ addresses: [address] })).rejects.toMatchObject({ code: 'TIMEOUT' })
      const [{ bytes, bodies }] = heard as [Received]
      expect(bodies[0]).toEqual({
        v: 1,
        network: bytesOf(key.greetingId(host.peerId, stranger.peerId)),
        payload: { nonce: expect.any(Uint8Array) },
      })
      for (const id of [network, host.network]) expect(bytes.includes(Buffer.from(bytesOf(id)))).toBe(false)
      expect(rejections(host, 'timeout')).toBe(1)
    },
  )

  test.concurrent(
    'echo: that answers with what it was asked for, and a proof out of thin air, is not believed',
    async () => {
      await using host = await closed()
      await using stranger = await startStranger(Identity.random(), { accepts: true })
      const address = await stranger.listen()
      let said: Received | undefined
      await stranger.serve(HELLO.id, (stream) => {
        const received = (said = new Received(stream))
        void eventually(() => received.kinds.length > 0).then(() => {
          const opened = received.bodies[0] as { network: Uint8Array; payload: { nonce: Uint8Array } }
          const payload = {
            nonce: opened.payload.nonce,
            proof: systemRandom.bytes(32),
            instance: 'x',
            observed: '/ip4/192.0.2.1/tcp/1',
          }
          stream.send(frame(ACCEPT, encode({ v: 1, network: opened.network, payload })))
        })
      })
      await expect(host.connect({ addresses: [address] })).rejects.toMatchObject({
        code: 'LINK_CLOSED',
        by: 'local',
        reason: { code: 101 },
      })
      expect(rejections(host, 'proof')).toBe(1)
      expect(peerCount(host)).toBe(0)
      // Its own proof was never said.
      await eventually(() => said!.kinds.length === 2)
      expect(said!.kinds[1]).toBe(CLOSE)
    },
  )

  test.concurrent('reflection: that sends back the opening it was dialled with gets in nowhere', async () => {
    await using host = await closed()
    await using stranger = await startStranger(Identity.random(), { accepts: true })
    const address = await stranger.listen()
    let opening: Received | undefined
    await stranger.serve(HELLO.id, (stream) => (opening = new Received(stream)))
    const dialling = host.connect({ addresses: [address] }, { timeoutMs: 1_000 }).catch(() => {})
    await eventually(() => opening !== undefined && opening.kinds.length > 0)
    const connection = await stranger.dial(host)
    const [stream, answer] = await openHello(connection)
    stream.send(opening!.bytes)
    await eventually(() => answer.kinds.length > 0)
    expect(answer.bodies).toEqual([{ code: 101, name: 'DifferentNetwork' }])
    await dialling
    expect(peerCount(host)).toBe(0)
  })

  test.concurrent(
    'replay: that repeats word for word what a member said on an earlier connection is not believed',
    async () => {
      await using host = await closed()
      // The same key pair on two machines: the one that was listened to, and the one that repeats.
      const identity = Identity.random()
      const recorded = await recordHello(identity, host)
      expect(peerCount(host)).toBe(1)
      await using stranger = await startStranger(identity)
      const connection = await stranger.dial(host)
      const [stream, answer] = await openHello(connection)
      stream.send(recorded[0]!)
      await eventually(() => answer.kinds.includes(ACCEPT))
      for (const said of recorded.slice(1)) stream.send(said)
      await eventually(() => answer.kinds.includes(CLOSE))
      expect(answer.kinds).toEqual([ACCEPT, CLOSE])
      expect(answer.bodies[1]).toEqual({ code: 101, name: 'DifferentNetwork' })
      await eventually(() => rejections(host, 'proof') === 1)
    },
  )

  /** Everything that an honest dialler says until it is admitted. */
  async function recordHello(identity: Identity, host: Host): Promise<Uint8Array[]> {
    const honest: Stranger = await startStranger(identity)
    const connection = await honest.dial(host)
    const sent: Uint8Array[] = []
    const open = connection.newStream.bind(connection)
    connection.newStream = async (...args) => {
      const stream = await open(...args)
      const send = stream.send.bind(stream)
      stream.send = (data) => {
        sent.push(data instanceof Uint8Array ? data : data.subarray())
        return send(data)
      }
      return stream
    }
    await honest.sayHello(connection, network, SECRET)
    await eventually(() => peerCount(host) === 1)
    setImmediate(() => void honest[Symbol.asyncDispose]())
    return sent
  }

  test.concurrent(
    'that opens like a member and never proves anything is not admitted, and none of its links is heard',
    async () => {
      // Time enough for all that comes before, also on a busy machine.
      await using host = await closed({ limits: { admissionTimeoutMs: 3_000 } })
      let calls = 0
      host.handle(protocol(), async () => void calls++)
      await using stranger = await startStranger()
      const connection = await stranger.dial(host)
      const [stream, answer] = await openHello(connection)
      // Nobody without the secret gets as far as this. Even so, an opening alone is worth nothing.
      stream.send(helloFrame(key, stranger.peerId, host.peerId))
      await eventually(() => answer.kinds.length > 0)
      expect(answer.kinds[0]).toBe(ACCEPT)
      const impatient = await connection.newStream(protocol().id)
      const received = new Received(impatient)
      impatient.send(openFrame(host.network))
      expect(peerCount(host)).toBe(0)
      await eventually(() => connection.status === 'closed', { timeoutMs: 10_000 })
      expect(peerCount(host)).toBe(0)
      expect(received.bytes).toHaveLength(0)
      expect(calls).toBe(0)
      expect(rejections(host, 'timeout')).toBe(1)
    },
  )

  test.concurrent.each([
    ['a proof of chance', () => systemRandom.bytes(32)],
    ['the proof that it was given', (theirs: Uint8Array) => theirs],
  ])('that opens like a member and says %s is told 101 and not admitted', async (_, proofFrom) => {
    await using host = await closed()
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    const [stream, answer] = await openHello(connection)
    stream.send(helloFrame(key, stranger.peerId, host.peerId))
    await eventually(() => answer.kinds.length > 0)
    const { payload } = answer.bodies[0] as { payload: { proof: Uint8Array } }
    stream.send(frame(MESSAGE, encode({ type: 'proof', proof: proofFrom(payload.proof), instance: 'x' })))
    await eventually(() => answer.kinds.includes(CLOSE))
    expect(answer.bodies.at(-1)).toEqual({
      code: CloseReasons.DifferentNetwork.code,
      name: 'DifferentNetwork',
    })
    await eventually(() => rejections(host, 'proof') === 1)
    expect(peerCount(host)).toBe(0)
  })

  test.concurrent(
    'that opens without the number of a greeting, or confirms with something else, breaks the protocol',
    async () => {
      await using host = await closed()
      await using stranger = await startStranger()
      const connection = await stranger.dial(host)
      const [stream, answer] = await openHello(connection)
      stream.send(openFrame(key.greetingId(stranger.peerId, host.peerId), { nonce: 'x' }))
      await eventually(() => answer.kinds.length > 0)
      expect(answer.bodies).toEqual([expect.objectContaining({ code: 400 })])

      const second = await stranger.dial(host)
      const [other, reply] = await openHello(second)
      other.send(helloFrame(key, stranger.peerId, host.peerId))
      await eventually(() => reply.kinds.length > 0)
      other.send(frame(MESSAGE, encode({ type: 'ping', id: 0 })))
      await eventually(() => reply.kinds.includes(CLOSE))
      expect(reply.bodies.at(-1)).toMatchObject({ code: 400 })
      await eventually(() => rejections(host, 'protocol') === 2)
    },
  )
})

test('given the same key pair in a closed and an open network of the same name, the two stay apart', async () => {
  const identity = Identity.random()
  await using inside = await closed({ identity })
  await using outside = await startHost({ identity })
  await using member = await closed()
  expect(inside.addresses.value[0]).toContain(libp2pPeerId(identity.peerId))
  await expect(member.connect({ addresses: outside.addresses.value })).rejects.toMatchObject({
    reason: { code: 101 },
  })
  await expect(member.connect({ addresses: inside.addresses.value })).resolves.toBe(identity.peerId)
})
