// When a consumer tries a producer again, over a network. What it does by itself is in upstream.test.ts and retry.test.ts.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { encodeWhole } from '../../framework/discovery/announcement.js'
import { encodeContent, normalizeContent } from '../../framework/discovery/entry.js'
import { signEntry, type SignedRecord } from '../../framework/discovery/signed-record.js'
import { eventually, within } from '../support/eventually.js'
import { entryNamed } from '../discovery/ranking-support.js'
import { connectedTo, feed, refusedBy, startNodes, statusWith, type TestNode } from './support.js'

const Data1 = stream('retrying.data1', z.object({ n: z.number() }))

/** A sign of life of a node, stamped ahead of its own ones: it says what it has said, and that it still does. */
function signOfLife({ host, discovery }: TestNode, aheadMs: number): SignedRecord {
  const { run, update } = discovery.me.version
  const stamp = { run, update, beat: Date.now() + aheadMs }
  return signEntry(host.identity, {
    network: host.network,
    stamp,
    content: encodeContent(normalizeContent(discovery.me)),
  })
}

describe('S-8: given a producer that refuses a consumer', () => {
  test('when dozens of signs of life and a thousand changes of others go by, then it is not asked again; when its entry changes, then it is, at once', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    let isOpen = false
    n0.streams.produce(Data1, { require: () => isOpen })
    const consumer = n1.streams.consume(Data1)
    await n1.meet(n0)
    await refusedBy(consumer, n0, 10403)
    let changes = 0
    const unsubscribe = n1.discovery.catalog.subscribe(() => changes++)
    for (let n = 1; n <= 1_000; n++) {
      if (n % 20 === 0) expect(n1.discovery.feed(encodeWhole(signOfLife(n0, 1_000 + n)))).toBe(true)
      const other = entryNamed(`other ${n % 10}`, { tags: [`${n}`] })
      n1.discovery.insert({ ...other, network: n1.host.network, version: { run: 1, update: n } })
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    unsubscribe()
    expect(changes).toBeGreaterThanOrEqual(1_000)
    expect(statusWith(consumer, n0)).toMatchObject({ state: 'closed', attempt: 1 })
    isOpen = true
    n0.discovery.addTags('open')
    feed(n1, n0)
    await connectedTo(consumer, n0)
    expect(statusWith(consumer, n0)?.attempt).toBe(2)
  })

  test('when this node changes, then it is asked again at once', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    n0.streams.produce(Data1, { require: ({ tags }) => tags.includes('member') })
    const consumer = n1.streams.consume(Data1)
    await n1.meet(n0)
    await refusedBy(consumer, n0, 10403)
    n1.discovery.addTags('member')
    await connectedTo(consumer, n0)
    expect(statusWith(consumer, n0)?.attempt).toBe(2)
  })
})

test('given a full producer, then it is tried by the back-off, and the place that becomes free is taken', async () => {
  await using nodes = await startNodes({}, {}, {})
  const [n0, n1, n2] = nodes as unknown as [TestNode, TestNode, TestNode]
  n0.streams.produce(Data1, { maxConsumers: 1 })
  const first = n1.streams.consume(Data1)
  await n1.meet(n0)
  await connectedTo(first, n0)
  const delays: number[] = []
  const second = n2.streams.consume(Data1, {
    backoff: () => ({ next: () => delays.push(20) && 20, reset: () => undefined }),
  })
  await n2.meet(n0)
  await refusedBy(second, n0, 10509)
  await eventually(() => delays.length >= 3)
  await first.close()
  await connectedTo(second, n0)
})

test('given a back-off of the application that gives up, then that is shown, and only a change makes another attempt', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes as unknown as [TestNode, TestNode]
  const producer = n0.streams.produce(Data1)
  const consumer = n1.streams.consume(Data1, {
    backoff: () => ({ next: () => undefined, reset: () => undefined }),
  })
  await n1.meet(n0)
  await connectedTo(consumer, n0)
  await n1.host.disconnect(n0.peerId, { code: 103, name: 'UnexpectedClose' })
  await within(3_000, consumer.when().unsubscribed())
  await eventually(() => expect(statusWith(consumer, n0)?.state).toBe('closed'))
  expect(statusWith(consumer, n0)?.retryAtMs).toBeUndefined()
  n0.discovery.addTags('new')
  feed(n1, n0)
  await connectedTo(consumer, n0)
  await within(3_000, producer.when().online())
})

