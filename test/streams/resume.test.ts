// Where a consumer goes on with a producer that it was subscribed to before.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream, type Consumer, type ConsumerEvent } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { consumerScene, linkOf } from './consumer-scene.js'
import { connectedTo, startNodes, type TestNode } from './support.js'

const Data1 = stream('resume.data1', z.object({ n: z.number() }))
const lost = { code: 103, name: 'UnexpectedClose' }

/** Collects what happens to a consumer from now on. */
function eventsOf(consumer: Consumer<unknown>): ConsumerEvent[] {
  const seen: ConsumerEvent[] = []
  void (async () => {
    for await (const event of consumer.events()) seen.push(event)
  })()
  return seen
}

/** A producer of which each life has a name of its own, and which says where a subscription starts. */
function livesOf(...lives: readonly (readonly [epoch: string, sequence: number])[]) {
  let asked = 0
  return (greeting: Record<string, unknown>): unknown => {
    const [epoch, sequence] = lives[asked++] ?? lives.at(-1)!
    return { ...greeting, epoch, sequence }
  }
}

describe('a request', () => {
  test('given a consumer without options, then it has a random name, nothing to resume, and begins with the oldest that is kept', async () => {
    await using it = await consumerScene()
    await linkOf(it)
    const [request] = it.producer.requests
    expect(request).toMatchObject({ durable: false, start: 'oldest' })
    expect(request?.subscriber).toMatch(/^[0-9a-f]{16}$/)
    expect(request?.resume).toBeUndefined()
  })

  test('given a name and a start, then it says so', async () => {
    await using it = await consumerScene({ name: 'ledger', start: 'newest' })
    await linkOf(it)
    expect(it.producer.requests).toMatchObject([{ subscriber: 'ledger', durable: true, start: 'newest' }])
  })

  test('given a subscription that was lost, then the next one says where it was, what the application has not taken included', async () => {
    await using it = await consumerScene({ backoff: { initialMs: 10 } }, livesOf(['first', 0], ['first', 3]))
    const link = await linkOf(it)
    await it.producer.send(link, 0, { n: 0 }, { n: 1 }, { n: 2 })
    await eventually(() => it.consumer.subscriptions.value[0]?.datums === 3)
    link.abort(lost)
    await linkOf(it, 1)
    expect(it.producer.requests[1]?.resume).toEqual({ epoch: 'first', sequence: 3, taken: 0 })
  })

  test('given a producer that was left and has come back, then it says where it was', async () => {
    const options = { require: ({ tags }: { readonly tags: readonly string[] }) => !tags.includes('avoid') }
    await using it = await consumerScene(options, livesOf(['first', 0], ['first', 2]))
    const events = eventsOf(it.consumer)
    const link = await linkOf(it)
    await it.producer.send(link, 0, { n: 0 })
    await link.send({ kind: 'gap', sequence: 2 })
    await eventually(() => it.consumer.stats().lost === 1)
    it.producer.discovery.addTags('avoid')
    it.node.discovery.feed(it.producer.discovery.signedEntry())
    expect(it.consumer.subscriptions.value).toEqual([])
    it.producer.discovery.removeTags('avoid')
    it.node.discovery.feed(it.producer.discovery.signedEntry())
    await linkOf(it, 1)
    expect(it.producer.requests[1]?.resume).toEqual({ epoch: 'first', sequence: 2, taken: 0 })
    await eventually(() =>
      expect(events.filter(({ type }) => type === 'subscribed').at(-1)).toMatchObject({
        resumed: true,
        sequence: 2,
      }),
    )
  })
})

