import { describe, expect, test } from '@jest/globals'
import { CloseReasons, Identity, linkPair, type Link } from '#framework/network'
import { ManualClock, encode, isMosaikError, seededRandom } from '#framework/primitives'
import { HELLO, askForSignsOfLife, giveSignsOfLife } from '../../framework/network/hello.js'
import { eventually, within } from '../support/eventually.js'
import { echo, listenOn, network, peerCount, protocol, startHost } from './hosts.js'
import { MESSAGE, Received, frame, startStranger } from './stranger.js'

function exchange() {
  const clock = new ManualClock()
  const peer = Identity.fromSeed(seededRandom('exchange').bytes(32)).peerId
  const [asking, answering] = linkPair({ protocol: HELLO, peerA: peer, peerB: peer })
  const measured = { asking: [] as number[], answering: [] as number[] }
  const random = seededRandom('ids')
  return {
    clock,
    asking,
    answering,
    measured,
    ask: () =>
      askForSignsOfLife(asking, {
        clock,
        random,
        intervalMs: 15_000,
        timeoutMs: 5_000,
        onRoundTrip: (ms) => measured.asking.push(ms),
      }),
    answer: () =>
      giveSignsOfLife(answering, {
        clock,
        random,
        silenceMs: 5_000,
        onRoundTrip: (ms) => measured.answering.push(ms),
      }),
  }
}

/** The next message of a link, as it is. */
async function next(link: Link): Promise<Record<string, unknown>> {
  const received = await link.recv()
  if (received.kind !== 'message') throw new Error('expected a message')
  return received.value as Record<string, unknown>
}

/** What becomes of an exchange that runs until its link ends. */
async function over(running: Promise<never>): Promise<unknown> {
  return await running.catch((error: unknown) => error)
}

describe('signs of life', () => {
  test('given a question and its answer, then the one who asks has measured the time between them', async () => {
    const { clock, ask, answering, measured, asking } = exchange()
    const asked = over(ask())
    const { id } = await next(answering)
    clock.advance(40)
    await answering.send({ type: 'pong', id, back: 7 })
    expect(await next(answering)).toEqual({ type: 'seen', id: 7 })
    expect(measured.asking).toEqual([40])
    await asking.close({ code: 200, name: 'Success', message: '' })
    expect(isMosaikError(await asked, 'LINK_CLOSED')).toBe(true)
  })

  test('given an answer and the word that it has arrived, then the one who answers has measured the time between them', async () => {
    const { clock, answer, asking, measured } = exchange()
    const answered = over(answer())
    await asking.send({ type: 'ping', id: 1 })
    const { id, back } = await next(asking)
    expect(id).toBe(1)
    clock.advance(30)
    await asking.send({ type: 'seen', id: back })
    await eventually(() => measured.answering.length === 1)
    expect(measured.answering).toEqual([30])
    await asking.close({ code: 200, name: 'Success', message: '' })
    await answered
  })

  test('given a peer that says it has seen an answer that it cannot have seen yet, then it does not seem nearer: its guess counts for nothing', async () => {
    const { answer, asking, measured } = exchange()
    const answered = over(answer())
    await asking.send({ type: 'ping', id: 1 })
    for (let id = 0; id < 100; id++) await asking.send({ type: 'seen', id })
    const { back } = await next(asking)
    // The one guess is used up: the right word comes too late now.
    await asking.send({ type: 'seen', id: back })
    await asking.send({ type: 'ping', id: 2 })
    const second = await next(asking)
    await asking.send({ type: 'seen', id: second.back })
    await asking.send({ type: 'ping', id: 3 })
    await next(asking)
    expect(measured.answering).toHaveLength(1)
    await asking.close({ code: 200, name: 'Success', message: '' })
    await answered
  })

  test('given a peer that answers before it is asked, then the link ends: questions cannot be guessed', async () => {
    const { ask, answering, measured } = exchange()
    for (let id = 0; id < 3; id++) await answering.send({ type: 'pong', id })
    const end = await over(ask())
    expect(end).toMatchObject({ code: 'LINK_CLOSED', reason: { code: 400 } })
    expect(measured.asking).toEqual([])
  })

  test('given a peer that does not measure, then it is answered and asked all the same', async () => {
    const { ask, answering, measured, asking } = exchange()
    const asked = over(ask())
    const { id } = await next(answering)
    await answering.send({ type: 'pong', id })
    await eventually(() => measured.asking.length === 1)
    await asking.close({ code: 200, name: 'Success', message: '' })
    await asked
  })
})

