// A consumer that wants only the best of its producers.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { nearest, prefer } from '#framework/discovery'
import type { PeerId } from '#framework/primitives'
import { stream, type Consumer, type ConsumerEvent, type Producer } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import {
  connectedTo,
  discoverAll,
  feed,
  peersOf,
  startNodes,
  statusWith,
  take,
  type TestNode,
} from './support.js'

const Data1 = stream('preference.data1', z.object({ from: z.string(), n: z.number() }))
type Data1 = z.output<typeof Data1.schema>

/** Moves to a better producer as soon as it is better at all. */
const eager = { marginMs: 0, marginPart: 0, holdMs: 0 }
const quick = { initialMs: 20, maxMs: 200 }

interface Scene extends AsyncDisposable {
  readonly node: TestNode
  /** At round trips of 10, 20, 30… ms from the consumer's node. */
  readonly others: readonly TestNode[]
  readonly producers: readonly Producer<Data1>[]
}

async function scene(count: number, options: { readonly serve?: boolean } = {}): Promise<Scene> {
  const nodes = await startNodes({}, ...Array.from({ length: count }, () => ({})))
  const [node, ...others] = nodes as unknown as [TestNode, ...TestNode[]]
  const producers = options.serve === false ? [] : others.map((other) => other.streams.produce(Data1))
  for (const [index, other] of others.entries()) measure(node, other, 10 * (index + 1))
  for (const other of others) await node.meet(other)
  return { node, others, producers, [Symbol.asyncDispose]: () => nodes[Symbol.asyncDispose]() }
}

/** Has a node believe in a round trip, whatever the machine's loopback is really like. */
function measure(node: TestNode, to: TestNode, ms: number): void {
  const { rtt } = node.host
  const known = believed.get(node) ?? new Map<PeerId, number>()
  if (!believed.has(node)) {
    believed.set(node, known)
    Object.defineProperty(rtt, 'ms', { value: (peer: PeerId) => known.get(peer) })
  }
  known.set(to.peerId, ms)
  // By another path each time, so that it is told as news.
  rtt.note(to.peerId, ms, `measured as ${ms} ms`)
}

const believed = new WeakMap<TestNode, Map<PeerId, number>>()

/** Collects what happens to a consumer, without what is not about who it is subscribed to. */
function failoversOf(consumer: Consumer<unknown>): ConsumerEvent[] {
  const seen: ConsumerEvent[] = []
  void (async () => {
    for await (const event of consumer.events()) if (event.type === 'failover') seen.push(event)
  })()
  return seen
}

test('nearest(1): given three producers, then only the nearest is subscribed to; when it vanishes, then the next nearest takes over at once and the stream goes on', async () => {
  await using it = await scene(3)
  const [first, second] = it.others as [TestNode, TestNode]
  const consumer = it.node.streams.consume(Data1, { prefer: nearest(1), backoff: { initialMs: 60_000 } })
  const failovers = failoversOf(consumer)
  await connectedTo(consumer, first)
  await it.producers[0]!.send({ from: 'first', n: 0 })
  expect(await within(3_000, consumer.recv())).toEqual({ from: 'first', n: 0 })
  expect(it.producers.map(({ subscriptions }) => subscriptions.value.length)).toEqual([1, 0, 0])

  await first.vanish()
  await within(8_000, it.producers[1]!.send({ from: 'second', n: 0 }))
  expect(await within(3_000, consumer.recv())).toEqual({ from: 'second', n: 0 })
  await connectedTo(consumer, second)
  await eventually(() =>
    expect(failovers).toEqual([{ type: 'failover', from: first.peerId, to: second.peerId, cause: 'lost' }]),
  )
})

test('nearest(2): given four producers, when one of the two nearest closes, then the third takes its place, and the other one goes on undisturbed', async () => {
  await using it = await scene(4)
  const [first, second, third] = it.others as [TestNode, TestNode, TestNode]
  const consumer = it.node.streams.consume(Data1, { prefer: nearest(2) })
  await connectedTo(consumer, first, second)
  const attempt = statusWith(consumer, second)?.connectedAtMs
  await it.producers[0]!.close()
  await connectedTo(consumer, second, third)
  expect(statusWith(consumer, second)?.connectedAtMs).toBe(attempt)
  const offered = it.others.slice(1).map((_, index) => it.producers[index + 1]!)
  expect(offered.map(({ subscriptions }) => subscriptions.value.length)).toEqual([1, 1, 0])
})