describe('events', () => {
  test('given a subscription that goes on where the last one ended, then it is resumed, and nothing is lost', async () => {
    await using it = await consumerScene({ backoff: { initialMs: 10 } }, livesOf(['first', 0], ['first', 1]))
    const link = await linkOf(it)
    const events = eventsOf(it.consumer)
    const { peerId: producer } = it.producer
    await it.producer.send(link, 0, { n: 0 })
    await eventually(() => it.consumer.subscriptions.value[0]?.datums === 1)
    link.abort(lost)
    await linkOf(it, 1)
    await eventually(() =>
      expect(events).toMatchObject([
        { type: 'unsubscribed', producer, reason: { code: 103 } },
        { type: 'subscribed', producer, epoch: 'first', sequence: 1, resumed: true },
      ]),
    )
  })

  test('given a subscription that begins further on, then it is not resumed, and the gap is told with its exact length', async () => {
    await using it = await consumerScene({ backoff: { initialMs: 10 } }, livesOf(['first', 0], ['first', 10]))
    const link = await linkOf(it)
    const events = eventsOf(it.consumer)
    const { peerId: producer } = it.producer
    await it.producer.send(link, 0, { n: 0 })
    await eventually(() => it.consumer.subscriptions.value[0]?.datums === 1)
    link.abort(lost)
    await linkOf(it, 1)
    await eventually(() =>
      expect(events.slice(1)).toEqual([
        { type: 'subscribed', producer, epoch: 'first', sequence: 10, resumed: false },
        { type: 'gap', producer, epoch: 'first', sequence: 10, count: 9 },
      ]),
    )
    expect(it.consumer.stats()).toMatchObject({ gaps: 1, lost: 9 })
  })

  test('given a producer that has begun a new life, then that is told, and counting starts over', async () => {
    await using it = await consumerScene({ backoff: { initialMs: 10 } }, livesOf(['first', 5], ['second', 3]))
    const link = await linkOf(it)
    const events = eventsOf(it.consumer)
    const { peerId: producer } = it.producer
    link.abort(lost)
    await linkOf(it, 1)
    expect(it.producer.requests[1]?.resume).toEqual({ epoch: 'first', sequence: 5, taken: 5 })
    await eventually(() =>
      expect(events.slice(1)).toEqual([
        { type: 'epoch', producer, epoch: 'second', before: 'first' },
        { type: 'subscribed', producer, epoch: 'second', sequence: 3, resumed: false },
      ]),
    )
    expect(it.consumer.stats().lost).toBe(0)
  })
})

test('given a producer with a replay that is left and taken again all the time, then each datum arrives once and in order', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes as unknown as [TestNode, TestNode]
  const producer = n0.streams.produce(Data1, { replay: { last: 10_000 }, onlineWhen: 0 })
  const consumer = n1.streams.consume(Data1, { require: ({ tags }) => !tags.includes('avoid') })
  await n1.meet(n0)
  await connectedTo(consumer, n0)
  const count = 2_000
  const taken: number[] = []
  const taking = (async () => {
    for await (const { n } of consumer) if (taken.push(n) === count) break
  })()
  for (let n = 0; n < count; n++) {
    await producer.send({ n })
    if (n % 100 !== 50) continue
    n0.discovery.addTags('avoid')
    n1.discovery.feed(n0.discovery.signedEntry())
    await producer.send({ n: ++n })
    n0.discovery.removeTags('avoid')
    n1.discovery.feed(n0.discovery.signedEntry())
    await new Promise((resolve) => setImmediate(resolve))
  }
  await within(10_000, taking)
  expect(taken).toEqual(Array.from({ length: count }, (_, n) => n))
  expect(consumer.stats()).toMatchObject({ lost: 0, gaps: 0 })
})

test('given two consumers of one name on a node, then the second is refused; when the first is closed, then its name is free at once', async () => {
  await using nodes = await startNodes({})
  const { streams } = nodes[0]!
  const first = streams.consume(Data1, { name: 'ledger' })
  streams.consume(Data1, { name: 'other' })
  expect(() => streams.consume(Data1, { name: 'ledger' })).toThrow(
    expect.objectContaining({ code: 'CONSUMER_NAME_TAKEN' }),
  )
  const closing = first.close()
  await using second = streams.consume(Data1, { name: 'ledger' })
  await closing
  const producer = streams.produce(Data1)
  await connectedTo(second, nodes[0]!)
  await producer.send({ n: 1 })
  expect(await within(3_000, second.recv())).toEqual({ n: 1 })
})
