import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { CloseReasons, type CloseReason, type Link } from '#framework/network'
import { shortId } from '#framework/primitives'
import { stream, type OverflowPolicy, type ProducerOptions } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { next, open, request } from './scripted-consumer.js'
import { startNodes, take, type TestNode } from './support.js'

const Numbered = stream('ack.numbered', z.object({ n: z.number() }))

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

async function receive(link: Link, count: number): Promise<number[]> {
  const received: number[] = []
  while (received.length < count) {
    const frame = await next(link)
    if ('datums' in frame) received.push(...frame.datums.map((datum) => (datum as { n: number }).n))
  }
  return received
}

function credit(sequence: number, acked: number) {
  return { kind: 'credit', bytes: 1_000_000, sequence, acked }
}

/** A producer with acknowledgement and a consumer that has received so many datums, and acknowledged those below `acked`. */
async function served(
  nodes: readonly TestNode[],
  {
    count,
    acked,
    durable = false,
    ...options
  }: ProducerOptions & { count: number; acked: number; durable?: boolean },
) {
  const [n0, n1] = nodes
  const producer = n0!.streams.produce(Numbered, { ack: true, ...options })
  const link = await open(n1!, n0!, request(Numbered, n1!, { durable }))
  const { epoch } = link.acceptPayload as { epoch: string }
  for (let n = 0; n < count; n++) await producer.send({ n })
  expect(await receive(link, count)).toEqual(numbers(0, count))
  await link.send(credit(count, acked))
  const reconnect = (changes: Record<string, unknown> = {}): Promise<Link> =>
    open(n1!, n0!, request(Numbered, n1!, { attempt: 2, durable, ...changes }))
  const end = async (reason: CloseReason): Promise<void> => {
    await link.close(reason)
    await eventually(() => expect(producer.subscriptions.value).toEqual([]))
  }
  return { producer, link, epoch, reconnect, end }
}

function startOf(link: Link): number {
  return (link.acceptPayload as { sequence: number }).sequence
}

describe('what is not acknowledged', () => {
  test('counts towards the queue, so that a consumer that acknowledges nothing holds up sends', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, link } = await served(nodes, { count: 4, acked: 0, queue: 4 })
    const sending = producer.send({ n: 4 })
    await eventually(() => expect(producer.stats()).toMatchObject({ waiting: 1, queued: { datums: 4 } }))
    await link.send(credit(4, 1))
    await within(5_000, sending)
    expect(await receive(link, 1)).toEqual([4])
  })

  test('is not asked for by a producer without ack, and a consumer of such a one need say nothing', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Numbered, { queue: 2 })
    const link = await open(n1!, n0!, request(Numbered, n1!))
    expect(link.acceptPayload).not.toHaveProperty('ack')
    for (let n = 0; n < 10; n++) await within(5_000, producer.send({ n }))
    expect(await receive(link, 10)).toEqual(numbers(0, 10))
  })
})

