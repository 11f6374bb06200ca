import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import type { Link } from '#framework/network'
import { shortId } from '#framework/primitives'
import { stream, type OverflowPolicy, type ProducerOptions } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { next, open, request } from './scripted-consumer.js'
import { startNodes, take, type TestNode } from './support.js'

const Numbered = stream('replay.numbered', z.object({ n: z.number(), pad: z.string().optional() }))
const pad = 'x'.repeat(1_000)

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

/** A producer that has sent so many datums before anybody came. */
async function producerWith(node: TestNode, count: number, options: ProducerOptions) {
  const producer = node.streams.produce(Numbered, { onlineWhen: 0, ...options })
  for (let n = 0; n < count; n++) await producer.send({ n })
  return producer
}

/** What a producer sends until it has accounted for everything below a sequence number: datums, and how many are missing. */
async function receive(link: Link, from: number, to: number): Promise<{ sequences: number[]; lost: number }> {
  const sequences: number[] = []
  let expected = from
  let lost = 0
  while (expected < to) {
    const frame = await next(link)
    if ('first' in frame) {
      lost += frame.first - expected
      expected = frame.first + frame.datums.length
      sequences.push(...numbers(frame.first, expected))
    } else if ('sequence' in frame && typeof frame.sequence === 'number') {
      lost += frame.sequence - expected
      expected = frame.sequence
    }
  }
  return { sequences, lost }
}

function startOf(link: Link): { sequence: number; epoch: string } {
  return link.acceptPayload as { sequence: number; epoch: string }
}

describe('given a producer that keeps its last datums', () => {
  test('when a consumer comes late, then it gets those first and live ones after them, without a gap', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = await producerWith(n0!, 100, { replay: { last: 10 } })
    const consumer = n1!.streams.consume(Numbered)
    await n1!.meet(n0!)
    await within(5_000, consumer.when().subscribed())
    await producer.send({ n: 100 })
    expect((await within(5_000, take(consumer, 11))).map(({ n }) => n)).toEqual(numbers(90, 101))
    expect(consumer.stats()).toMatchObject({ received: 11, lost: 0 })
    const { metrics } = n0!.host
    await eventually(() => expect(replayed(metrics)).toBe(10))
  })

  test('when a consumer wants the newest only, then it gets what is sent from then on', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = await producerWith(n0!, 100, { replay: { last: 10 } })
    const consumer = n1!.streams.consume(Numbered, { start: 'newest' })
    await n1!.meet(n0!)
    await within(5_000, consumer.when().subscribed())
    await producer.send({ n: 100 })
    expect(await within(5_000, take(consumer, 1))).toEqual([{ n: 100 }])
  })

  test.each(['block', 'drop-oldest', 'drop-newest', 'disconnect'] satisfies OverflowPolicy[])(
    'under %s, when a consumer resumes within the replay, then it goes on exactly where it was',
    async (overflow) => {
      await using nodes = await startNodes({}, {})
      const [n0, n1] = nodes
      const producer = await producerWith(n0!, 50, { replay: { last: 1_000 }, queue: 4, overflow })
      const first = await open(n1!, n0!, request(Numbered, n1!, { start: 'oldest' }))
      const { epoch, sequence } = startOf(first)
      expect(sequence).toBe(0)
      expect(await receive(first, 0, 50)).toEqual({ sequences: numbers(0, 50), lost: 0 })
      await first.close({ code: 103, name: 'UnexpectedClose' })
      await eventually(() => expect(producer.subscriptions.value).toEqual([]))
      for (let n = 50; n < 100; n++) await producer.send({ n })
      const resume = { epoch, sequence: 30 }
      const second = await open(n1!, n0!, request(Numbered, n1!, { attempt: 2, resume, start: 'newest' }))
      expect(startOf(second)).toMatchObject({ epoch, sequence: 30 })
      expect(await receive(second, 30, 100)).toEqual({ sequences: numbers(30, 100), lost: 0 })
      expect(producer.stats().dropped).toBe(0)
    },
  )

  test('when a consumer resumes before the replay, then it begins with the oldest datum and knows by the number what it missed', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = await producerWith(n0!, 5, { replay: { last: 10 } })
    const { epoch } = startOf(await open(n1!, n0!, request(Numbered, n1!)))
    for (let n = 5; n < 100; n++) await producer.send({ n })
    const link = await open(n1!, n0!, request(Numbered, n1!, { attempt: 2, resume: { epoch, sequence: 20 } }))
    expect(startOf(link).sequence).toBe(90)
    expect(await receive(link, 90, 100)).toEqual({ sequences: numbers(90, 100), lost: 0 })
  })

  test('when a consumer resumes another life of the producer, then there is nothing to resume', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    await producerWith(n0!, 20, { replay: { last: 10 } })
    const resume = { epoch: 'another', sequence: 15 }
    const newest = await open(n1!, n0!, request(Numbered, n1!, { resume, start: 'newest' }))
    expect(startOf(newest).sequence).toBe(20)
    const oldest = await open(
      n1!,
      n0!,
      request(Numbered, n1!, { resume, start: 'oldest', subscriber: 'other' }),
    )
    expect(startOf(oldest).sequence).toBe(10)
  })

  test('when a consumer claims to have what was never sent, then it begins with what comes next', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = await producerWith(n0!, 20, { replay: { last: 10 } })
    const { epoch } = startOf(await open(n1!, n0!, request(Numbered, n1!)))
    const resume = { epoch, sequence: 1_000 }
    const link = await open(n1!, n0!, request(Numbered, n1!, { attempt: 2, resume }))
    expect(startOf(link).sequence).toBe(20)
    await producer.send({ n: 20 })
    expect(await next(link)).toEqual({ first: 20, datums: [{ n: 20 }] })
  })
})

