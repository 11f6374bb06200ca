import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream, type Consumer, type Producer, type ProducerOptions } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { startNodes, take, type TestNode } from './support.js'

const Numbered = stream('full.numbered', z.object({ n: z.number(), pad: z.string() }))
type Numbered = z.output<typeof Numbered.schema>

const pad = 'x'.repeat(1_000)
const full = expect.objectContaining({ code: 'PRODUCER_FULL' })

/** A datum that says how often it was looked at. */
function watched(n: number): { readonly datum: Numbered; readonly looks: () => number } {
  let looks = 0
  const datum = {
    pad,
    get n() {
      looks++
      return n
    },
  }
  return { datum, looks: () => looks }
}

/** A producer whose queue of four is full: one datum is with the consumer, which takes none. */
async function fullPair(
  nodes: readonly TestNode[],
  options: ProducerOptions,
): Promise<{ producer: Producer<Numbered>; consumer: Consumer<Numbered> }> {
  const producer = nodes[0]!.streams.produce(Numbered, { queue: 4, ...options })
  const consumer = nodes[1]!.streams.consume(Numbered, { windowBytes: 1 })
  await nodes[1]!.meet(nodes[0]!)
  await within(5_000, consumer.when().subscribed())
  producer.trySend({ n: 0, pad })
  await eventually(() => expect(producer.stats()).toMatchObject({ sent: 1, queued: { datums: 0 } }))
  for (const n of [1, 2, 3, 4]) producer.trySend({ n, pad })
  return { producer, consumer }
}

test('given a full queue under block, when a datum is tried, then it is refused without being looked at', async () => {
  await using nodes = await startNodes({}, {})
  const { producer } = await fullPair(nodes, { overflow: 'block' })
  const { datum, looks } = watched(5)
  expect(() => producer.trySend(datum)).toThrow(full)
  expect(looks()).toBe(0)
  expect(producer.stats()).toMatchObject({ accepted: 5, dropped: 0 })
})

test('given as many waiting sends as may wait, when another one is sent, then it is refused without being looked at', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, consumer } = await fullPair(nodes, { overflow: 'block' })
  const waiting = Array.from({ length: 1_024 }, (_, index) => producer.send({ n: 5 + index, pad }))
  const { datum, looks } = watched(5)
  await expect(producer.send(datum)).rejects.toEqual(full)
  expect(looks()).toBe(0)
  // Each of those that waited has kept its own bytes, whatever was encoded since.
  const datums = await within(20_000, take(consumer, 5 + waiting.length))
  expect(datums.map(({ n }) => n)).toEqual(Array.from({ length: 5 + waiting.length }, (_, n) => n))
  await Promise.all(waiting)
})

test('given a full queue under drop-newest, when datums are sent, then valid ones are lost and invalid ones refused', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, consumer } = await fullPair(nodes, { overflow: 'drop-newest' })
  const invalid = { n: 'six', pad } as unknown as Numbered
  producer.trySend({ n: 5, pad })
  await producer.send({ n: 6, pad })
  expect(() => producer.trySend(invalid)).toThrow(expect.objectContaining({ code: 'PRODUCER_INVALID_DATUM' }))
  await expect(producer.send(invalid)).rejects.toMatchObject({ code: 'PRODUCER_INVALID_DATUM' })
  expect(producer.stats()).toMatchObject({ accepted: 7, dropped: 2, invalid: 2, queued: { datums: 4 } })
  expect((await within(5_000, take(consumer, 5))).map(({ n }) => n)).toEqual([0, 1, 2, 3, 4])
  await eventually(() => expect(consumer.stats()).toMatchObject({ lost: 2 }))
})

test('given a send that waits behind a longer one, when that is withdrawn and there is room for it, then it is accepted', async () => {
  await using nodes = await startNodes({}, {})
  const { producer } = await fullPair(nodes, { overflow: 'block', queue: 100, queueBytes: 4_500 })
  const withdrawing = new AbortController()
  const longer = producer.send({ n: 5, pad }, { signal: withdrawing.signal })
  const shorter = producer.send({ n: 6, pad: '' })
  expect(producer.stats()).toMatchObject({ waiting: 2, accepted: 5 })
  withdrawing.abort(new Error('no longer wanted'))
  await expect(longer).rejects.toThrow('no longer wanted')
  await within(5_000, shorter)
  expect(producer.stats()).toMatchObject({ waiting: 0, accepted: 6 })
})