describe('given a consumer whose link is lost', () => {
  test('when it comes back with nothing, then it gets again what it has not acknowledged', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, end, reconnect } = await served(nodes, { count: 10, acked: 4 })
    await end(CloseReasons.UnexpectedClose)
    const link = await reconnect()
    expect(startOf(link)).toBe(4)
    expect(await receive(link, 6)).toEqual(numbers(4, 10))
    await eventually(() => expect(valueOf(nodes[0]!, 'mosaik_stream_redelivered_items_total')).toBe(6))
    expect(producer.stats().dropped).toBe(0)
  })

  test('when it comes back with what it had received, then it gets what comes after, and what it had still counts', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, end, epoch, reconnect } = await served(nodes, {
      count: 10,
      acked: 4,
      queue: 10,
      onlineWhen: 0,
    })
    await end(CloseReasons.UnexpectedClose)
    for (let n = 10; n < 14; n++) await producer.send({ n })
    const link = await reconnect({ resume: { epoch, sequence: 10 } })
    expect(startOf(link)).toBe(10)
    expect(await receive(link, 4)).toEqual(numbers(10, 14))
    const sending = producer.send({ n: 14 })
    expect(producer.stats()).toMatchObject({ waiting: 1, queued: { datums: 10 } })
    await link.send(credit(10, 10))
    await within(5_000, sending)
    expect(await receive(link, 1)).toEqual([14])
  })

  test.each(['block', 'drop-oldest', 'drop-newest', 'disconnect'] satisfies OverflowPolicy[])(
    'under %s, when datums are sent meanwhile, then it gets them after those that it has not acknowledged',
    async (overflow) => {
      await using nodes = await startNodes({}, {})
      const { producer, end, reconnect } = await served(nodes, {
        count: 10,
        acked: 4,
        overflow,
        onlineWhen: 0,
      })
      await end(CloseReasons.UnexpectedClose)
      for (let n = 10; n < 20; n++) await producer.send({ n })
      const link = await reconnect()
      expect(await receive(link, 16)).toEqual(numbers(4, 20))
    },
  )

  test('under block, when its place is full, then sends wait until it is back', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, end, reconnect } = await served(nodes, { count: 3, acked: 0, queue: 4, onlineWhen: 0 })
    await end(CloseReasons.UnexpectedClose)
    await producer.send({ n: 3 })
    const sending = producer.send({ n: 4 })
    const full = { datums: 4, bytes: expect.any(Number) }
    await eventually(() => expect(producer.stats()).toMatchObject({ waiting: 1, held: 1, queued: full }))
    const link = await reconnect()
    expect(producer.stats().held).toBe(0)
    expect(await receive(link, 4)).toEqual(numbers(0, 4))
    await link.send(credit(4, 4))
    await within(5_000, sending)
    expect(await receive(link, 1)).toEqual([4])
  })

  test('when it is not back in time, then its place is given up, what it held is dropped, and sends go on', async () => {
    await using nodes = await startNodes({}, {})
    const options = { count: 3, acked: 1, queue: 3, onlineWhen: 0, ack: { holdMs: 300 } }
    const { producer, end, reconnect } = await served(nodes, options)
    await end(CloseReasons.UnexpectedClose)
    const sends = [3, 4, 5].map((n) => producer.send({ n }))
    await within(5_000, Promise.all(sends))
    // Two that were not acknowledged, and one that found room before the place was given up.
    expect(producer.stats().dropped).toBe(3)
    expect(valueOf(nodes[0]!, 'mosaik_stream_dropped_items_total', { cause: 'disconnected' })).toBe(3)
    expect(startOf(await reconnect())).toBe(6)
  })

  test('under disconnect, when its place is full, then it is given up at once', async () => {
    await using nodes = await startNodes({}, {})
    const options = { count: 3, acked: 0, queue: 3, overflow: 'disconnect', onlineWhen: 0 } as const
    const { producer, end, reconnect } = await served(nodes, options)
    await end(CloseReasons.UnexpectedClose)
    await producer.send({ n: 3 })
    expect(producer.stats().dropped).toBe(4)
    expect(startOf(await reconnect())).toBe(4)
  })
})

test('under disconnect, given a consumer that acknowledges too little, then it is closed with TooSlow, and its place is not kept', async () => {
  await using nodes = await startNodes({}, {})
  const options = { count: 4, acked: 0, queue: 4, overflow: 'disconnect', onlineWhen: 0 } as const
  const { producer, link, reconnect } = await served(nodes, options)
  await producer.send({ n: 4 })
  expect(await within(3_000, link.closed)).toMatchObject({ code: 10413 })
  await eventually(() => expect(producer.stats()).toMatchObject({ held: 0, dropped: 1 }))
  expect(startOf(await reconnect())).toBe(5)
})