test('given a back-off of the application that throws, then that is logged, and the consumer reconnects all the same', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes as unknown as [TestNode, TestNode]
  n0.streams.produce(Data1)
  const consumer = n1.streams.consume(Data1, {
    backoff: () => {
      throw new Error('on purpose')
    },
  })
  await n1.meet(n0)
  await connectedTo(consumer, n0)
  await n1.host.disconnect(n0.peerId, { code: 103, name: 'UnexpectedClose' })
  await eventually(() => expect(statusWith(consumer, n0)?.attempt).toBeGreaterThan(1))
  await connectedTo(consumer, n0)
})

describe('S-21: given a producer and a consumer on one node', () => {
  test('then the consumer is subscribed without a network, and follows the producer as it closes and opens', async () => {
    await using nodes = await startNodes({ listen: [] })
    const [n0] = nodes as unknown as [TestNode]
    const consumer = n0.streams.consume(Data1)
    for (let life = 0; life < 3; life++) {
      const producer = n0.streams.produce(Data1)
      await within(2_000, producer.when().online())
      await producer.send({ n: life })
      await producer.close()
      expect(await within(2_000, consumer.recv())).toEqual({ n: life })
      await connectedTo(consumer)
    }
    expect(consumer.stats()).toMatchObject({ received: 3, lost: 0 })
  })

  test('when the consumer does not want its own node, then it is subscribed to others only', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    const consumer = n0.streams.consume(Data1, { local: false })
    const own = n0.streams.produce(Data1)
    n1.streams.produce(Data1)
    await n0.meet(n1)
    await connectedTo(consumer, n1)
    expect(own.online).toBe(false)
    expect(statusWith(consumer, n0)).toBeUndefined()
  })
})

describe('S-17: close codes', () => {
  test('given a consumer that closes, then its producer sees Cancelled', async () => {
    const logged: unknown[] = []
    const note = (message: string, fields: unknown): void => {
      if (message.includes('a consumer has gone')) logged.push(fields)
    }
    const ignore = (): void => undefined
    const logger = { debug: note, info: ignore, warn: ignore, error: ignore, child: () => logger }
    await using nodes = await startNodes({ logger }, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    const producer = n0.streams.produce(Data1)
    for (let round = 1; round <= 5; round++) {
      const consumer = n1.streams.consume(Data1)
      if (round === 1) await n1.meet(n0)
      await connectedTo(producer, n1)
      await connectedTo(consumer, n0)
      await consumer.close()
      await eventually(() => expect(logged).toHaveLength(round))
    }
    for (const fields of logged) expect(JSON.stringify(fields)).toContain('102')
  })

  test('given a producer that closes with or without datums under way, then its consumer sees GracefulShutdown, every time, and nothing is lost', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    const consumer = n1.streams.consume(Data1)
    const codes: (number | undefined)[] = []
    void (async () => {
      for await (const event of consumer.events())
        if (event.type === 'unsubscribed') codes.push(event.reason.code)
    })()
    for (let round = 1; round <= 6; round++) {
      const producer = n0.streams.produce(Data1)
      if (round === 1) await n1.meet(n0)
      else feed(n1, n0)
      await connectedTo(producer, n1)
      const count = (round % 3) * 200
      for (let n = 0; n < count; n++) producer.trySend({ n })
      await producer.close()
      for (let n = 0; n < count; n++) expect(await within(2_000, consumer.recv())).toEqual({ n })
      await eventually(() => expect(codes).toHaveLength(round))
    }
    expect(new Set(codes)).toEqual(new Set([204]))
    expect(consumer.stats().lost).toBe(0)
  })
})
