// What a consumer tells producers that ask for acknowledgements, seen from the other end of the wire.
import { describe, expect, test } from '@jest/globals'
import type { Link } from '#framework/network'
import type { ConsumerOptions } from '#framework/streams'
import { frameCreditBytes } from '../../framework/streams/credit.js'
import { within } from '../support/eventually.js'
import { arrived, consumerScene, Data1, linkOf, type ConsumerScene } from './consumer-scene.js'
import { encoded, said } from './scripted-producer.js'

const asks = (greeting: object): object => ({ ...greeting, ack: true })

function scene(options?: ConsumerOptions<Data1>): Promise<ConsumerScene> {
  return consumerScene(options, asks)
}

function datums(first: number, count: number): Data1[] {
  return Array.from({ length: count }, (_, index) => ({ n: first + index }))
}

/** Reads what the consumer says until everything below the number is acknowledged, and says in how many messages. */
async function acknowledged(link: Link, sequence: number): Promise<number> {
  for (let count = 1; ; count++) {
    const { acked } = (await said(link)) as { readonly acked: number }
    expect(acked).toBeLessThanOrEqual(sequence)
    if (acked === sequence) return count
  }
}

/** What the consumer says last, when it has closed the link. */
async function lastAcknowledged(link: Link): Promise<number | undefined> {
  let last: number | undefined
  for (;;) {
    try {
      last = ((await said(link)) as { readonly acked: number }).acked
    } catch {
      return last
    }
  }
}

describe('ack: taken', () => {
  test('a datum is acknowledged when the application asks for the one after it', async () => {
    await using it = await scene()
    const link = await linkOf(it)
    await it.producer.send(link, 0, ...datums(0, 3))
    expect(await within(5_000, it.consumer.recv())).toEqual({ n: 0 })
    expect(await within(5_000, it.consumer.recv())).toEqual({ n: 1 })
    await acknowledged(link, 1)
    expect(it.consumer.tryRecv()).toEqual({ n: 2 })
    await acknowledged(link, 2)
    // A loop that waits for more has done its work.
    const next = it.consumer.recv()
    await acknowledged(link, 3)
    await it.consumer.close()
    expect(await next).toBeUndefined()
  })

  test('a batch is acknowledged as a whole, when the next is asked for', async () => {
    await using it = await scene()
    const link = await linkOf(it)
    await it.producer.send(link, 0, ...datums(0, 100))
    await arrived(it, 100)
    const batches = it.consumer.batches()[Symbol.asyncIterator]()
    expect((await batches.next()).value).toHaveLength(100)
    void batches.next()
    await acknowledged(link, 100)
  })

  test('what is lost behind is acknowledged with it', async () => {
    await using it = await scene()
    const link = await linkOf(it)
    await it.producer.send(link, 0, { n: 0 })
    await link.send({ kind: 'gap', sequence: 4 })
    expect(await within(5_000, it.consumer.recv())).toEqual({ n: 0 })
    void it.consumer.recv()
    await acknowledged(link, 4)
  })

  test('however much is acknowledged in one turn of the event loop, it goes in one message', async () => {
    await using it = await scene()
    const link = await linkOf(it)
    await acknowledged(link, 0)
    await it.producer.send(link, 0, ...datums(0, 1000))
    await arrived(it, 1000)
    for (let count = 0; count < 1000; count++) it.consumer.tryRecv()
    expect(it.consumer.tryRecv()).toBeUndefined()
    expect(await acknowledged(link, 1000)).toBe(1)
  })
})

