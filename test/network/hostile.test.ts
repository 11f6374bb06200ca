import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { once } from 'node:events'
import type { Connection, Stream } from '@libp2p/interface'
import { describe, expect, test } from '@jest/globals'
import { encode, systemRandom } from '#framework/primitives'
import { Discovery } from '#framework/discovery'
import { CloseReasons, type Host, type HostOptions, type Link } from '#framework/network'
import { syncProtocol } from '../../framework/discovery/sync/protocol.js'
import { GOSSIP_PROTOCOL } from '../../framework/network/gossip/gossip-protocol.js'
import { HELLO } from '../../framework/network/hello.js'
import { eventually, within } from '../support/eventually.js'
import { Child } from './child.js'
import { echo, listenOn, network, peerCount, protocol, rejections, startHost } from './hosts.js'
import { CLOSE, MESSAGE, Received, frame, openFrame, startStranger, type Stranger } from './stranger.js'

/** How long an honest peer may wait for an answer while somebody floods. */
const ANSWER_MS = 1_000

function connections(host: Host, state: 'admitted' | 'unadmitted'): number {
  return host.metrics.value('mosaik_connections', { state })!
}

/** Two honest hosts with a link between them. */
class Honest implements AsyncDisposable {
  private constructor(
    readonly host: Host,
    readonly friend: Host,
    readonly link: Link,
  ) {}

  static async start(options: Partial<HostOptions> = {}): Promise<Honest> {
    const host = await startHost(options)
    const friend = await startHost()
    try {
      echo(host, protocol())
      return new Honest(host, friend, await friend.open({ addresses: host.addresses.value }, protocol()))
    } catch (error) {
      await Promise.all([host.close(), friend.close()])
      throw error
    }
  }

  /** One question and its answer, in time. */
  async talk(): Promise<void> {
    const text = String(systemRandom.float())
    await this.link.send(text)
    expect(await within(ANSWER_MS, this.link.recv())).toMatchObject({ value: text })
  }

  /** Talks for as long as that takes. */
  async talkDuring(flood: Promise<unknown>): Promise<void> {
    let isOver = false
    const over = flood.finally(() => (isOver = true))
    do {
      await this.talk()
      // The flood comes from this process too, and needs its turn.
      await setTimeout(10)
    } while (!isOver)
    await over
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.host.close(), this.friend.close()])
  }
}

async function strangers(count: number): Promise<AsyncDisposableStack & { all: Stranger[] }> {
  const stack = new AsyncDisposableStack()
  const all = await Promise.all(Array.from({ length: count }, async () => stack.use(await startStranger())))
  return Object.assign(stack, { all })
}

const doorLimits = {
  perLoopback: { unadmittedMax: 4, connectionsMax: 64 },
  admissionTimeoutMs: 400,
  dialTimeoutMs: 1_500,
}

describe.each([
  ['QUIC', listenOn.quic, 12],
  ['TCP', listenOn.tcp, 4],
])('strangers over %s', (_, listen, rounds) => {
  test('connection flood: given connection after connection from one address that never say hello, a share of them gets in and is cut off, and nobody else notices', async () => {
    await using honest = await Honest.start({ listen, limits: doorLimits })
    await using hostile = await strangers(10)
    const { host } = honest
    let unadmittedMax = 0
    const flood = async (): Promise<void> => {
      for (let i = 0; i < rounds; i++) {
        await Promise.all(hostile.all.map((each) => each.dial(host).catch(() => {})))
        unadmittedMax = Math.max(unadmittedMax, connections(host, 'unadmitted'))
      }
    }
    await honest.talkDuring(flood())
    expect(unadmittedMax).toBeGreaterThan(1)
    expect(unadmittedMax).toBeLessThanOrEqual(4)
    expect(rejections(host, 'block')).toBeGreaterThan(rounds)
    await eventually(() => connections(host, 'unadmitted') === 0)
    expect(connections(host, 'admitted')).toBe(1)
    // Handshakes that never went on still take their places for a moment.
    await using late = await startHost()
    await eventually(async () => {
      await late.connect({ addresses: host.addresses.value })
    })
  })
})

