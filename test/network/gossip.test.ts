import { describe, expect, test } from '@jest/globals'
import { digestOf, type PeerId } from '#framework/primitives'
import { Identity, type GossipTopic, type GossipVerdict, type Host } from '#framework/network'
import { eventually } from '../support/eventually.js'
import { listenOn, network, peerCount, startHost } from './hosts.js'
import { startStranger } from './stranger.js'

const accept = (): 'accept' => 'accept'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A member of the topic, and what it has heard. */
class Member {
  readonly topic: GossipTopic
  readonly heard: string[] = []
  readonly from: PeerId[] = []

  constructor(
    readonly host: Host,
    validate: (data: Uint8Array, from: PeerId) => GossipVerdict = accept,
  ) {
    this.topic = host.gossip('topic', { validate, messageBytesMax: 64 * 1024 })
    this.topic.messages((data, from) => {
      this.heard.push(Buffer.from(data).toString())
      this.from.push(from)
    })
  }

  get neighbours(): ReadonlySet<PeerId> {
    return this.topic.neighbours.value
  }

  isNextTo(...others: Member[]): boolean {
    return others.every(({ host }) => this.neighbours.has(host.peerId))
  }
}

describe.each([
  ['QUIC', listenOn.quic, 20],
  ['TCP', listenOn.tcp, 5],
])('gossip over %s', (_, listen, networkCount) => {
  test(`given a line of three peers, the first message after neighbours are known is always delivered (${networkCount} fresh networks)`, async () => {
    const one = async (i: number): Promise<void> => {
      const options = { network: digestOf(`line ${i}`), listen }
      await using a = await startHost(options)
      await using b = await startHost(options)
      await using c = await startHost(options)
      const [ma, mb, mc] = [new Member(a), new Member(b), new Member(c)] as const
      await Promise.all([
        a.connect({ addresses: b.addresses.value }),
        b.connect({ addresses: c.addresses.value }),
      ])
      await eventually(() => ma.isNextTo(mb) && mb.isNextTo(ma, mc) && mc.isNextTo(mb))
      expect(await ma.topic.publish(bytes('first'))).toEqual({ recipients: 1 })
      await eventually(() => mc.heard.length > 0)
      expect([ma.heard, mb.heard, mc.heard]).toEqual([[], ['first'], ['first']])
      expect([...mb.from, ...mc.from]).toEqual([a.peerId, b.peerId])
    }
    for (let i = 0; i < networkCount; i += 5) {
      await Promise.all([0, 1, 2, 3, 4].map((k) => one(i + k)))
    }
  })

  test('given five peers that all know each other, everybody hears every message once', async () => {
    const hosts = await Promise.all([0, 1, 2, 3, 4].map(() => startHost({ listen })))
    const members = hosts.map((host) => new Member(host))
    await Promise.all(
      hosts.flatMap((a, i) => hosts.slice(i + 1).map((b) => a.connect({ addresses: b.addresses.value }))),
    )
    await eventually(() => members.every((member) => member.neighbours.size === 4))
    const sent = members.flatMap((_, i) => Array.from({ length: 10 }, (__, n) => `${i}.${n}`))
    await Promise.all(sent.map((text) => members[Number(text[0])]!.topic.publish(bytes(text))))
    const expected = (i: number): string[] => sent.filter((text) => Number(text[0]) !== i)
    await eventually(() => members.every(({ heard }, i) => heard.length === expected(i).length))
    members.forEach(({ heard }, i) => expect(heard.toSorted()).toEqual(expected(i).toSorted()))
    await Promise.all(hosts.map((host) => host.close()))
  })
})