describe('ack: manual', () => {
  test('in any order: what counts is the lowest that is missing', async () => {
    await using it = await scene({ ack: 'manual' })
    const link = await linkOf(it)
    await it.producer.send(link, 0, ...datums(0, 3))
    const envelopes = it.consumer.envelopes()[Symbol.asyncIterator]()
    const [first, second, third] = [
      (await envelopes.next()).value,
      (await envelopes.next()).value,
      (await envelopes.next()).value,
    ]
    it.consumer.ack(third)
    it.consumer.ack(first)
    await acknowledged(link, 1)
    it.consumer.ack(second)
    await acknowledged(link, 3)
    // What was acknowledged already is nothing.
    it.consumer.ack(first)
    await it.producer.send(link, 3, { n: 3 })
    it.consumer.ack((await envelopes.next()).value)
    await acknowledged(link, 4)
  })

  test('of another life of the producer, or of a producer that is not known, is nothing', async () => {
    await using it = await scene({ ack: 'manual' })
    const link = await linkOf(it)
    await it.producer.send(link, 0, { n: 0 })
    for await (const envelope of it.consumer.envelopes()) {
      it.consumer.ack({ ...envelope, epoch: 'another' })
      it.consumer.ack({ ...envelope, producer: it.node.peerId })
      break
    }
    await it.consumer.close()
    expect(await lastAcknowledged(link)).toBe(0)
  })

  test('S-5: what is not acknowledged takes up the window', async () => {
    const cost = frameCreditBytes(13 + encoded(Data1, { n: 0 }).byteLength)
    await using it = await scene({ ack: 'manual', windowBytes: 2 * cost })
    const link = await linkOf(it)
    expect(await within(5_000, said(link))).toMatchObject({ bytes: 2 * cost })
    await it.producer.send(link, 0, { n: 0 })
    await it.producer.send(link, 1, { n: 1 })
    const envelopes = it.consumer.envelopes()[Symbol.asyncIterator]()
    const first = (await within(5_000, envelopes.next())).value
    await within(5_000, envelopes.next())
    const answer = said(link)
    it.consumer.ack(first)
    expect(await within(5_000, answer)).toMatchObject({ bytes: 3 * cost, acked: 1, sequence: 2 })
  })
})

test('given a subscription that was lost, when datums of it are acknowledged, then the next one tells the producer', async () => {
  let greetings = 0
  await using it = await consumerScene({ ack: 'manual', backoff: { initialMs: 10 } }, (greeting) => ({
    ...asks(greeting),
    sequence: greetings++ === 0 ? 0 : 2,
  }))
  const link = await linkOf(it)
  await it.producer.send(link, 0, ...datums(0, 2))
  const envelopes = it.consumer.envelopes()[Symbol.asyncIterator]()
  const first = (await within(5_000, envelopes.next())).value
  link.abort({ code: 103, name: 'UnexpectedClose' })
  await within(5_000, it.consumer.when().unsubscribed())
  it.consumer.ack(first)
  const next = await linkOf(it, 1)
  await acknowledged(next, 1)
  expect(it.producer.requests[1]).toMatchObject({ resume: { epoch: 'first', sequence: 2 } })
  it.consumer.ack((await within(5_000, envelopes.next())).value)
  await acknowledged(next, 2)
})

test('given a consumer that closes, then what it has acknowledged is told first, and what it only took or received is not', async () => {
  await using it = await scene({ ack: 'manual' })
  const link = await linkOf(it)
  await it.producer.send(link, 0, ...datums(0, 3))
  const envelopes = it.consumer.envelopes()[Symbol.asyncIterator]()
  it.consumer.ack((await within(5_000, envelopes.next())).value)
  await within(5_000, envelopes.next())
  await it.consumer.close()
  expect(await lastAcknowledged(link)).toBe(1)
})

test('given a producer that does not ask, then it is told nothing, and acknowledging is nothing', async () => {
  await using it = await consumerScene({ ack: 'manual' })
  const link = await linkOf(it)
  await it.producer.send(link, 0, { n: 0 })
  for await (const envelope of it.consumer.envelopes()) {
    it.consumer.ack(envelope)
    break
  }
  await link.send({ kind: 'drain', sequence: 1 })
  expect(await within(5_000, said(link))).toEqual({ kind: 'credit', sequence: 1, bytes: expect.any(Number) })
})
