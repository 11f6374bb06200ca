// S-16: criteria that are evaluated at the producer, between nodes.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { ManualClock } from '#framework/primitives'
import { stream, type Consumer, type Envelope, type OverflowPolicy } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { next, open, request } from './scripted-consumer.js'
import { connectedTo, startNodes, take } from './support.js'

const Orders = stream(
  'criteria.orders',
  z.object({ n: z.number(), side: z.enum(['buy', 'sell']), pad: z.string().default('') }),
)
const pad = 'x'.repeat(1_000)

function order(n: number): { n: number; side: 'buy' | 'sell'; pad: string } {
  return { n, side: n % 3 === 0 ? 'buy' : 'sell', pad }
}

/** What a consumer gets and misses until it has heard of a datum. */
async function upTo(consumer: Consumer<{ n: number }>, last: number): Promise<Envelope<{ n: number }>[]> {
  const envelopes: Envelope<{ n: number }>[] = []
  for await (const envelope of consumer.envelopes()) {
    envelopes.push(envelope)
    if (envelope.sequence >= last) break
  }
  return envelopes
}

describe('S-16: criteria', () => {
  test('given consumers that want different things, then each gets what it wants, and nothing counts as lost', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(Orders, { onlineWhen: 4 })
    const buys = n1!.streams.consume(Orders, { criteria: { side: 'buy' } })
    const late = n2!.streams.consume(Orders, { criteria: { n: { $gte: 90 } } })
    const all = n2!.streams.consume(Orders)
    const local = n0!.streams.consume(Orders, { criteria: { n: { $in: [7, 8] } } })
    await n1!.meet(n0!)
    await n2!.meet(n0!)
    await within(5_000, producer.when().online())
    for (let n = 0; n < 100; n++) await producer.send(order(n))
    const multiples = Array.from({ length: 34 }, (_, index) => 3 * index)
    const envelopes = await within(5_000, upTo(buys, 99))
    expect(envelopes.map(({ datum, sequence, lostBefore }) => [datum.n, sequence, lostBefore])).toEqual(
      multiples.map((n) => [n, n, 0]),
    )
    expect((await within(5_000, take(late, 10))).map(({ n }) => n)).toEqual(
      [...multiples.keys()].slice(0, 10).map((n) => 90 + n),
    )
    expect(await within(5_000, take(all, 100))).toHaveLength(100)
    expect((await within(5_000, take(local, 2))).map(({ n }) => n)).toEqual([7, 8])
    await within(5_000, producer.drain())
    for (const consumer of [buys, late, all, local])
      expect(consumer.stats()).toMatchObject({ lost: 0, gaps: 0 })
    expect(producer.stats()).toMatchObject({ sent: 34 + 10 + 100 + 2, dropped: 0, undelivered: 0 })
    const filtered = n0!.host.metrics
      .render()
      .split('\n')
      .find((line) => line.startsWith('mosaik_stream_filtered_items_total{'))
    expect(filtered).toMatch(/ 254$/)
  })

  test('given nothing that a consumer wants, when the producer drains, then the consumer has taken everything, and lost nothing', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Orders)
    const consumer = n1!.streams.consume(Orders, { criteria: { n: -1 } })
    await n1!.meet(n0!)
    await within(5_000, producer.when().online())
    for (let n = 0; n < 5_000; n++) await producer.send({ n, side: 'buy', pad: '' })
    await within(5_000, producer.drain())
    expect(consumer.stats()).toMatchObject({ received: 0, lost: 0, gaps: 0 })
    expect(producer.stats()).toMatchObject({ sent: 0, undelivered: 5_000 })
    await producer.close()
    await eventually(() => expect(consumer.subscriptions.value).toEqual([]))
    expect(consumer.stats()).toMatchObject({ lost: 0, gaps: 0 })
  })

  test.each(['drop-oldest', 'drop-newest'] satisfies OverflowPolicy[])(
    '%s: given a slow consumer, then it knows exactly how many of those that it wants are lost',
    async (overflow) => {
      await using nodes = await startNodes({}, {})
      const [n0, n1] = nodes
      const producer = n0!.streams.produce(Orders, { overflow, queue: 4 })
      const consumer = n1!.streams.consume(Orders, { criteria: { side: 'buy' }, windowBytes: 1 })
      await n1!.meet(n0!)
      await within(5_000, producer.when().online())
      for (let n = 0; n < 300; n++) await producer.send(order(n))
      const { dropped } = producer.stats()
      expect(dropped).toBeGreaterThan(80)
      const received = await within(10_000, take(consumer, 100 - dropped))
      expect(received.every(({ side }) => side === 'buy')).toBe(true)
      await eventually(() =>
        expect(consumer.stats()).toMatchObject({ received: 100 - dropped, lost: dropped }),
      )
      await within(5_000, producer.drain())
      expect(consumer.stats().lost).toBe(dropped)
    },
  )

  test('disconnect: given a full queue, then what the consumer does not want is no reason to close it', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Orders, { overflow: 'disconnect', queue: 1 })
    const consumer = n1!.streams.consume(Orders, { criteria: { side: 'buy' }, windowBytes: 1 })
    await n1!.meet(n0!)
    await within(5_000, producer.when().online())
    producer.trySend({ n: 0, side: 'buy', pad })
    await eventually(() => expect(producer.stats()).toMatchObject({ sent: 1 }))
    producer.trySend({ n: 1, side: 'buy', pad })
    for (let n = 2; n < 10; n++) producer.trySend({ n, side: 'sell', pad })
    expect(producer.subscriptions.value).toHaveLength(1)
    expect((await within(5_000, take(consumer, 2))).map(({ n }) => n)).toEqual([0, 1])
    expect(producer.stats()).toMatchObject({ dropped: 0 })
    await eventually(() => expect(producer.stats().queued.datums).toBe(0))
    producer.trySend({ n: 10, side: 'buy', pad })
    await within(5_000, take(consumer, 1))
    expect(n0!.host.metrics.render()).not.toMatch(/mosaik_stream_slow_disconnects_total\{.*\} [1-9]/)
  })

  test('given a replay, when a consumer comes late, then it gets what it wants of it', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Orders, { replay: { last: 3_000 }, onlineWhen: 0 })
    for (let n = 0; n < 3_000; n++)
      await producer.send({ n, side: n === 7 || n === 2_999 ? 'buy' : 'sell', pad: '' })
    const consumer = n1!.streams.consume(Orders, { criteria: { side: 'buy' } })
    await n1!.meet(n0!)
    expect((await within(5_000, take(consumer, 2))).map(({ n }) => n)).toEqual([7, 2_999])
    await producer.send({ n: 3_000, side: 'buy', pad: '' })
    expect((await within(5_000, take(consumer, 1))).map(({ n }) => n)).toEqual([3_000])
    await within(5_000, producer.drain())
    expect(consumer.stats()).toMatchObject({ lost: 0, gaps: 0 })
  })

  test('that make no sense are refused at the consumer, before anything is announced', async () => {
    await using nodes = await startNodes({})
    const { streams, discovery } = nodes[0]!
    const invalid = expect.objectContaining({ code: 'STREAM_CRITERIA_INVALID' })
    const criteria = { n: { $above: 1 } } as unknown as { n: number }
    expect(() => streams.consume(Orders, { criteria })).toThrow(invalid)
    expect(discovery.me.consumes).toEqual([])
    expect(() =>
      stream('criteria.defaults', z.object({ n: z.number() }), { consumer: { criteria } }),
    ).toThrow(invalid)
  })
})