describe('strangers', () => {
  test('slow loris: given 200 TCP connections that never begin a handshake, a share of them is kept for a moment, and honest peers get in', async () => {
    await using honest = await Honest.start({ listen: listenOn.tcp, limits: doorLimits })
    const { host } = honest
    const port = Number(/\/tcp\/(\d+)/.exec(host.addresses.value[0]!)?.[1])
    const sockets: Socket[] = []
    let closed = 0
    for (let i = 0; i < 200; i++) {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      socket.on('close', () => closed++)
      sockets.push(socket)
    }
    await honest.talkDuring(eventually(() => closed >= 150))
    expect(rejections(host, 'block')).toBeGreaterThanOrEqual(150)
    await eventually(() => closed === 200)
    await using late = await startHost()
    await expect(late.connect({ addresses: host.addresses.value })).resolves.toBe(host.peerId)
    for (const socket of sockets) socket.destroy()
  })

  test('slow loris: given a TLS handshake sent byte by byte, it is cut off in time', async () => {
    await using honest = await Honest.start({ listen: listenOn.tcp, limits: doorLimits })
    const port = Number(/\/tcp\/(\d+)/.exec(honest.host.addresses.value[0]!)?.[1])
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const drip = setInterval(() => socket.write('\x16'), 20)
    await within(3_000, closed)
    clearInterval(drip)
    await honest.talk()
  })

  test.each([
    ['QUIC', listenOn.quic],
    ['TCP', listenOn.tcp],
  ])(
    'stream flood over %s: given streams that are opened before a hello and never used, the connection is cut off long before its time',
    async (_, listen) => {
      await using honest = await Honest.start({ listen, limits: { admissionTimeoutMs: 10_000 } })
      await using stranger = await startStranger()
      const connection = await stranger.dial(honest.host)
      await openRaw(connection, 100)
      await honest.talkDuring(eventually(() => connection.status !== 'open', { timeoutMs: 4_000 }))
      expect(rejections(honest.host, 'streams')).toBe(1)
      await eventually(() => connections(honest.host, 'unadmitted') === 0)
    },
  )

  test('memory: given 300 silent connections, each with data on a stream that nobody asked for, a host keeps a bounded amount of it, takes no more for the next ones, and lets go of all', async () => {
    await using child = new Child('measured-server', ...listenOn.quic)
    const { addresses } = await child.line<{ addresses: string[] }>()
    type Figures = { rssMiB: number; unadmitted: number; admitted: number; refused: number }
    const figures = (): Promise<Figures> => {
      child.kill('SIGUSR2')
      return child.line<Figures>()
    }
    const before = await figures()
    await using hostile = await strangers(10)
    const blob = Buffer.alloc(256 * 1024, 1)
    const attack = async (stranger: Stranger): Promise<void> => {
      try {
        const connection = await stranger.dialTo(addresses[0]!)
        const stream = await connection.newStream('/tests/echo/1.0', { signal: AbortSignal.timeout(300) })
        stream.send(blob)
      } catch {
        // Refused, or cut off already.
      }
    }
    const flood = async (each: number): Promise<void> => {
      const attacks = async (stranger: Stranger): Promise<void> => {
        for (let i = 0; i < each; i++) await attack(stranger)
      }
      await Promise.all(hostile.all.map(attacks))
    }
    await flood(30)
    const first = await figures()
    expect(first.admitted).toBe(0)
    expect(first.unadmitted).toBeLessThanOrEqual(256)
    // Under a megabyte for each connection that was there at the same time, most of it QUIC's own buffers.
    expect(first.rssMiB - before.rssMiB).toBeLessThan(400)
    await eventually(async () => (await figures()).unadmitted === 0)
    await flood(8)
    // What the first flood took is used again.
    expect((await figures()).rssMiB - first.rssMiB).toBeLessThan(130)
    await eventually(async () => {
      expect(await figures()).toMatchObject({ unadmitted: 0, refused: 380 })
    })
  })
})

