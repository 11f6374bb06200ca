import type { Connection, Stream } from '@libp2p/interface'
import { RPC } from '@libp2p/gossipsub/message'
import { describe, expect, test } from '@jest/globals'
import { systemRandom } from '#framework/primitives'
import type { GossipTopic, Host } from '#framework/network'
import { eventually } from '../support/eventually.js'
import { network, startHost } from './hosts.js'
import { startStranger, type Stranger } from './stranger.js'

const TOPIC = 'topic'
const NOTHING: RPC.ControlMessage = { ihave: [], iwant: [], graft: [], prune: [], idontwant: [] }

/** A call of gossipsub as it is on the wire: a varint of its length, then protobuf. */
function call(rpc: Partial<RPC>): Uint8Array {
  const body = RPC.encode({ subscriptions: [], messages: [], ...rpc })
  const length: number[] = []
  for (let rest = body.byteLength; ; rest >>>= 7) {
    length.push(rest < 128 ? rest : (rest & 127) | 128)
    if (rest < 128) break
  }
  return Buffer.concat([Uint8Array.from(length), body])
}

/** What a host calls a peer with, in order. */
class Calls {
  readonly all: RPC[] = []
  byteCount = 0
  #rest = Buffer.alloc(0)

  hear(stream: Stream): void {
    this.#rest = Buffer.alloc(0)
    stream.addEventListener('message', ({ data }) => {
      this.byteCount += data.byteLength
      this.#rest = Buffer.concat([this.#rest, data.subarray()])
      this.#read()
    })
  }