describe('given a consumer that ends its subscription', () => {
  test.each<[string, CloseReason, { durable: boolean; isKept: boolean }]>([
    ['a consumer says goodbye', CloseReasons.Cancelled, { durable: false, isKept: false }],
    ['a consumer with a name says goodbye', CloseReasons.Cancelled, { durable: true, isKept: true }],
    ['a consumer breaks the protocol', CloseReasons.ProtocolViolation, { durable: true, isKept: false }],
    ['a link fails', CloseReasons.UnexpectedClose, { durable: false, isKept: true }],
  ])('%s', async (_, reason, { durable, isKept }) => {
    await using nodes = await startNodes({}, {})
    const { producer, end, reconnect } = await served(nodes, { count: 5, acked: 2, durable })
    await end(reason)
    expect(startOf(await reconnect())).toBe(isKept ? 2 : 5)
    // What was written is not known to be lost.
    expect(producer.stats().dropped).toBe(0)
  })

  test('given a peer that leaves the catalog, then its subscription is ended, and its place is kept', async () => {
    await using nodes = await startNodes({ discovery: { meshPeers: 0 } }, { discovery: { meshPeers: 0 } })
    const { producer, link } = await served(nodes, { count: 5, acked: 2 })
    await eventually(() => expect(producer.stats().queued.datums).toBe(3))
    const departure = nodes[1]!.discovery.close()
    expect(await within(5_000, link.closed)).toMatchObject({ code: 401 })
    await departure
    expect(producer.subscriptions.value).toEqual([])
    expect(producer.stats()).toMatchObject({ held: 1, queued: { datums: 3 }, dropped: 0 })
  })

  test('a later attempt of a consumer that is still served goes on where the earlier one was', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, link, reconnect } = await served(nodes, { count: 5, acked: 2 })
    const second = await reconnect()
    expect(await within(3_000, link.closed)).toMatchObject({ code: 102 })
    expect(await receive(second, 3)).toEqual([2, 3, 4])
    expect(producer.subscriptions.value).toHaveLength(1)
  })
})

test('given a consumer that comes back and asks for another selection, then its place is given up, and counted', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, end, reconnect } = await served(nodes, { count: 5, acked: 2 })
  await end(CloseReasons.UnexpectedClose)
  const link = await reconnect({ criteria: { n: { $gte: 10 } } })
  expect(startOf(link)).toBe(5)
  expect(producer.stats()).toMatchObject({ dropped: 3, held: 0 })
})

test('given a selection, when its consumer comes back, then it gets again of it what it has not acknowledged', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  const producer = n0!.streams.produce(Numbered, { ack: true })
  const consumer = n1!.streams.consume(Numbered, {
    criteria: { n: { $in: [2, 4, 6, 8] } },
    name: 'even',
    ack: 'manual',
  })
  await n1!.meet(n0!)
  await within(5_000, consumer.when().subscribed())
  for (let n = 0; n < 10; n++) await producer.send({ n })
  expect((await within(5_000, take(consumer, 4))).map(({ n }) => n)).toEqual([2, 4, 6, 8])
  await consumer.close()
  await eventually(() => expect(producer.subscriptions.value).toEqual([]))
  // For another one, so that the send does not wait until somebody is subscribed.
  await using other = n0!.streams.consume(Numbered)
  await within(5_000, other.when().subscribed())
  await producer.send({ n: 4 })
  const again = n1!.streams.consume(Numbered, { criteria: { n: { $in: [2, 4, 6, 8] } }, name: 'even' })
  await within(5_000, again.when().subscribed())
  await producer.send({ n: 10 })
  await producer.send({ n: 2 })
  expect((await within(5_000, take(again, 6))).map(({ n }) => n)).toEqual([2, 4, 6, 8, 4, 2])
  expect(again.stats()).toMatchObject({ lost: 0 })
  const stream = shortId(Numbered.id)
  expect(valueOf(n0!, 'mosaik_stream_redelivered_items_total', { stream })).toBe(4)
  expect(valueOf(n0!, 'mosaik_stream_replayed_items_total', { stream })).toBe(1)
})

test('given places that are kept, when the producer closes, then what they hold is counted as dropped', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, end } = await served(nodes, { count: 5, acked: 2 })
  await end(CloseReasons.UnexpectedClose)
  await within(5_000, producer.close())
  expect(producer.stats().dropped).toBe(3)
})

