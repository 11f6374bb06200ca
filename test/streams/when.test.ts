import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { connectedTo, discoverAll, feed, freshNetwork, startNodes, statusWith, TestNode } from './support.js'

const Data1 = stream('when.data1', z.object({ text: z.string() }))

/** Whether a promise has settled by the next turns of the event loop. */
async function isSettled(promise: PromiseLike<unknown>): Promise<boolean> {
  let settled = false
  promise.then(
    () => (settled = true),
    () => (settled = true),
  )
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  return settled
}

describe('consumer/when', () => {
  test('smoke: conditions follow as producers come and go', async () => {
    const network = freshNetwork()
    await using n0 = await TestNode.start(network)
    const consumer = n0.streams.consume(Data1)
    const subscribed = consumer.when().subscribed()
    const two = consumer.when().subscribed({ min: 2 })
    const none = consumer.when().unsubscribed()
    const met = (): boolean[] => [subscribed.met, two.met, two.not().met, none.met]
    expect(met()).toEqual([false, false, true, true])
    expect(await isSettled(none)).toBe(true)
    const waiting = Promise.all([subscribed.wait(), two.wait()])

    await using n1 = await TestNode.start(network)
    n1.streams.produce(Data1)
    await n0.meet(n1)
    await within(3_000, subscribed)
    expect(met()).toEqual([true, false, true, false])

    await using n2 = await TestNode.start(network)
    n2.streams.produce(Data1)
    await n0.meet(n2)
    await within(3_000, two)
    await waiting
    expect(met()).toEqual([true, true, false, false])
    expect(await isSettled(two)).toBe(true)

    await n2[Symbol.asyncDispose]()
    await within(3_000, two.not())
    expect(met()).toEqual([true, false, true, false])

    await using n3 = await TestNode.start(network)
    n3.streams.produce(Data1)
    await n0.meet(n3)
    await within(3_000, two)
    await connectedTo(consumer, n1, n3)
  })

  test('online_when: given a consumer that needs two producers with both tags, then it is online exactly while it has them', async () => {
    const network = freshNetwork()
    await using n0 = await TestNode.start(network)
    const consumer = n0.streams.consume(Data1, { onlineWhen: { min: 2, tags: ['t1', 't2'] } })
    const joined = async (...tags: string[]): Promise<TestNode> => {
      const node = await TestNode.start(network, { tags })
      node.streams.produce(Data1)
      await n0.meet(node)
      await eventually(() => statusWith(consumer, node)?.state === 'connected')
      return node
    }
    expect(consumer.online).toBe(false)
    await using _one = await joined('t1', 't2')
    await using _half = await joined('t1')
    expect(consumer.online).toBe(false)
    await using two = await joined('t1', 't2', 't3')
    await within(3_000, consumer.when().online())
    await two[Symbol.asyncDispose]()
    await within(3_000, consumer.when().offline())
  })

  test('online_when_catalog_removal: given two trusted producers, when one loses the tag, then the consumer is offline', async () => {
    await using nodes = await startNodes({}, { tags: ['trusted'] }, { tags: ['trusted'] })
    const [n0, n1, n2] = nodes
    n1!.streams.produce(Data1)
    n2!.streams.produce(Data1)
    const consumer = n0!.streams.consume(Data1, {
      require: ({ tags }) => tags.includes('trusted'),
      onlineWhen: 2,
    })
    await discoverAll(nodes)
    await within(3_000, consumer.when().online())
    n2!.discovery.removeTags('trusted')
    feed(n0!, n2!)
    await within(3_000, consumer.when().offline())
  })

  test('online_when_default_is_immediate: given a default consumer without producers, then it is online at once', async () => {
    await using nodes = await startNodes({})
    const consumer = nodes[0]!.streams.consume(Data1)
    expect(consumer.online).toBe(true)
    await within(1_000, consumer.when().online())
  })
})