describe.each(['quic', 'tcp'] as const)('round trips over %s', (transport) => {
  test('given a connection, then both ends know the round trip, without a probe, and show it as metrics', async () => {
    await using server = await startHost({ listen: listenOn[transport] })
    await using client = await startHost({ listen: listenOn[transport] })
    await client.connect({ addresses: server.addresses.value })
    await eventually(() => {
      expect(client.rttMs(server.peerId)).toBeGreaterThan(0)
      expect(server.rttMs(client.peerId)).toBeGreaterThan(0)
    })
    expect(client.rtt.get(server.peerId)).toMatchObject({ smoothedMs: client.rttMs(server.peerId) })
    for (const host of [server, client]) {
      expect(host.metrics.value('mosaik_peer_rtt_estimates')).toBe(1)
      expect(host.metrics.value('mosaik_peer_rtt_seconds_count')).toBeGreaterThanOrEqual(1)
    }
  })
})

describe('who a round trip is of', () => {
  test('D-33: given an address at which another peer answers than was wanted, then no round trip is known of either', async () => {
    await using wanted = await startHost()
    await using there = await startHost()
    await using client = await startHost()
    const dialled = client.connect({
      peer: wanted.peerId,
      addresses: there.addresses.value.map((address) => address.replace(/\/p2p\/.*$/, '')),
    })
    await expect(within(5_000, dialled)).rejects.toMatchObject({ code: 'DIAL_FAILED' })
    expect(client.rtt.get(wanted.peerId)).toBeUndefined()
    expect(client.rtt.get(there.peerId)).toBeUndefined()
  })

  test('given a member that answers its own questions, then no round trip of it is known', async () => {
    await using host = await startHost()
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    const hello = await stranger.sayHello(connection, network)
    await eventually(() => peerCount(host) === 1)
    const received = new Received(hello)
    hello.send(frame(MESSAGE, encode({ type: 'ping', id: 0 })))
    for (let id = 0; id < 8; id++) hello.send(frame(MESSAGE, encode({ type: 'seen', id })))
    hello.send(frame(MESSAGE, encode({ type: 'ping', id: 1 })))
    await eventually(() => received.kinds.length === 2)
    expect(host.rtt.size).toBe(0)
  })

  test('given two connections between two peers, then only round trips over the one that is used count', async () => {
    const limits = { surplusGraceMs: 60_000, signsOfLifeQuic: { intervalMs: 20, timeoutMs: 5_000 } }
    await using one = await startHost({ limits })
    await using two = await startHost({ limits })
    await Promise.all([
      one.connect({ addresses: two.addresses.value }),
      two.connect({ addresses: one.addresses.value }),
    ])
    for (const host of [one, two]) {
      await eventually(() => expect(host.metrics.value('mosaik_connections', { state: 'admitted' })).toBe(2))
    }
    const all = (): number => one.metrics.value('mosaik_peer_rtt_seconds_count') ?? 0
    const before = all()
    let counted = 0
    one.rtt.observe(() => counted++)
    await eventually(() => all() - before >= 20)
    expect(counted).toBeGreaterThan(0)
    expect(counted).toBeLessThan(all() - before - 4)
  })
})

describe('letting go of a peer', () => {
  test('given a link over the connection, then it stays; when the link has ended, then it is let go, and the peer is told that it is not needed', async () => {
    await using server = await startHost()
    await using client = await startHost()
    echo(server, protocol())
    const link = await client.open({ addresses: server.addresses.value }, protocol())
    expect(client.release(server.peerId)).toBe(false)
    await link.send('still here')
    expect(await link.recv()).toMatchObject({ value: 'still here' })
    await link.close(CloseReasons.Success)
    await eventually(() => client.release(server.peerId))
    await eventually(() => expect([peerCount(client), peerCount(server)]).toEqual([0, 0]))
    const goodbye = { protocol: '/mosaik/hello/1.0', reason: 'Pruned' }
    expect(server.metrics.value('mosaik_links_closed_total', goodbye)).toBe(1)
    expect(client.release(server.peerId)).toBe(false)
  })
})