  #read(): void {
    for (;;) {
      let at = 0
      let length = 0
      do {
        if (at >= this.#rest.length) return
        length |= (this.#rest[at]! & 127) << (7 * at)
      } while (this.#rest[at++]! >= 128)
      if (this.#rest.length < at + length) return
      this.all.push(RPC.decode(this.#rest.subarray(at, at + length)))
      this.#rest = this.#rest.subarray(at + length)
    }
  }
}

interface Cast extends AsyncDisposable {
  readonly host: Host
  readonly topic: GossipTopic
  readonly heard: string[]
  readonly connection: Connection
  readonly calls: Calls
  /** The hostile member's stream to the host. */
  readonly stream: Stream
  /** What it says while it floods must not keep the other two from talking. */
  talk(text: string): Promise<void>
}

/** A host, a friend that gossips with it, and a member that is up to no good. */
async function cast(): Promise<Cast> {
  await using stack = new AsyncDisposableStack()
  const host = stack.use(await startHost())
  const friend = stack.use(await startHost())
  const hostile: Stranger = stack.use(await startStranger())
  const heard: string[] = []
  const [topic, theirs] = [host, friend].map((each) =>
    each.gossip(TOPIC, { validate: () => 'accept', messageBytesMax: 200 * 1024 }),
  ) as [GossipTopic, GossipTopic]
  theirs.messages((data) => heard.push(Buffer.from(data.subarray(0, 100)).toString()))
  await friend.connect({ addresses: host.addresses.value })
  await eventually(() => topic.neighbours.value.has(friend.peerId))
  const calls = new Calls()
  await hostile.serve('/meshsub/1.2.0', (stream) => calls.hear(stream))
  const connection = await hostile.dial(host)
  await hostile.sayHello(connection, network)
  const stream = await connection.newStream('/meshsub/1.2.0')
  await eventually(() => calls.all.length > 0)
  // From here on it is the test that closes them.
  const all = stack.move()
  return {
    host,
    topic,
    heard,
    connection,
    calls,
    stream,
    talk: async (text) => {
      await topic.publish(Buffer.from(text))
      await eventually(() => heard.includes(text), { timeoutMs: 2_000 })
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function distrusted(host: Host, loses: string): number {
  return host.metrics.value('mosaik_gossip_distrusted_peers', { loses }) ?? 0
}

const ids = (count: number): Uint8Array[] => Array.from({ length: count }, () => systemRandom.bytes(32))

describe('a member that floods gossip', () => {
  test('with offers that it does not keep: it is asked for a bounded number of them, and then trusted no more', async () => {
    await using a = await cast()
    a.stream.send(call({ subscriptions: [{ topic: TOPIC, subscribe: true }] }))
    for (let i = 0; i < 100; i++) {
      a.stream.send(call({ control: { ...NOTHING, ihave: [{ topicID: TOPIC, messageIDs: ids(200) }] } }))
    }
    await a.talk('during the flood')
    await eventually(() => a.calls.all.some(({ control }) => (control?.iwant.length ?? 0) > 0))
    const asked = a.calls.all
      .flatMap(({ control }) => control?.iwant ?? [])
      .flatMap((each) => each.messageIDs)
    expect(asked.length).toBeLessThanOrEqual(10 * 200)
    await eventually(() => distrusted(a.host, 'everything') === 1, { timeoutMs: 12_000 })
    await a.talk('after it')
  })

  test('with requests: it gets a message a few times and no more', async () => {
    await using a = await cast()
    const big = Buffer.alloc(100 * 1024, 7)
    await a.topic.publish(big)
    // Becoming a neighbour, it is offered what was said just before.
    a.stream.send(call({ subscriptions: [{ topic: TOPIC, subscribe: true }] }))
    const offers = (): Uint8Array[] =>
      a.calls.all.flatMap(({ control }) => control?.ihave ?? []).flatMap((each) => each.messageIDs)
    await eventually(() => offers().length > 0)
    for (let i = 0; i < 500; i++) {
      a.stream.send(call({ control: { ...NOTHING, iwant: [{ messageIDs: offers().slice(0, 1) }] } }))
    }
    await a.talk('during the flood')
    await eventually(() => a.calls.byteCount > big.length)
    await a.talk('and after')
    expect(a.calls.byteCount).toBeLessThan(5 * big.length)
  })

  test('with grafts against a backoff: it is not let into the mesh, and loses what it had', async () => {
    await using a = await cast()
    a.stream.send(call({ subscriptions: [{ topic: TOPIC, subscribe: true }] }))
    const graft = { ...NOTHING, graft: [{ topicID: TOPIC }] }
    const prune = { ...NOTHING, prune: [{ topicID: TOPIC, peers: [], backoff: 60 }] }
    a.stream.send(call({ control: prune }))
    for (let i = 0; i < 50; i++) a.stream.send(call({ control: graft }))
    await eventually(() => distrusted(a.host, 'everything') === 1)
    expect(a.topic.neighbours.value.size).toBe(1)
    await a.talk('never mind')
  })

  test('with subscriptions: a bounded number of topics is remembered, and none once it is gone', async () => {
    await using a = await cast()
    const topics = (): number => a.host.metrics.value('mosaik_gossip_topics_known') ?? 0
    for (let i = 0; i < 50; i++) {
      const subscriptions = Array.from({ length: 100 }, (_, n) => ({ topic: `t${i}.${n}`, subscribe: true }))
      a.stream.send(call({ subscriptions }))
    }
    await eventually(() => topics() > 50)
    await a.talk('during the flood')
    expect(topics()).toBeLessThanOrEqual(1 + 70)
    a.connection.abort(new Error('enough'))
    await eventually(() => topics() === 1)
  })

  test('with more in one call than there is to say: the call is not even looked at', async () => {
    await using a = await cast()
    const many = Array.from({ length: 1_000 }, (_, n) => ({ topic: `t${n}`, subscribe: true }))
    a.stream.send(call({ subscriptions: many }))
    a.stream.send(call({ subscriptions: [{ topic: 'one more', subscribe: true }] }))
    await eventually(() => (a.host.metrics.value('mosaik_gossip_topics_known') ?? 0) >= 2)
    expect(a.host.metrics.value('mosaik_gossip_topics_known')).toBe(2)
  })

  test('with a call longer than any may be: its stream is given up before that is buffered, which is counted', async () => {
    await using a = await cast()
    const before = process.memoryUsage().arrayBuffers
    // A length of 200 MiB, and the beginning of it.
    a.stream.send(Buffer.concat([Buffer.from([0x80, 0x80, 0x80, 0x64]), Buffer.alloc(64 * 1024)]))
    const lost = (): number =>
      a.host.metrics.value('mosaik_gossip_streams_lost_total', { cause: 'failed' }) ?? 0
    await eventually(() => lost() === 1)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
    await a.talk('as if nothing had been')
  })

  test('that does not read what it is sent: what waits for it is bounded, and others do not wait', async () => {
    await using a = await cast()
    a.stream.send(call({ subscriptions: [{ topic: TOPIC, subscribe: true }] }))
    await eventually(() => a.topic.neighbours.value.size === 2)
    for (const stream of a.connection.streams) {
      if (stream.protocol === '/meshsub/1.2.0' && stream.direction === 'inbound') stream.pause()
    }
    const overflows = (): number =>
      a.host.metrics.value('mosaik_gossip_streams_lost_total', { cause: 'overflow' }) ?? 0
    for (let i = 0; i < 100 && overflows() === 0; i++) {
      await a.topic.publish(Buffer.alloc(190 * 1024, i))
      await a.talk(`message ${i}`)
    }
    expect(overflows()).toBeGreaterThanOrEqual(1)
  })
})