describe('producer/when', () => {
  test('smoke: conditions follow as consumers come and go', async () => {
    const network = freshNetwork()
    await using n0 = await TestNode.start(network)
    const producer = n0.streams.produce(Data1)
    const subscribed = producer.when().subscribed()
    const two = producer.when().subscribed({ min: 2 })
    const tagged = producer.when().subscribed({ tags: ['special'] })
    const none = producer.when().unsubscribed()
    const met = (): boolean[] => [subscribed.met, two.met, tagged.met, none.met]
    expect(met()).toEqual([false, false, false, true])

    await using n1 = await TestNode.start(network)
    n1.streams.consume(Data1)
    await n1.meet(n0)
    await within(3_000, subscribed)
    expect(met()).toEqual([true, false, false, false])
    await using n2 = await TestNode.start(network, { tags: ['special'] })
    n2.streams.consume(Data1)
    await n2.meet(n0)
    await within(3_000, two)
    expect(met()).toEqual([true, true, true, false])
    await n2[Symbol.asyncDispose]()
    await within(3_000, two.not())
    expect(met()).toEqual([true, false, false, false])
    await using n3 = await TestNode.start(network)
    n3.streams.consume(Data1)
    await n3.meet(n0)
    await within(3_000, two)
    await connectedTo(producer, n1, n3)
  })

  test('send_fails_if_offline: given no consumer, then send waits and trySend hands the datum back; when one subscribes, then both work; when it is gone, then the producer is offline again', async () => {
    const network = freshNetwork()
    await using n0 = await TestNode.start(network)
    const producer = n0.streams.produce(Data1)
    const datum = { text: 'early' }
    expect(() => producer.trySend(datum)).toThrow(
      expect.objectContaining({ code: 'PRODUCER_OFFLINE', datum }),
    )
    const early = producer.send(datum)
    expect(await isSettled(early)).toBe(false)
    expect(producer.stats().waiting).toBe(1)

    await using n1 = await TestNode.start(network)
    const consumer = n1.streams.consume(Data1)
    await n1.meet(n0)
    await within(2_000, producer.when().online())
    // The one that waited while there was nobody is woken by the first who comes.
    await within(2_000, early)
    producer.trySend({ text: 'late' })
    expect(await within(2_000, consumer.recv())).toEqual({ text: 'early' })
    expect(await within(2_000, consumer.recv())).toEqual({ text: 'late' })
    expect(producer.subscriptions.value.map((status) => [status.producer, status.consumer])).toEqual([
      [n0.peerId, n1.peerId],
    ])
    expect(consumer.subscriptions.value.map((status) => [status.producer, status.consumer])).toEqual([
      [n0.peerId, n1.peerId],
    ])

    await n1[Symbol.asyncDispose]()
    await within(2_000, producer.when().offline())
    expect(producer.subscriptions.value).toEqual([])
    expect(() => producer.trySend(datum)).toThrow(expect.objectContaining({ code: 'PRODUCER_OFFLINE' }))
  })

  test('a send that waits while offline can be withdrawn, and then nobody receives it', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1)
    const abort = new AbortController()
    const withdrawn = producer.send({ text: 'withdrawn' }, { signal: abort.signal })
    const kept = producer.send({ text: 'kept' })
    abort.abort(new Error('changed my mind'))
    await expect(withdrawn).rejects.toThrow('changed my mind')
    const consumer = n1!.streams.consume(Data1)
    await n1!.meet(n0!)
    await within(3_000, kept)
    expect(await within(3_000, consumer.recv())).toEqual({ text: 'kept' })
    expect(consumer.tryRecv()).toBeUndefined()
  })
})

test('a tag that the other end gains or loses while it is subscribed counts at once, on both sides', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  const producer = n0!.streams.produce(Data1, { onlineWhen: { tags: ['ready'] } })
  const consumer = n1!.streams.consume(Data1, { onlineWhen: { tags: ['ready'] } })
  await n1!.meet(n0!)
  await within(3_000, producer.when().subscribed())
  await within(3_000, consumer.when().subscribed())
  expect([producer.online, consumer.online]).toEqual([false, false])
  for (const [node, other, end] of [
    [n1!, n0!, producer],
    [n0!, n1!, consumer],
  ] as const) {
    node.discovery.addTags('ready')
    feed(other, node)
    await within(3_000, end.when().online())
    node.discovery.removeTags('ready')
    feed(other, node)
    await within(3_000, end.when().offline())
    expect(end.when().subscribed().met).toBe(true)
  }
})

describe('when() after the end', () => {
  test('waits reject with ENDED, also those that began before; offline is met; a receiver is told that it is over', async () => {
    await using nodes = await startNodes({})
    const [n0] = nodes
    const producer = n0!.streams.produce(Data1)
    const consumer = n0!.streams.consume(stream('when.other', z.string()), { onlineWhen: 1 })
    const pending = [
      producer.when().online(),
      producer.when().subscribed({ min: 3 }),
      consumer.when().online(),
    ].map((condition) => condition.wait())
    const receiving = consumer.recv()
    const outcomes = Promise.allSettled(pending)
    await Promise.all([producer.close(), consumer.close()])
    for (const outcome of await within(1_000, outcomes)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ENDED' } })
    }
    expect(await within(1_000, receiving)).toBeUndefined()
    await expect(producer.when().online().wait()).rejects.toMatchObject({ code: 'ENDED' })
    await within(1_000, producer.when().offline())
    await within(1_000, consumer.when().offline())
    expect([producer.online, consumer.online]).toEqual([false, false])
    expect(() => producer.trySend({ text: 'x' })).toThrow(
      expect.objectContaining({ code: 'PRODUCER_CLOSED' }),
    )
    await expect(producer.send({ text: 'x' })).rejects.toMatchObject({
      code: 'PRODUCER_CLOSED',
      datum: { text: 'x' },
    })
    await expect(producer.drain()).rejects.toMatchObject({ code: 'PRODUCER_CLOSED' })
  })

  test('what was online is offline from the moment at which it is closed', async () => {
    await using nodes = await startNodes({})
    const producer = nodes[0]!.streams.produce(Data1, { onlineWhen: 0 })
    const consumer = nodes[0]!.streams.consume(Data1)
    expect([producer.online, consumer.online]).toEqual([true, true])
    const closing = [producer.close(), consumer.close()]
    expect([producer.online, consumer.online]).toEqual([false, false])
    await Promise.all(closing)
    expect([producer.online, consumer.online]).toEqual([false, false])
  })

  test('a send that waits is rejected with its datum when the producer closes', async () => {
    await using nodes = await startNodes({})
    const producer = nodes[0]!.streams.produce(Data1)
    const waiting = producer.send({ text: 'x' })
    const outcome = expect(waiting).rejects.toMatchObject({ code: 'PRODUCER_CLOSED', datum: { text: 'x' } })
    await producer.close()
    await outcome
  })
})
