import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { bytesOf, digestOf, MetricsRegistry, shortId } from '#framework/primitives'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { StreamMetrics } from '../../framework/streams/metrics.js'
import { consumerScene, linkOf } from './consumer-scene.js'
import { open, request } from './scripted-consumer.js'
import { connectedTo, feed, startNodes, take, type TestNode } from './support.js'
import { TestIssuer } from './tickets.js'

const Numbered = stream('stream-metrics.numbered', z.object({ n: z.number(), text: z.string().optional() }))
const labels = { stream: shortId(Numbered.id) }

function value(node: TestNode, name: string, more: Record<string, string> = {}): number | undefined {
  return node.host.metrics.value(`mosaik_stream_${name}`, { ...labels, ...more })
}

function seriesOf(node: TestNode): string[] {
  return node.host.metrics
    .render()
    .split('\n')
    .filter((line) => line.startsWith('mosaik_stream_'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')))
}

describe('S-23: every datum is counted once for each consumer', () => {
  test('given n items and k consumers, two of them on one node, then n·k are counted as sent, and n as received for each', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(Numbered)
    const consumers = [n1!, n1!, n2!].map((node) => node.streams.consume(Numbered))
    await n1!.meet(n0!)
    await n2!.meet(n0!)
    await within(5_000, producer.when().subscribed({ min: 3 }))
    for (let n = 0; n < 10; n++) await producer.send({ n })
    for (const consumer of consumers) await within(5_000, take(consumer, 10))

    expect(value(n0!, 'sent_items_total')).toBe(30)
    expect(value(n1!, 'received_items_total')).toBe(20)
    expect(value(n2!, 'received_items_total')).toBe(10)
    const { sentBytes } = producer.stats()
    expect(value(n0!, 'sent_bytes_total')).toBe(sentBytes)
    expect(value(n2!, 'received_bytes_total')).toBe(sentBytes / 3)
    for (const consumer of consumers) {
      expect(consumer.stats()).toMatchObject({ received: 10, bytes: sentBytes / 3, waiting: 0 })
      expect(consumer.subscriptions.value).toMatchObject([{ datums: 10, bytes: sentBytes / 3, dropped: 0 }])
    }
    expect(value(n1!, 'consumer_producers')).toBe(2)

    // What one consumer leaves behind is not the other's.
    await consumers[0]!.close()
    expect(value(n1!, 'consumer_producers')).toBe(1)
    expect(value(n1!, 'received_items_total')).toBe(20)
    await consumers[1]!.close()
    expect(seriesOf(n1!).filter((series) => series.includes('received'))).toEqual([])
    expect(value(n1!, 'consumer_producers') ?? 0).toBe(0)
    await eventually(() => expect(value(n0!, 'consumers')).toBe(1))

    expect(n0!.host.metrics.value('mosaik_stream_producers')).toBe(1)
    await producer.close()
    expect(n0!.host.metrics.value('mosaik_stream_producers')).toBe(0)
  })

  test('given a subscription that ended, then it is not said to be connected since a time', async () => {
    await using it = await consumerScene({ backoff: { initialMs: 60_000 } })
    const link = await linkOf(it)
    expect(it.consumer.subscriptions.value).toMatchObject([{ connectedAtMs: expect.any(Number) }])
    link.abort({ code: 103, name: 'UnexpectedClose' })
    await within(5_000, it.consumer.when().unsubscribed())
    expect(it.consumer.subscriptions.value[0]).toMatchObject({ state: 'closed', connectedAtMs: undefined })
  })
})

test('given a slow consumer, then what it misses is counted as dropped at one end and as lost at the other', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  const producer = n0!.streams.produce(Numbered, { overflow: 'drop-newest', queue: 2 })
  const consumer = n1!.streams.consume(Numbered, { windowBytes: 1 })
  await n1!.meet(n0!)
  await within(5_000, producer.when().subscribed())
  const sent = 200
  for (let n = 0; n < sent; n++) await producer.send({ n, text: 'x'.repeat(100) })
  const drained = producer.drain()
  await eventually(() => {
    while (consumer.tryRecv() !== undefined);
    const { received, lost } = consumer.stats()
    expect(received + lost).toBe(sent)
  })
  await within(5_000, drained)
  const { dropped } = producer.stats()
  expect(dropped).toBeGreaterThan(0)
  expect(value(n0!, 'dropped_items_total', { cause: 'lagging' })).toBe(dropped)
  expect(value(n1!, 'lost_items_total')).toBe(dropped)
})

test('given a consumer without the ticket that a producer requires, then it is counted as refused for that', async () => {
  await using nodes = await startNodes({}, {}, {})
  const [n0, n1, n2] = nodes
  const issuer = new TestIssuer('metrics')
  n1!.discovery.addTicket(issuer.issue(n1!.peerId, 'never'))
  const producer = n0!.streams.produce(Numbered, { requireTicket: issuer.validator })
  n1!.streams.consume(Numbered)
  n2!.streams.consume(Numbered)
  await n1!.meet(n0!)
  await n2!.meet(n0!)
  feed(n0!, n1!)
  await connectedTo(producer, n1!)
  await eventually(() => expect(value(n0!, 'subscriptions_total', { result: 'ticket' })).toBe(1))
  expect(value(n0!, 'subscriptions_total', { result: 'accepted' })).toBe(1)
  expect(value(n0!, 'consumers')).toBe(1)
})

test('given many requests for streams that nobody has defined, then there are no more series than after one', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  n0!.streams.produce(Numbered)
  await n1!.meet(n0!)
  const ask = async (index: number): Promise<void> => {
    const named = { stream: bytesOf(digestOf(`unknown ${index}`)), name: `unknown ${index}` }
    await expect(open(n1!, n0!, request(Numbered, n1!, named))).rejects.toMatchObject({
      reason: { code: 10404 },
    })
  }
  await ask(0)
  const before = seriesOf(n0!)
  for (let index = 1; index <= 20; index++) await ask(index)
  expect(seriesOf(n0!)).toEqual(before)
  const counted = { stream: 'none', result: 'no_stream' }
  expect(n0!.host.metrics.value('mosaik_stream_subscriptions_total', counted)).toBe(21)
})

test('given consumers of one stream, then they count into the same series, which is there until the last of them has let go of it', () => {
  const registry = new MetricsRegistry()
  const metrics = new StreamMetrics(registry)
  const received = (): number | undefined => registry.value('mosaik_stream_received_items_total', labels)
  const consumers = [1, 2].map(() => metrics.forConsumer(Numbered.id))
  for (const { receivedItems } of consumers) receivedItems.add(2)
  expect(received()).toBe(4)
  consumers[0]![Symbol.dispose]()
  expect(received()).toBe(4)
  consumers[1]![Symbol.dispose]()
  expect(received()).toBeUndefined()
  metrics.forConsumer(Numbered.id).receivedItems.add()
  expect(received()).toBe(1)
})
