import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { Identity } from '#framework/network'
import type { Logger } from '#framework/primitives'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import {
  connectedTo,
  discoverAll,
  freshNetwork,
  refusedBy,
  startNodes,
  statusWith,
  take,
  TestNode,
} from './support.js'

const Data1 = stream('lifecycle.data1', z.object({ n: z.number() }))
const quick = { initialMs: 50, maxMs: 500 }

describe('close codes at shutdown', () => {
  test('given a producer that closes with datums queued, then the consumer gets all of them, sees GracefulShutdown, and does not dial again; when the stream is offered again, then it subscribes at once', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1)
    const consumer = n1!.streams.consume(Data1)
    await n1!.meet(n0!)
    await within(5_000, producer.when().online())
    const seen: unknown[] = []
    consumer.subscriptions.subscribe((statuses) => {
      for (const { state, lastClose } of statuses) if (state === 'closed') seen.push(lastClose?.code)
    })
    for (let n = 0; n < 500; n++) producer.trySend({ n })
    await within(3_000, producer.close())
    expect((await within(5_000, take(consumer, 500))).map(({ n }) => n)).toEqual(
      Array.from({ length: 500 }, (_, n) => n),
    )
    // Whether the end or the withdrawn offer comes first: nothing is left of the subscription.
    await eventually(() => expect(consumer.subscriptions.value).toEqual([]))
    expect(new Set(seen)).toEqual(new Set([204]))
    expect(consumer.stats().lost).toBe(0)

    const again = n0!.streams.produce(Data1)
    await within(3_000, again.when().online())
    await again.send({ n: -1 })
    expect(await within(3_000, consumer.recv())).toEqual({ n: -1 })
  })

  test('given a consumer that reads nothing, then closing the producer is bounded, and the consumer knows what it will never get', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Data1)
    const consumer = nodes[1]!.streams.consume(Data1, { windowBytes: 1 })
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    for (let n = 0; n < 100; n++) producer.trySend({ n })
    await within(4_000, producer.close())
    expect(await within(1_000, consumer.recv())).toEqual({ n: 0 })
    await eventually(() => expect(consumer.stats().lost).toBe(99))
    expect(producer.stats().dropped).toBe(99)
  })

  test('given a node that closes, then its producers end with 204 and its consumers with 102', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const Other = stream('lifecycle.other', z.string())
    n0!.streams.produce(Data1)
    const other = n0!.streams.consume(Other)
    const consumer = n1!.streams.consume(Data1)
    const producer = n1!.streams.produce(Other)
    await discoverAll(nodes)
    await connectedTo(consumer, n0!)
    await connectedTo(other, n1!)
    const codes = new Set<number | undefined>()
    consumer.subscriptions.subscribe((statuses) =>
      statuses.forEach(({ lastClose }) => codes.add(lastClose?.code)),
    )
    await within(5_000, n0![Symbol.asyncDispose]())
    await connectedTo(consumer)
    await connectedTo(producer)
    codes.delete(undefined)
    expect([...codes]).toEqual([204])
    expect(producer.online).toBe(false)
  })

  test('given a consumer that was closed, then what it had received can still be taken, then it is over', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Data1)
    const consumer = nodes[1]!.streams.consume(Data1)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    for (let n = 0; n < 3; n++) await producer.send({ n })
    await eventually(() => consumer.subscriptions.value[0]?.datums === 3)
    await consumer.close()
    await within(3_000, producer.when().offline())
    const rest: number[] = []
    for await (const { n } of consumer) rest.push(n)
    expect(rest).toEqual([0, 1, 2])
    expect(await consumer.recv()).toBeUndefined()
  })

  test('closing twice, and closing everything at once, is one closing', async () => {
    await using nodes = await startNodes({})
    const { streams } = nodes[0]!
    const producer = streams.produce(Data1)
    const consumer = streams.consume(Data1)
    await within(2_000, producer.when().online())
    await within(3_000, Promise.all([streams.close(), producer.close(), consumer.close(), streams.close()]))
    expect(() => streams.produce(Data1)).toThrow(expect.objectContaining({ code: 'STREAMS_CLOSED' }))
    expect(() => streams.consume(Data1)).toThrow(expect.objectContaining({ code: 'STREAMS_CLOSED' }))
    expect(streams.subscriptions.ended).toBe(true)
  })
})