/** Opens streams of the transport on which no protocol is ever named: only how long a name would be. */
async function openRaw(connection: Connection, count: number): Promise<void> {
  const { muxer } = connection as unknown as { muxer: { createStream(): Promise<Stream> } }
  for (let i = 0; i < count; i++) {
    const stream = await muxer.createStream()
    stream.send(Uint8Array.of(19))
  }
}

describe('a member', () => {
  test.each([HELLO.id, syncProtocol.id, GOSSIP_PROTOCOL, '/mosaik/reach/probe/1.0', protocol().id])(
    'garbage: given noise on %s, everybody else goes on, and so does its connection or it is closed',
    async (id) => {
      await using honest = await Honest.start()
      await using _ = await Discovery.start({ host: honest.host })
      await using stranger = await startStranger()
      const connection = await stranger.dial(honest.host)
      await stranger.sayHello(connection, network)
      for (const noise of [
        systemRandom.bytes(5_000),
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
        Buffer.alloc(64),
      ]) {
        try {
          const stream = await connection.newStream(id, { maxOutboundStreams: 99 })
          stream.send(noise)
        } catch {
          // One that is not spoken here, or may not be opened again.
        }
        await honest.talk()
      }
      expect(honest.host.connections.value.has(honest.friend.peerId)).toBe(true)
    },
  )

  test('reset storm: given streams that are opened and reset as fast as possible, its connection is closed, which is counted, and others go on', async () => {
    await using honest = await Honest.start({ limits: { inboundStreams: { capacity: 200, perSecond: 50 } } })
    const { host } = honest
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    await stranger.sayHello(connection, network)
    const storm = async (): Promise<void> => {
      for (let i = 0; i < 2_000 && connection.status === 'open'; i++) {
        try {
          const stream = await connection.newStream(protocol().id, { maxOutboundStreams: 9_999 })
          stream.send(openFrame(network))
          stream.abort(new Error('storm'))
        } catch {
          // The connection ends in the middle of it.
        }
      }
    }
    await honest.talkDuring(storm())
    await eventually(() => connection.status !== 'open')
    const refused = { protocol: protocol().id, reason: 'rate' }
    expect(host.metrics.value('mosaik_links_refused_total', refused)).toBeGreaterThanOrEqual(1)
    const closed = { protocol: HELLO.id, reason: 'TooManyRequests' }
    await eventually(() => host.metrics.value('mosaik_links_closed_total', closed) === 1)
    await eventually(() => peerCount(host) === 1)
    await honest.talk()
  })

  test('ping flood: given signs of life without a pause, its connection is closed with 429', async () => {
    await using honest = await Honest.start()
    await using stranger = await startStranger()
    const connection = await stranger.dial(honest.host)
    const hello = await stranger.sayHello(connection, network)
    const received = new Received(hello)
    for (let id = 0; id < 1_000 && hello.status === 'open'; id++) {
      hello.send(frame(MESSAGE, encode({ type: 'ping', id })))
    }
    await honest.talkDuring(eventually(() => received.kinds.includes(CLOSE)))
    expect(received.bodies.at(-1)).toMatchObject({ code: CloseReasons.TooManyRequests.code })
    await eventually(() => connection.status !== 'open')
    expect(peerCount(honest.host)).toBe(1)
  })

  test('stream flood: given more links than a peer may have, the rest is refused with 429, and others have theirs', async () => {
    await using honest = await Honest.start({ limits: { linksPerPeerMax: 10 } })
    await using greedy = await startHost()
    const opened = await Promise.allSettled(
      Array.from({ length: 100 }, () => greedy.open({ addresses: honest.host.addresses.value }, protocol())),
    )
    expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    const refused = { protocol: protocol().id, reason: 'limit' }
    expect(honest.host.metrics.value('mosaik_links_refused_total', refused)).toBeGreaterThanOrEqual(1)
    await honest.talk()
    await greedy.close()
    await eventually(() => honest.host.metrics.value('mosaik_links_open', { protocol: protocol().id }) === 1)
  })
})
