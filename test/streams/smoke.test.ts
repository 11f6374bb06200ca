import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { digestOf } from '#framework/primitives'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { discoverAll, startNodes, statusWith, take } from './support.js'

const data1 = z.object({ text: z.string() })
const Data1 = stream('smoke.data1', data1)

/** Of an encoded datum. */
const byteLengthOf = (datum: z.infer<typeof data1>): number => Data1.codec.encode(datum, Buffer.alloc(100), 0)

describe('smoke', () => {
  test('send_recv: given a producer and two consumers, when 100 datums are sent, then each consumer receives all 100 in order', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(Data1)
    const consumers = [n1!.streams.consume(Data1), n2!.streams.consume(Data1)]
    await n1!.meet(n0!)
    await n2!.meet(n0!)
    await within(5_000, producer.when().subscribed({ min: 2 }))

    const sent = Array.from({ length: 100 }, (_, index) => ({ text: `datum ${index}` }))
    for (const datum of sent) await producer.send(datum)

    for (const consumer of consumers) {
      expect(await within(5_000, take(consumer, 100))).toEqual(sent)
      expect(consumer.stats()).toMatchObject({
        received: 100,
        lost: 0,
        gaps: 0,
        invalid: 0,
        bufferedBytes: 0,
      })
    }
    expect(producer.stats()).toMatchObject({ accepted: 100, sent: 200, dropped: 0, undelivered: 0 })
  })

  test('subscription_triggers_catalog_sync: given a consumer that holds its producer only as an unsigned entry, and a producer that has never heard of it, when it consumes, then it is subscribed without a detour and both hold signed entries', async () => {
    await using nodes = await startNodes({ tags: ['tag1', 'tag2', 'tag3'] }, { discovery: { meshPeers: 0 } })
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1)
    n1!.discovery.insert({ ...n0!.discovery.me, tags: [] })
    expect(n1!.discovery.catalog.value.unsigned.has(n0!.peerId)).toBe(true)
    expect(n0!.discovery.catalog.value.get(n1!.peerId)).toBeUndefined()

    const consumer = n1!.streams.consume(Data1)
    await within(5_000, consumer.when().subscribed({ tags: ['tag1', 'tag2', 'tag3'] }))
    expect(n1!.discovery.catalog.value.unsigned.has(n0!.peerId)).toBe(false)
    expect(n0!.discovery.catalog.value.get(n1!.peerId)).toBeDefined()
    expect(statusWith(consumer, n0!)?.attempt).toBe(1)
    expect(producer.online).toBe(true)
  })

  test('custom_stream_id: given two streams of one type on one node, when both are consumed, then each consumer receives only its own', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const streams = [stream('stream1234', data1), stream('stream5678', data1)] as const
    const producers = streams.map((each) => n0!.streams.produce(each))
    const consumers = streams.map((each) => n1!.streams.consume(each))
    await n1!.meet(n0!)
    for (const [index, producer] of producers.entries()) {
      await within(3_000, producer.when().online())
      await producer.send({ text: producer.stream.name })
      expect(await within(3_000, consumers[index]!.recv())).toEqual({ text: producer.stream.name })
    }
    for (const consumer of consumers) expect(consumer.tryRecv()).toBeUndefined()
  })

  test('custom_datum_encoding: given a datum with dates, big integers, bytes, defaults and keys that the schema does not know, when it is sent, then it arrives as what the schema puts out', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const Rich = stream(
      'smoke.rich',
      z.object({
        at: z.date(),
        big: z.bigint(),
        bytes: z.instanceof(Uint8Array),
        nested: z.array(z.object({ maybe: z.string().optional(), either: z.union([z.number(), z.null()]) })),
        filled: z.string().default('by default'),
      }),
    )
    const producer = n0!.streams.produce(Rich)
    const consumer = n1!.streams.consume(Rich)
    await n1!.meet(n0!)
    await within(3_000, producer.when().online())
    const datum = {
      at: new Date(1_700_000_000_123),
      big: 2n ** 100n,
      bytes: Uint8Array.of(0, 255),
      nested: [{ maybe: 'yes', either: 0.5 }, { either: null }],
    }
    await producer.send({ ...datum, unknown: 1 } as never)
    expect(await within(3_000, consumer.recv())).toEqual({ ...datum, filled: 'by default' })
  })

  test('stream_def: given one definition, when both sides are made from it, then both report its id and a datum flows', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const definition = stream('my-stream1', data1)
    const producer = n0!.streams.produce(definition)
    const consumer = n1!.streams.consume(definition)
    expect(producer.stream.id).toBe(digestOf('my-stream1'))
    expect(consumer.stream.id).toBe(digestOf('my-stream1'))
    await discoverAll(nodes)
    await within(3_000, producer.when().online())
    await producer.send({ text: 'flows' })
    expect(await within(3_000, consumer.recv())).toEqual({ text: 'flows' })
  })
})

