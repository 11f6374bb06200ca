import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream, type ConsumerEvent } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { arrived, closedWith, consumerScene, Data1, linkOf, type ConsumerScene } from './consumer-scene.js'
import { encoded } from './scripted-producer.js'
import { startNodes, take } from './support.js'

/** Collects what happens to a consumer from now on. */
function record({ consumer }: Pick<ConsumerScene, 'consumer'>): ConsumerEvent[] {
  const events: ConsumerEvent[] = []
  void (async () => {
    for await (const event of consumer.events()) events.push(event)
  })()
  return events
}

function gapsIn(events: readonly ConsumerEvent[]): (readonly [sequence: number, count: number])[] {
  return events.flatMap((event) => (event.type === 'gap' ? [[event.sequence, event.count] as const] : []))
}

describe('S-7: loss is never silent', () => {
  test('given datums that are missing before a frame, behind the last one, and before the end, then each gap is told when it becomes known, with its number', async () => {
    await using it = await consumerScene()
    const link = await linkOf(it)
    const events = record(it)
    await it.producer.send(link, 2, { n: 2 })
    await it.producer.send(link, 3, { n: 3 })
    await link.send({ kind: 'gap', sequence: 7 })
    await link.send({ kind: 'drain', sequence: 8 })
    await link.send({ kind: 'end', sequence: 10 })
    const gaps = [
      [2, 2],
      [7, 3],
      [8, 1],
      [10, 2],
    ]
    await eventually(() => expect(gapsIn(events)).toEqual(gaps))
    expect(events.find(({ type }) => type === 'gap')).toEqual({
      type: 'gap',
      producer: it.producer.peerId,
      epoch: 'first',
      sequence: 2,
      count: 2,
    })
    expect(it.consumer.stats()).toMatchObject({ gaps: 4, lost: 8, waiting: 2 })
  })

  test('given a subscription of the same life that begins later than the last one ended, then what came between is a gap', async () => {
    let greetings = 0
    await using it = await consumerScene({ backoff: { initialMs: 10 } }, (greeting) => ({
      ...greeting,
      sequence: greetings++ * 10,
    }))
    const link = await linkOf(it)
    const events = record(it)
    await it.producer.send(link, 0, { n: 0 })
    await arrived(it, 1)
    link.abort({ code: 103, name: 'UnexpectedClose' })
    const next = await linkOf(it, 1)
    await it.producer.send(next, 10, { n: 10 })
    await eventually(() => expect(gapsIn(events)).toEqual([[10, 9]]))
    const envelopes = it.consumer.envelopes()[Symbol.asyncIterator]()
    expect((await within(5_000, envelopes.next())).value).toMatchObject({ sequence: 0, lostBefore: 0 })
    expect((await within(5_000, envelopes.next())).value).toMatchObject({ sequence: 10, lostBefore: 9 })
    expect(events.map(({ type }) => type)).toEqual(['unsubscribed', 'subscribed', 'gap'])
  })

  test('given a datum that is invalid, then what had arrived behind it is a gap', async () => {
    await using it = await consumerScene()
    const link = await linkOf(it)
    const events = record(it)
    await it.producer.sendBytes(link, 0, Uint8Array.of(0xc1), encoded(Data1, { n: 1 }))
    await it.producer.send(link, 2, { n: 2 }, { n: 3 })
    await arrived(it, 4)
    expect(it.consumer.tryRecv()).toBeUndefined()
    await closedWith(it, 400)
    await eventually(() =>
      expect(gapsIn(events)).toEqual([
        [2, 1],
        [4, 2],
      ]),
    )
    expect(it.consumer.stats()).toMatchObject({
      received: 0,
      invalid: 1,
      lost: 3,
      waiting: 0,
      bufferedBytes: 0,
    })
  })

  test('given a queue that overflows, then the gaps tell exactly what was not received', async () => {
    const Numbered = stream('consumer-events.numbered', z.object({ n: z.number(), text: z.string() }))
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Numbered, { overflow: 'drop-oldest', queue: 4 })
    const consumer = nodes[1]!.streams.consume(Numbered, { windowBytes: 1 })
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().subscribed())
    await within(5_000, consumer.when().subscribed())
    const events: ConsumerEvent[] = record({ consumer } as unknown as ConsumerScene)
    const sent = 500
    for (let n = 0; n < sent; n++) await producer.send({ n, text: 'x'.repeat(100) })
    const drained = producer.drain()
    let received = 0
    for await (const { n } of consumer) {
      received++
      if (n === sent - 1) break
    }
    await within(5_000, drained)
    const lost = gapsIn(events).reduce((sum, [, count]) => sum + count, 0)
    expect(received + lost).toBe(sent)
    expect(lost).toBeGreaterThan(0)
    expect(consumer.stats()).toMatchObject({ received, lost })
    expect(producer.stats()).toMatchObject({ dropped: lost })
  })
})

test('given a reader of events that is too slow, then it misses the oldest, and is told how many', async () => {
  await using it = await consumerScene()
  const link = await linkOf(it)
  const events = it.consumer.events()
  for (let sequence = 1; sequence <= 1100; sequence++) await link.send({ kind: 'gap', sequence })
  await eventually(() => expect(it.consumer.stats().gaps).toBe(1100))
  const iterator = events[Symbol.asyncIterator]()
  expect((await iterator.next()).value).toEqual({ type: 'lagged', missed: 76 })
  expect((await iterator.next()).value).toMatchObject({ type: 'gap', sequence: 77 })
})

test('given a consumer that closes, then its events are over, after those that wait', async () => {
  await using it = await consumerScene()
  const link = await linkOf(it)
  const events = it.consumer.events()
  await link.send({ kind: 'gap', sequence: 3 })
  await eventually(() => it.consumer.stats().gaps === 1)
  await it.consumer.close()
  const types: string[] = []
  for await (const { type } of events) types.push(type)
  expect(types).toEqual(['gap', 'unsubscribed'])
})

test('events of one consumer are not those of another on the same node', async () => {
  await using it = await consumerScene()
  await linkOf(it)
  const other = it.node.streams.consume(Data1)
  await within(5_000, other.when().subscribed())
  const events = record(it)
  const link = it.producer.links[1]!
  await it.producer.send(link, 5, { n: 5 })
  expect(await within(5_000, take(other, 1))).toEqual([{ n: 5 }])
  expect(other.stats().lost).toBe(5)
  expect(events).toEqual([])
})