describe('coming back', () => {
  test('producer restart on the same key: the consumer follows to the new address, counts from the new epoch, and gets every datum once', async () => {
    const network = freshNetwork()
    const identity = Identity.random()
    await using n1 = await TestNode.start(network)
    const consumer = n1.streams.consume(Data1, { backoff: quick })
    const epochs = new Set<string>()
    for (let life = 0; life < 3; life++) {
      await using n0 = await TestNode.start(network, { identity })
      const producer = n0.streams.produce(Data1)
      await n1.meet(n0)
      await within(8_000, producer.when().online())
      for (let n = 0; n < 3; n++) await producer.send({ n })
      let next = 0
      for await (const envelope of consumer.envelopes()) {
        expect(envelope).toMatchObject({
          datum: { n: next },
          sequence: next,
          lostBefore: 0,
          producer: n0.peerId,
        })
        epochs.add(envelope.epoch)
        if (++next === 3) break
      }
      // Two of the three lives end without a goodbye.
      if (life < 2) await n0.vanish()
    }
    expect(epochs.size).toBe(3)
    expect(consumer.stats()).toMatchObject({ received: 9, lost: 0 })
  })

  test('given a connection that is lost, then the subscription is made again, and what was missed meanwhile is known', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(Data1)
    const consumer = n1!.streams.consume(Data1, { backoff: { initialMs: 200 } })
    const steady = n2!.streams.consume(Data1)
    await n1!.meet(n0!)
    await n2!.meet(n0!)
    await within(5_000, producer.when().subscribed({ min: 2 }))
    await producer.send({ n: 0 })
    expect(await within(3_000, consumer.recv())).toEqual({ n: 0 })
    const cut = producer.when().subscribed({ min: 2 }).not().wait()
    await n1!.host.disconnect(n0!.peerId, { code: 103, name: 'UnexpectedClose' })
    await within(3_000, cut)
    for (let n = 1; n <= 5; n++) await producer.send({ n })
    await within(5_000, producer.when().subscribed({ min: 2 }))
    producer.trySend({ n: 6 })
    producer.trySend({ n: 7 })
    const envelopes = consumer.envelopes()[Symbol.asyncIterator]()
    for (const [n, lostBefore] of [
      [6, 5],
      [7, 0],
    ]) {
      const { value } = await within(3_000, envelopes.next())
      expect(value).toMatchObject({ datum: { n }, sequence: n, lostBefore })
    }
    expect(consumer.stats()).toMatchObject({ received: 3, lost: 5, gaps: 1 })
    expect(await within(3_000, take(steady, 8))).toHaveLength(8)
  })

  test('duplicate subscription after flap: given a tag that is lost and regained at once, many times, then in the end each datum arrives exactly once', async () => {
    await using nodes = await startNodes({ tags: ['leader'] }, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1)
    const consumer = n1!.streams.consume(Data1, { require: ({ tags }) => tags.includes('leader') })
    await n1!.meet(n0!)
    await connectedTo(consumer, n0!)
    const refusals: unknown[] = []
    consumer.subscriptions.subscribe((statuses) => {
      for (const { state, lastClose } of statuses) if (state === 'closed') refusals.push(lastClose)
    })
    for (let flap = 0; flap < 20; flap++) {
      n0!.discovery.removeTags('leader')
      n1!.discovery.feed(n0!.discovery.signedEntry())
      n0!.discovery.addTags('leader')
      n1!.discovery.feed(n0!.discovery.signedEntry())
      if (flap % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually(() => {
      expect(statusWith(consumer, n0!)?.state).toBe('connected')
      expect(producer.subscriptions.value).toHaveLength(1)
    })
    // Each later subscription took the place of the one before, although that was not quite over.
    expect(refusals).toEqual([])
    for (let n = 0; n < 10; n++) await producer.send({ n })
    expect((await within(3_000, take(consumer, 10))).map(({ n }) => n)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ])
    expect(consumer.tryRecv()).toBeUndefined()
    expect(n1!.streams.subscriptions.value).toHaveLength(1)
  })
})

describe('refusals', () => {
  test('StreamNotFound: given an entry that offers what its node does not produce, then the consumer is told 10404, and subscribes as soon as the node says something new', async () => {
    const network = freshNetwork()
    await using n0 = await TestNode.start(network)
    await using n1 = await TestNode.start(network)
    const { id, name, fingerprint } = Data1
    n0.discovery.update(() => ({ produces: [{ id, name, fingerprint }] }))
    const consumer = n1.streams.consume(Data1)
    await n1.meet(n0)
    await refusedBy(consumer, n0, 10404)
    n0.discovery.update(() => ({ produces: [] }))
    const producer = n0.streams.produce(Data1)
    n1.discovery.feed(n0.discovery.signedEntry())
    await within(3_000, producer.when().online())
  })

  test('two schemas on one name: both sides are told, and log, who disagrees about what; the consumer waits for a change', async () => {
    const network = freshNetwork()
    const logged: string[] = []
    const logger: Logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: (message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`),
      error: () => undefined,
      child: () => logger,
    }
    await using n0 = await TestNode.start(network, { name: 'sensor', logger })
    await using n1 = await TestNode.start(network, { name: 'board', logger })
    const Numbers = stream('lifecycle.schema', z.object({ load: z.number() }))
    const Texts = stream('lifecycle.schema', z.object({ load: z.string() }))
    const producer = n0.streams.produce(Numbers)
    const consumer = n1.streams.consume(Texts)
    await n1.meet(n0)
    await refusedBy(consumer, n0, 10409)
    const text =
      'producer sensor#0 and consumer board#0 define stream "lifecycle.schema" differently: /load: producer number, consumer string'
    expect(statusWith(consumer, n0)?.lastClose?.message).toBe(text)
    expect(logged.filter((line) => line.includes(JSON.stringify(text).slice(1, -1)))).toHaveLength(2)
    await producer.close()
    const mended = n0.streams.produce(Texts)
    await within(3_000, mended.when().online())
  })

  test('DifferentNetwork: given a peer of another network that is inserted by hand, then the consumer is told 101 and nothing flows', async () => {
    await using n0 = await TestNode.start(freshNetwork())
    await using n1 = await TestNode.start(freshNetwork())
    const producer = n0.streams.produce(Data1)
    const consumer = n1.streams.consume(Data1)
    n1.discovery.insert({ ...n0.discovery.me, network: n1.host.network })
    await refusedBy(consumer, n0, 101)
    expect(producer.subscriptions.value).toEqual([])
  })
})