describe('given a consumer that comes late and reads slowly', () => {
  test('under block, when others go on, then it does not hold them up as long as the replay keeps what it has not got', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const producer = await producerWith(n0!, 100, { replay: { last: 1_000 }, queue: 4 })
    const slow = await open(n1!, n0!, request(Numbered, n1!, { start: 'oldest', windowBytes: 1 }))
    const quick = n2!.streams.consume(Numbered, { start: 'newest' })
    await n2!.meet(n0!)
    await within(5_000, quick.when().subscribed())
    for (let n = 100; n < 500; n++) await within(5_000, producer.send({ n }))
    expect((await within(5_000, take(quick, 400))).map(({ n }) => n)).toEqual(numbers(100, 500))
    await slow.send({ kind: 'credit', bytes: 1_000_000, sequence: 0 })
    expect(await receive(slow, 0, 500)).toEqual({ sequences: numbers(0, 500), lost: 0 })
  })

  test('under block, when the replay would let go of what it has not got, then sends wait for it, and nothing is lost', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = await producerWith(n0!, 20, { replay: { last: 20 }, queue: 4 })
    const link = await open(n1!, n0!, request(Numbered, n1!, { start: 'oldest', windowBytes: 1 }))
    let sent = 20
    const sending = (async () => {
      for (; sent < 500; sent++) await producer.send({ n: sent, pad })
    })()
    await eventually(() => expect(producer.stats().waiting).toBe(1))
    expect(sent).toBeLessThan(200)
    await link.send({ kind: 'credit', bytes: 10_000_000, sequence: 0 })
    expect(await receive(link, 0, 500)).toEqual({ sequences: numbers(0, 500), lost: 0 })
    await sending
    expect(producer.stats().dropped).toBe(0)
  })

  test.each(['drop-oldest', 'disconnect', 'drop-newest'] satisfies OverflowPolicy[])(
    'under %s, when the replay lets go of what it has not got, then it is told how many, and stays',
    async (overflow) => {
      await using nodes = await startNodes({}, {})
      const [n0, n1] = nodes
      const producer = await producerWith(n0!, 20, { replay: { last: 20 }, queue: 4, overflow })
      const link = await open(n1!, n0!, request(Numbered, n1!, { start: 'oldest', windowBytes: 1 }))
      for (let n = 20; n < 500; n++) await producer.send({ n, pad })
      expect(producer.subscriptions.value).toHaveLength(1)
      await link.send({ kind: 'credit', bytes: 10_000_000, sequence: 0 })
      const { sequences, lost } = await receive(link, 0, 500)
      expect(sequences.length + lost).toBe(500)
      expect(lost).toBeGreaterThan(300)
      expect(sequences.at(-1)).toBe(499)
      await eventually(() => expect(producer.stats().dropped).toBe(lost))
    },
  )
})

test('given datums kept for a time, when that is over, then a late consumer does not get them', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  const producer = n0!.streams.produce(Numbered, { onlineWhen: 0, replay: { for: 2_000 } })
  for (let n = 0; n < 10; n++) await producer.send({ n })
  const early = await open(n1!, n0!, request(Numbered, n1!, { start: 'oldest' }))
  expect(startOf(early).sequence).toBeLessThan(10)
  await eventually(async () => {
    const link = await open(n1!, n0!, request(Numbered, n1!, { start: 'oldest', subscriber: 'late' }))
    await link.close({ code: 200, name: 'Success' })
    expect(startOf(link).sequence).toBe(10)
  })
})

function replayed(metrics: TestNode['host']['metrics']): number | undefined {
  return metrics.value('mosaik_stream_replayed_items_total', { stream: shortId(Numbered.id) })
}
