import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import {
  stream,
  type Consumer,
  type Envelope,
  type OverflowPolicy,
  type ProducerOptions,
} from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { connectedTo, startNodes, statusWith, take, type TestNode } from './support.js'

const Numbered = stream('overflow.numbered', z.object({ n: z.number(), pad: z.string() }))
const pad = 'x'.repeat(1_000)

/** One producer, and one consumer whose window lets a single datum through until the application takes it. */
async function pair(nodes: readonly TestNode[], options: ProducerOptions, consumerNode = 1) {
  const producer = nodes[0]!.streams.produce(Numbered, options)
  const consumer = nodes[consumerNode]!.streams.consume(Numbered, { windowBytes: 1, backoff: { maxMs: 500 } })
  await nodes[consumerNode]!.meet(nodes[0]!)
  await within(5_000, consumer.when().subscribed())
  return { producer, consumer }
}

/** What a consumer gets until it has accounted for all of so many datums. */
async function account(consumer: Consumer<{ n: number }>, total: number): Promise<Envelope<{ n: number }>[]> {
  const envelopes: Envelope<{ n: number }>[] = []
  let accounted = 0
  for await (const envelope of consumer.envelopes()) {
    expect(envelope.sequence).toBe(accounted + envelope.lostBefore)
    expect(envelope.datum.n).toBe(envelope.sequence)
    accounted += envelope.lostBefore + 1
    envelopes.push(envelope)
    if (accounted === total) break
  }
  return envelopes
}

describe('a consumer that does not read', () => {
  test('block: the producer waits, its queue stays bounded, and nothing is lost', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, consumer } = await pair(nodes, { queue: 4 })
    let accepted = 0
    const sending = (async () => {
      for (let n = 0; n < 50; n++) {
        await producer.send({ n, pad })
        accepted++
      }
    })()
    // One is with the consumer, four are queued.
    await eventually(() => {
      expect(accepted).toBe(5)
      expect(producer.stats()).toMatchObject({ waiting: 1, queued: { datums: 4 } })
    })
    expect(() => producer.trySend({ n: -1, pad })).toThrow(expect.objectContaining({ code: 'PRODUCER_FULL' }))
    expect(await within(10_000, take(consumer, 50))).toEqual(
      Array.from({ length: 50 }, (_, n) => ({ n, pad })),
    )
    await sending
    expect(producer.stats().dropped).toBe(0)
    expect(consumer.stats()).toMatchObject({ lost: 0, gaps: 0 })
  })

  test('drop-oldest: the consumer gets the newest, and knows how many it missed', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, consumer } = await pair(nodes, { queue: 4, overflow: 'drop-oldest' })
    for (let n = 0; n < 100; n++) await producer.send({ n, pad })
    const envelopes = await within(10_000, account(consumer, 100))
    expect(envelopes.at(-1)?.datum.n).toBe(99)
    expect(envelopes.length).toBeLessThan(20)
    const lost = 100 - envelopes.length
    expect(producer.stats().dropped).toBe(lost)
    expect(consumer.stats()).toMatchObject({ lost, received: envelopes.length })
    expect(statusWith(consumer, nodes[0]!)?.dropped).toBe(lost)
  })

  test('drop-newest: the consumer gets the oldest, and is told of the loss behind them although no datum follows', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, consumer } = await pair(nodes, { queue: 4, overflow: 'drop-newest' })
    for (let n = 0; n < 100; n++) await producer.send({ n, pad })
    const dropped = producer.stats().dropped
    expect(dropped).toBeGreaterThan(80)
    const received = await within(5_000, take(consumer, 100 - dropped))
    expect(received.map(({ n }) => n)).toEqual(Array.from({ length: 100 - dropped }, (_, n) => n))
    await eventually(() => expect(consumer.stats()).toMatchObject({ lost: dropped, gaps: 1 }))
    // The one that comes next says what was lost before it.
    await producer.send({ n: 100, pad })
    for await (const envelope of consumer.envelopes()) {
      expect(envelope).toMatchObject({ sequence: 100, lostBefore: dropped })
      break
    }
  })

  test('disconnect: the consumer is closed with TooSlow, comes back, and knows what it missed meanwhile', async () => {
    await using nodes = await startNodes({}, {})
    const { producer, consumer } = await pair(nodes, { queue: 4, overflow: 'disconnect' })
    let n = 0
    while (producer.online) await producer.send({ n: n++, pad }, { signal: AbortSignal.timeout(5_000) })
    await eventually(() => expect(statusWith(consumer, nodes[0]!)?.lastClose).toMatchObject({ code: 10413 }))
    await within(5_000, producer.when().online())
    await producer.send({ n: n++, pad })
    const envelopes = await within(5_000, account(consumer, n))
    expect(envelopes.at(-1)?.datum.n).toBe(n - 1)
    expect(consumer.stats().lost).toBe(n - envelopes.length)
    expect(statusWith(consumer, nodes[0]!)?.attempt).toBeGreaterThan(1)
  })

  test.each(['drop-oldest', 'drop-newest', 'disconnect'] satisfies OverflowPolicy[])(
    '%s: does not hold up another consumer',
    async (overflow) => {
      await using nodes = await startNodes({}, {}, {})
      const { producer } = await pair(nodes, { queue: 8, overflow })
      const quick = nodes[2]!.streams.consume(Numbered)
      await nodes[2]!.meet(nodes[0]!)
      await within(5_000, quick.when().subscribed())
      for (let n = 0; n < 100; n++) {
        await producer.send({ n, pad })
        expect(await within(5_000, quick.recv())).toEqual({ n, pad })
      }
      expect(quick.stats().lost).toBe(0)
    },
  )

  test('block: one that goes away releases those who wait for it', async () => {
    await using nodes = await startNodes({}, {}, {})
    const { producer, consumer } = await pair(nodes, { queue: 1 })
    const quick = nodes[2]!.streams.consume(Numbered)
    await nodes[2]!.meet(nodes[0]!)
    await within(5_000, quick.when().subscribed())
    const sends: Promise<void>[] = []
    for (let n = 0; n < 10; n++) sends.push(producer.send({ n, pad }))
    await eventually(() => expect(producer.stats().waiting).toBeGreaterThan(0))
    await consumer.close()
    await within(5_000, Promise.all(sends))
    expect((await within(5_000, take(quick, 10))).map(({ n }) => n)).toEqual([...sends.keys()])
    expect(producer.stats().dropped).toBeGreaterThan(0)
  })
})

describe('tiny buffers', () => {
  test('queue 1, one byte of queue and window: everything arrives in order', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Numbered, { queue: 1, queueBytes: 1 })
    const consumer = nodes[1]!.streams.consume(Numbered, { windowBytes: 1 })
    await nodes[1]!.meet(nodes[0]!)
    await connectedTo(consumer, nodes[0]!)
    const receiving = take(consumer, 100)
    for (let n = 0; n < 100; n++) await producer.send({ n, pad: '' })
    expect((await within(10_000, receiving)).map(({ n }) => n)).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    )
  })

  test('1024 sends may wait; the next one is refused and handed back', async () => {
    await using nodes = await startNodes({})
    const producer = nodes[0]!.streams.produce(Numbered)
    const sends = Array.from({ length: 1024 }, (_, n) => producer.send({ n, pad: '' }))
    const outcomes = Promise.allSettled(sends)
    await expect(producer.send({ n: 1024, pad: '' })).rejects.toMatchObject({
      code: 'PRODUCER_FULL',
      datum: { n: 1024 },
    })
    await producer.close()
    expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true)
  })
})