describe('S-16: criteria on the wire', () => {
  test('that make no sense are refused with ProtocolViolation, which says where', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    n0!.streams.produce(Orders)
    const opening = open(n1!, n0!, request(Orders, n1!, { criteria: { side: { $regex: '.*' } } }))
    await expect(opening).rejects.toMatchObject({
      reason: { code: 400, message: expect.stringMatching(/criteria, at \/side\/\$regex/) },
    })
  })

  test('given a few datums that are not wanted, then the consumer is told once, after a second', async () => {
    const clock = new ManualClock()
    await using nodes = await startNodes({ clock }, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Orders)
    const link = await open(n1!, n0!, request(Orders, n1!, { criteria: { side: 'buy' } }))
    await connectedTo(producer, n1!)
    for (let n = 0; n < 3; n++) {
      await producer.send({ n, side: 'sell', pad })
      await eventually(() => expect(clock.pendingCount).toBe(1))
    }
    clock.advance(1_000)
    expect(await next(link)).toEqual({ kind: 'gap', sequence: 3, lost: 0 })
    expect(clock.pendingCount).toBe(0)
    await producer.send({ n: 3, side: 'buy', pad })
    const frame = await link.recv({ timeoutMs: 5_000 })
    expect(frame.kind).toBe('bytes')
    // Nothing is left to be told: what looked after the write finds nothing to do, once.
    clock.advance(30_000)
    expect(clock.pendingCount).toBe(0)
  })

  test('given a thousand datums that are not wanted, then the consumer is told without waiting', async () => {
    await using nodes = await startNodes({ clock: new ManualClock() }, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Orders)
    const link = await open(n1!, n0!, request(Orders, n1!, { criteria: { side: 'buy' } }))
    await connectedTo(producer, n1!)
    for (let n = 0; n < 1_500; n++) await producer.send({ n, side: 'sell', pad: '' })
    const told = await next(link)
    expect(told).toMatchObject({ kind: 'gap', lost: 0 })
    expect((told as unknown as { sequence: number }).sequence).toBeGreaterThanOrEqual(1_024)
  })
})