describe('gossip', () => {
  test('given nobody, publishes to no one, and says so', async () => {
    await using host = await startHost()
    const { topic } = new Member(host)
    expect(await topic.publish(bytes('echo?'))).toEqual({ recipients: 0 })
    expect(host.metrics.value('mosaik_gossip_published_total', { result: 'nobody' })).toBe(1)
  })

  test('given a peer that comes a moment later, it catches up on what was said just before', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const [ma, mb] = [new Member(a), new Member(b)]
    await ma.topic.publish(bytes('said to nobody'))
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => mb.heard.length > 0)
    expect(mb.heard).toEqual(['said to nobody'])
    expect(a.metrics.value('mosaik_gossip_catch_ups_total')).toBeGreaterThanOrEqual(1)
    expect(ma.heard).toEqual([])
  })

  test('given a peer that takes part later than it connects, it becomes a neighbour then', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const ma = new Member(a)
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => peerCount(b) === 1)
    expect(ma.neighbours.size).toBe(0)
    const mb = new Member(b)
    await eventually(() => ma.isNextTo(mb) && mb.isNextTo(ma))
  })

  test('given the same bytes again, sends them once', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const [ma, mb] = [new Member(a), new Member(b)]
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => ma.isNextTo(mb))
    expect(await ma.topic.publish(bytes('once'))).toEqual({ recipients: 1 })
    expect(await ma.topic.publish(bytes('once'))).toEqual({ recipients: 0 })
    await ma.topic.publish(bytes('end'))
    await eventually(() => mb.heard.includes('end'))
    expect(mb.heard.filter((text) => text === 'once')).toHaveLength(1)
  })

  test('given verdicts, only what is accepted is delivered and handed on, and each is counted', async () => {
    await using a = await startHost()
    await using b = await startHost()
    await using c = await startHost()
    const judge = (data: Uint8Array): GossipVerdict => {
      const text = Buffer.from(data).toString()
      if (text === 'throw') throw new Error('judge is out')
      return text === 'ignore' || text === 'reject' ? text : 'accept'
    }
    const [ma, mb, mc] = [new Member(a), new Member(b, judge), new Member(c)] as const
    await a.connect({ addresses: b.addresses.value })
    await b.connect({ addresses: c.addresses.value })
    await eventually(() => ma.isNextTo(mb) && mb.isNextTo(ma, mc))
    for (const text of ['ignore', 'reject', 'throw', 'fine']) await ma.topic.publish(bytes(text))
    await eventually(() => mc.heard.includes('fine'))
    expect([mb.heard, mc.heard]).toEqual([['fine'], ['fine']])
    const received = (result: string) => b.metrics.value('mosaik_gossip_received_total', { result })
    expect([received('accepted'), received('ignored'), received('rejected')]).toEqual([1, 2, 1])
  })

  test('given a peer that keeps handing on what is to be rejected, it is cut off', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const [ma, mb] = [new Member(a), new Member(b, () => 'reject')]
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => ma.isNextTo(mb) && mb.isNextTo(ma))
    for (let i = 0; i < 12; i++) await ma.topic.publish(bytes(`bad ${i}`))
    await eventually(() => mb.neighbours.size === 0)
    const judged = () => b.metrics.value('mosaik_gossip_received_total', { result: 'rejected' }) ?? 0
    expect(judged()).toBeGreaterThanOrEqual(9)
    expect(judged()).toBeLessThanOrEqual(12)
  })

  test('given a message that is too long, it is refused where it is published', async () => {
    await using host = await startHost()
    const { topic } = new Member(host)
    await expect(topic.publish(new Uint8Array(64 * 1024 + 1))).rejects.toMatchObject({
      code: 'GOSSIP_MESSAGE_TOO_LARGE',
      details: { messageBytes: 65537, messageBytesMax: 65536 },
    })
  })

  test('given a peer with a larger limit, its overlong message is not delivered and not held against it', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const big = a.gossip('topic', { validate: accept, messageBytesMax: 1024 * 1024 })
    const mb = new Member(b)
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => big.neighbours.value.size === 1)
    await big.publish(new Uint8Array(100 * 1024))
    await big.publish(bytes('small'))
    await eventually(() => mb.heard.length > 0)
    expect(mb.heard).toEqual(['small'])
    expect(b.metrics.value('mosaik_gossip_received_total', { result: 'too_large' })).toBe(1)
  })

  test('given a listener that throws, the others hear all the same', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const [ma, mb] = [new Member(a), new Member(b)]
    const heard: string[] = []
    mb.topic.messages(() => {
      throw new Error('deaf')
    })
    const stop = mb.topic.messages((data) => heard.push(Buffer.from(data).toString()))
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => ma.isNextTo(mb))
    await ma.topic.publish(bytes('one'))
    await eventually(() => heard.length === 1)
    stop()
    await ma.topic.publish(bytes('two'))
    await eventually(() => mb.heard.length === 2)
    expect(heard).toEqual(['one'])
  })

  test('given a topic that is left, its peers lose the neighbour, and it can be joined again', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const [ma, mb] = [new Member(a), new Member(b)]
    expect(() => new Member(a)).toThrow(expect.objectContaining({ code: 'GOSSIP_TOPIC_TAKEN' }))
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => ma.isNextTo(mb) && mb.isNextTo(ma))
    await ma.topic.close()
    await ma.topic.close()
    await eventually(() => mb.neighbours.size === 0)
    await expect(ma.topic.publish(bytes('x'))).rejects.toMatchObject({ code: 'GOSSIP_CLOSED' })
    const again = new Member(a)
    await mb.topic.publish(bytes('welcome back'))
    await eventually(() => again.heard.length > 0)
  })

  test('given two topics, they have nothing to do with each other', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const [ma, mb] = [new Member(a), new Member(b)]
    const other = a.gossip('other', { validate: accept, messageBytesMax: 100 })
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => ma.isNextTo(mb))
    expect(await other.publish(bytes('x'))).toEqual({ recipients: 0 })
    expect(other.neighbours.value.size).toBe(0)
  })

  test('given a peer that goes and one that comes back, neighbours follow', async () => {
    await using a = await startHost()
    const identity = Identity.random()
    const b = await startHost({ identity })
    const [ma, mb] = [new Member(a), new Member(b)]
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => ma.isNextTo(mb))
    await b.close()
    await eventually(() => ma.neighbours.size === 0)
    await using again = await startHost({ identity })
    const mc = new Member(again)
    await a.connect({ addresses: again.addresses.value })
    await eventually(() => ma.isNextTo(mc) && mc.isNextTo(ma))
    await ma.topic.publish(bytes('hello again'))
    await eventually(() => mc.heard.length === 1)
  })

  test('given an admitted peer that says something malformed and does not react to losing gossip, starts anew with it', async () => {
    await using host = await startHost()
    const { neighbours } = new Member(host)
    await using stranger = await startStranger()
    const streams = await stranger.collect('/meshsub/1.2.0')
    const connection = await stranger.dial(host)
    await stranger.sayHello(connection, network)
    await eventually(() => streams.length === 1)
    const stream = await connection.newStream('/meshsub/1.2.0')
    stream.send(new Uint8Array([0xff, 0xff, 0xff, 0x7f, 0]))
    await eventually(() => streams.length === 2)
    expect(neighbours.size).toBe(0)
  })

  test('given an admitted peer that sends no gossip but garbage, others do not notice', async () => {
    await using a = await startHost()
    await using b = await startHost()
    const [ma, mb] = [new Member(a), new Member(b)]
    await a.connect({ addresses: b.addresses.value })
    await eventually(() => ma.isNextTo(mb) && mb.isNextTo(ma))
    await using stranger = await startStranger()
    const connection = await stranger.dial(a)
    await stranger.sayHello(connection, network)
    await eventually(() => peerCount(a) === 2)
    for (const garbage of [
      Buffer.alloc(1000, 0xff),
      Buffer.from([5, 1, 2, 3, 4, 5]),
      Buffer.from([0x80, 0x80, 0x80, 0x10]),
    ]) {
      const stream = await connection.newStream('/meshsub/1.2.0', { maxOutboundStreams: 10 })
      stream.send(garbage)
    }
    for (const text of ['one', 'two']) {
      await ma.topic.publish(bytes(text))
      await mb.topic.publish(bytes(`${text} back`))
    }
    await eventually(() => mb.heard.length === 2 && ma.heard.length === 2)
  })
})