test('given a producer that closes with datums queued, then all of them arrive although another has taken its place', async () => {
  await using it = await scene(2)
  const [first, second] = it.others as [TestNode, TestNode]
  const consumer = it.node.streams.consume(Data1, { prefer: nearest(1), windowBytes: 512 })
  await connectedTo(consumer, first)
  for (let n = 0; n < 200; n++) it.producers[0]!.trySend({ from: 'first', n })
  const closing = it.producers[0]!.close()
  const taken = await within(5_000, take(consumer, 200))
  expect(taken.map(({ n }) => n)).toEqual(Array.from({ length: 200 }, (_, n) => n))
  await closing
  await connectedTo(consumer, second)
  expect(consumer.stats().lost).toBe(0)
})

describe('given a producer that has become better', () => {
  test('then it is subscribed to first, and the other one is left when that works, without a datum lost of either', async () => {
    await using it = await scene(2)
    const [first, second] = it.others as [TestNode, TestNode]
    const consumer = it.node.streams.consume(Data1, { prefer: nearest(1, { hysteresis: eager }) })
    const failovers = failoversOf(consumer)
    await connectedTo(consumer, first)
    const connected: number[] = []
    consumer.subscriptions.subscribe((statuses) =>
      connected.push(statuses.filter(({ state }) => state === 'connected').length),
    )
    const left = it.producers[0]!.when().unsubscribed().wait()
    measure(it.node, first, 50)
    await connectedTo(consumer, second)
    // Never without a source.
    expect(Math.min(...connected)).toBe(1)
    await within(3_000, left)
    await eventually(() =>
      expect(failovers).toEqual([
        { type: 'failover', from: first.peerId, to: second.peerId, cause: 'better' },
      ]),
    )
    await it.producers[1]!.send({ from: 'second', n: 0 })
    expect(await within(3_000, consumer.recv())).toEqual({ from: 'second', n: 0 })
    expect(consumer.stats().lost).toBe(0)
  })

  test('by little or for a moment, then nothing changes', async () => {
    await using it = await scene(2)
    const [first, second] = it.others as [TestNode, TestNode]
    const consumer = it.node.streams.consume(Data1, {
      prefer: nearest(1, { hysteresis: { marginMs: 30, marginPart: 0, holdMs: 0 } }),
    })
    const patient = it.node.streams.consume(Data1, {
      prefer: nearest(1, { hysteresis: { marginMs: 0, marginPart: 0, holdMs: 60_000 } }),
    })
    await connectedTo(consumer, first)
    await connectedTo(patient, first)
    const attempts = it.producers[1]!.when().subscribed().wait()
    void attempts.catch(() => undefined)
    for (let round = 0; round < 3; round++) {
      measure(it.node, first, 45)
      // Both have ranked again when a third one has, which knows no patience.
      using impatient = it.node.discovery.ranking(nearest(1, { hysteresis: eager }))
      await eventually(() => expect(impatient.chosen.value).toEqual([second.peerId]))
      measure(it.node, first, 10)
      await eventually(() => expect(impatient.chosen.value).toEqual([first.peerId]))
    }
    expect(it.producers[1]!.subscriptions.value).toEqual([])
    expect(statusWith(consumer, first)?.attempt).toBe(1)
    await consumer.close()
    await patient.close()
  })

  test('but refuses, then the one that works keeps its place, and the refusal is tried again only by its own policy', async () => {
    await using it = await scene(3, { serve: false })
    const [first, second, third] = it.others as [TestNode, TestNode, TestNode]
    first.streams.produce(Data1, { require: () => false })
    second.streams.produce(Data1, { onlineWhen: 0 })
    third.streams.produce(Data1)
    for (const other of it.others) feed(it.node, other)
    measure(it.node, first, 100)
    const consumer = it.node.streams.consume(Data1, { prefer: nearest(1, { hysteresis: eager }) })
    const failovers = failoversOf(consumer)
    await connectedTo(consumer, second)
    measure(it.node, first, 1)
    await eventually(() =>
      expect(statusWith(consumer, first)).toMatchObject({ state: 'closed', lastClose: { code: 10403 } }),
    )
    expect(statusWith(consumer, first)?.attempt).toBe(1)
    expect(statusWith(consumer, second)).toMatchObject({ state: 'connected', attempt: 1 })
    expect(statusWith(consumer, third)).toBeUndefined()
    expect(failovers).toEqual([])
  })
})