describe('stats', () => {
  test('producer: counts for each consumer from when it subscribed, the same on both sides', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(Data1)
    expect(producer.subscriptions.value).toEqual([])
    const [test, data2] = [{ text: 'test' }, { text: 'data2' }]
    const bytesOf = (...datums: readonly z.infer<typeof data1>[]): number =>
      datums.reduce((sum, datum) => sum + byteLengthOf(datum), 0)

    const c1 = n1!.streams.consume(Data1)
    await n1!.meet(n0!)
    await within(3_000, c1.when().subscribed())
    expect(statusWith(producer, n1!)).toMatchObject({ datums: 0, bytes: 0, dropped: 0, state: 'connected' })
    await producer.send(test)
    await within(3_000, c1.recv())
    expect(statusWith(producer, n1!)).toMatchObject({ datums: 1, bytes: bytesOf(test) })
    expect(statusWith(c1, n0!)).toMatchObject({ datums: 1, bytes: bytesOf(test) })

    const c2 = n2!.streams.consume(Data1)
    await n2!.meet(n0!)
    await within(3_000, c2.when().subscribed())
    await producer.send(data2)
    await within(3_000, Promise.all([c1.recv(), c2.recv()]))
    expect(statusWith(producer, n1!)).toMatchObject({ datums: 2, bytes: bytesOf(test, data2) })
    expect(statusWith(producer, n2!)).toMatchObject({ datums: 1, bytes: bytesOf(data2) })
    expect(statusWith(c2, n0!)).toMatchObject({ datums: 1, bytes: bytesOf(data2), role: 'consumer' })
    expect(producer.stats()).toMatchObject({ accepted: 2, sent: 3, sentBytes: bytesOf(test, data2, data2) })
  })

  test('consumer: counts for each producer and for all of them', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const consumer = n0!.streams.consume(Data1)
    await discoverAll(nodes)

    const p1 = n1!.streams.produce(Data1)
    await within(2_000, consumer.when().subscribed({ min: 1 }))
    await p1.send({ text: 'hello' })
    expect(await within(2_000, consumer.recv())).toEqual({ text: 'hello' })
    const p2 = n2!.streams.produce(Data1)
    await within(2_000, consumer.when().subscribed({ min: 2 }))
    await p2.send({ text: 'world' })
    expect(await within(2_000, consumer.recv())).toEqual({ text: 'world' })
    await p1.send({ text: 'again' })
    await within(2_000, consumer.recv())

    const bytes = byteLengthOf({ text: 'hello' })
    expect(statusWith(consumer, n1!)).toMatchObject({ datums: 2, bytes: 2 * bytes })
    expect(statusWith(consumer, n2!)).toMatchObject({ datums: 1, bytes })
    expect(consumer.stats()).toMatchObject({ received: 3, bytes: 3 * bytes })
  })

  test('metrics: given one producer and two consumers, when n datums are sent, then 2n are counted as sent and n as received by each, and nothing is left after closing', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(Data1)
    const consumers = [n1!.streams.consume(Data1), n2!.streams.consume(Data1)]
    await n1!.meet(n0!)
    await n2!.meet(n0!)
    await within(3_000, producer.when().subscribed({ min: 2 }))
    for (let n = 0; n < 10; n++) await producer.send({ text: 'x' })
    await within(3_000, Promise.all(consumers.map((consumer) => take(consumer, 10))))

    const labels = { stream: Data1.id.slice(0, 10) }
    const [m0, m1] = [n0!.host.metrics, n1!.host.metrics]
    expect(m0.value('mosaik_stream_producers')).toBe(1)
    expect(m0.value('mosaik_stream_consumers', labels)).toBe(2)
    for (const metrics of [m0, m1])
      expect(metrics.value('mosaik_stream_info', { ...labels, name: Data1.name })).toBe(1)
    expect(m0.value('mosaik_stream_sent_items_total', labels)).toBe(20)
    expect(m0.value('mosaik_stream_subscriptions_total', { ...labels, result: 'accepted' })).toBe(2)
    expect(m1.value('mosaik_stream_received_items_total', labels)).toBe(10)
    expect(m1.value('mosaik_stream_consumer_producers', labels)).toBe(1)

    await Promise.all(consumers.map((consumer) => consumer.close()))
    await eventually(() => expect(m0.value('mosaik_stream_consumers', labels)).toBe(0))
    await producer.close()
    await Promise.all(nodes.map((node) => node.streams.close()))
    for (const { host } of nodes) {
      const left = host.metrics.render().split('\n')
      expect(left.filter((line) => line.startsWith('mosaik_stream_'))).toEqual([])
    }
  })
})