describe('with real consumers', () => {
  test('given a consumer with a name, when its node is started again with the same identity, then it gets what the one before has not taken', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Numbered, { ack: true })
    const first = n1!.streams.consume(Numbered, { name: 'books', ack: 'manual' })
    await n1!.meet(n0!)
    await within(5_000, first.when().subscribed())
    for (let n = 0; n < 10; n++) await producer.send({ n })
    let acknowledged = 0
    for await (const envelope of first.envelopes()) {
      if (envelope.datum.n === 9) break
      if (envelope.datum.n < 4) first.ack(envelope)
      acknowledged++
    }
    expect(acknowledged).toBe(9)
    await first.close()
    const second = n1!.streams.consume(Numbered, { name: 'books' })
    await within(5_000, second.when().subscribed())
    expect((await within(5_000, take(second, 6))).map(({ n }) => n)).toEqual(numbers(4, 10))
  })

  test('given a queue of four, when a consumer takes many, then acknowledgements keep the stream going', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Numbered, { ack: true, queue: 4 })
    const consumer = n1!.streams.consume(Numbered)
    await n1!.meet(n0!)
    await within(5_000, consumer.when().subscribed())
    const taking = take(consumer, 200)
    for (let n = 0; n < 200; n++) await within(5_000, producer.send({ n }))
    expect((await within(5_000, taking)).map(({ n }) => n)).toEqual(numbers(0, 200))
  })

  test.each(['drop-oldest', 'drop-newest'] as const)(
    'under %s, given a consumer with a name that is away while datums are given up, when it is started again, then it is told of each that it will not get',
    async (overflow) => {
      await using nodes = await startNodes({}, {})
      const [n0, n1] = nodes
      const producer = n0!.streams.produce(Numbered, { ack: true, overflow, queue: 10 })
      const first = n1!.streams.consume(Numbered, { name: 'books', ack: 'manual' })
      await n1!.meet(n0!)
      await within(5_000, producer.when().subscribed())
      for (let n = 0; n < 5; n++) await producer.send({ n })
      await within(5_000, take(first, 5))
      await first.close()
      await eventually(() => expect(producer.subscriptions.value).toEqual([]))
      // For others, so that sends do not wait until somebody is subscribed.
      await using other = n0!.streams.consume(Numbered)
      await within(5_000, producer.when().subscribed())
      for (let n = 5; n < 40; n++) {
        await producer.send({ n })
        await within(5_000, take(other, 1))
      }

      const second = n1!.streams.consume(Numbered, { name: 'books', ack: 'manual' })
      const events = second.events()[Symbol.asyncIterator]()
      const received = await within(5_000, take(second, 10))
      await eventually(() => expect(second.stats()).toMatchObject({ received: 10, lost: 30 }))
      const kept = overflow === 'drop-oldest' ? numbers(30, 40) : numbers(0, 10)
      expect(received.map(({ n }) => n)).toEqual(kept)
      expect(producer.stats().dropped).toBe(30)
      for (let told = 0; told < 30;) {
        const { value: event } = await within(5_000, events.next())
        if (event.type === 'gap') told += event.count
      }
    },
  )

  test('under drop-oldest, given a consumer that acknowledges nothing, then what it has got does not count as dropped', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Numbered, { ack: true, overflow: 'drop-oldest', queue: 10 })
    const consumer = n1!.streams.consume(Numbered, { ack: 'manual' })
    await n1!.meet(n0!)
    await within(5_000, producer.when().subscribed())
    for (let n = 0; n < 100; n++) {
      await producer.send({ n })
      await within(5_000, take(consumer, 1))
    }
    expect(consumer.stats()).toMatchObject({ received: 100, lost: 0 })
    expect(producer.stats()).toMatchObject({ sent: 100, dropped: 0 })
  })
})

function valueOf(node: TestNode, metric: string, labels: Record<string, string> = {}): number | undefined {
  return node.host.metrics.value(metric, { stream: shortId(Numbered.id), ...labels })
}