test('given a preferred producer that comes back, then it is taken again, and what was missed of it meanwhile is known', async () => {
  await using it = await scene(2)
  const [first, second] = it.others as [TestNode, TestNode]
  const consumer = it.node.streams.consume(Data1, {
    prefer: nearest(1, { hysteresis: eager }),
    backoff: quick,
  })
  const steady = second.streams.consume(Data1, { local: false })
  await second.meet(first)
  await connectedTo(consumer, first)
  await connectedTo(steady, first)
  await it.producers[0]!.send({ from: 'first', n: 0 })
  expect(await within(3_000, consumer.recv())).toEqual({ from: 'first', n: 0 })
  measure(it.node, first, 50)
  await connectedTo(consumer, second)
  for (let n = 1; n <= 5; n++) await it.producers[0]!.send({ from: 'first', n })
  measure(it.node, first, 1)
  await connectedTo(consumer, first)
  await within(3_000, it.producers[0]!.when().subscribed({ min: 2 }))
  await it.producers[0]!.send({ from: 'first', n: 6 })
  const envelopes = consumer.envelopes()[Symbol.asyncIterator]()
  const { value } = await within(3_000, envelopes.next())
  expect(value).toMatchObject({ datum: { from: 'first', n: 6 }, sequence: 6, lostBefore: 5 })
  expect(consumer.stats()).toMatchObject({ received: 2, lost: 5 })
})

test('given nobody else, when the only producer is lost for a moment, then the consumer comes back to it by its back-off', async () => {
  await using it = await scene(1)
  const [first] = it.others as [TestNode]
  const consumer = it.node.streams.consume(Data1, { prefer: nearest(3), backoff: quick })
  const failovers = failoversOf(consumer)
  await connectedTo(consumer, first)
  await it.node.host.disconnect(first.peerId, { code: 103, name: 'UnexpectedClose' })
  await eventually(() => expect(statusWith(consumer, first)?.attempt).toBeGreaterThan(1))
  await connectedTo(consumer, first)
  expect(failovers).toEqual([{ type: 'failover', from: first.peerId, to: undefined, cause: 'lost' }])
})

test('given a producer on the very node, then it is the nearest of all; when it closes, then another node takes over', async () => {
  await using it = await scene(2)
  const own = it.node.streams.produce(Data1)
  const consumer = it.node.streams.consume(Data1, { prefer: nearest(1) })
  await connectedTo(consumer, it.node)
  await own.close()
  await connectedTo(consumer, it.others[0]!)
  const again = it.node.streams.produce(Data1)
  // Whether that is worth leaving the other one is for the hysteresis to say, not for its being local.
  const eagerConsumer = it.node.streams.consume(Data1, { prefer: nearest(1) })
  await connectedTo(eagerConsumer, it.node)
  await again.close()
})

test('given a preference that excludes, then whoever comes to be excluded is left although nobody else can take its place', async () => {
  await using it = await scene(1)
  const [first] = it.others as [TestNode]
  const consumer = it.node.streams.consume(Data1, {
    prefer: prefer({ require: ({ tags }) => !tags.includes('avoid') }),
  })
  await connectedTo(consumer, first)
  first.discovery.addTags('avoid')
  feed(it.node, first)
  await connectedTo(consumer)
  first.discovery.removeTags('avoid')
  feed(it.node, first)
  await connectedTo(consumer, first)
})

test('given consumers with preferences that are closed, then nothing of them stays: as many rankings can be opened as before', async () => {
  await using nodes = await startNodes({})
  const { streams } = nodes[0]!
  for (let round = 0; round < 3; round++) {
    const consumers = Array.from({ length: 256 }, () => streams.consume(Data1, { prefer: nearest(1) }))
    expect(() => streams.consume(Data1, { prefer: nearest(1) })).toThrow(
      expect.objectContaining({ code: 'RANKINGS_TOO_MANY' }),
    )
    await Promise.all(consumers.map((consumer) => consumer.close()))
    expect(nodes[0]!.discovery.me.consumes).toEqual([])
  }
})

test('S-22: given three producers and a consumer without a preference, then it is subscribed to all of them, and each datum says whose it is', async () => {
  await using it = await scene(3)
  const consumer = it.node.streams.consume(Data1)
  await connectedTo(consumer, ...it.others)
  await discoverAll([it.node])
  for (const [index, producer] of it.producers.entries()) await producer.send({ from: `${index}`, n: 0 })
  const seen = new Map<string, string>()
  for await (const { datum, producer } of consumer.envelopes()) {
    seen.set(datum.from, producer)
    if (seen.size === 3) break
  }
  expect([...seen.values()].sort()).toEqual(peersOf(...it.others))
})
