// What a producer makes of consumers, seen from the other end of the wire.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { Identity, type Link } from '#framework/network'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { next, open, request } from './scripted-consumer.js'
import { connectedTo, freshNetwork, startNodes, TestNode } from './support.js'

const Data1 = stream('producer-protocol.data1', z.object({ n: z.number(), pad: z.string().optional() }))

describe('a request', () => {
  test.each([
    ['nothing', undefined],
    ['text', 'subscribe, please'],
    ['a map without anything', {}],
    ['an id of the wrong length', (node: TestNode) => request(Data1, node, { stream: Uint8Array.of(1) })],
    ['a negative window', (node: TestNode) => request(Data1, node, { windowBytes: -1 })],
    ['an entry that is no entry', (node: TestNode) => request(Data1, node, { entry: 7 })],
  ])('that is %s is refused with ProtocolViolation', async (_, opening: unknown) => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    n0!.streams.produce(Data1)
    const payload: unknown = typeof opening === 'function' ? opening(n1!) : opening
    await expect(open(n1!, n0!, payload)).rejects.toMatchObject({
      code: 'LINK_CLOSED',
      reason: { code: 400 },
    })
    const labels = { stream: 'none', result: 'malformed' }
    expect(n0!.host.metrics.value('mosaik_stream_subscriptions_total', labels)).toBe(1)
  })

  test('with a forged entry is not believed, and counted', async () => {
    await using nodes = await startNodes({ discovery: { meshPeers: 0 } }, { discovery: { meshPeers: 0 } })
    const [n0, n1] = nodes
    n0!.streams.produce(Data1)
    const forged = n1!.discovery.signedEntry().slice()
    // Within the signature, which comes first in the record.
    forged[40]! ^= 1
    // Whether the request is refused depends on whether catalog sync has brought the true entry meanwhile.
    const outcome = await open(n1!, n0!, request(Data1, n1!, { entry: forged })).catch(
      (error: unknown) => error,
    )
    if (outcome instanceof Error) expect(outcome).toMatchObject({ reason: { code: 401 } })
    const { metrics } = n0!.host
    expect(metrics.value('mosaik_discovery_entries_rejected_total', { reason: 'signature' })).toBe(1)
  })

  test('of a consumer that is served takes the place of its earlier one, and not the other way round', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1, { maxConsumers: 1 })
    const first = await open(n1!, n0!, request(Data1, n1!, { attempt: 2 }))
    const second = await open(n1!, n0!, request(Data1, n1!, { attempt: 3 }))
    expect(await within(3_000, first.closed)).toMatchObject({ code: 102 })
    const late = await open(n1!, n0!, request(Data1, n1!, { attempt: 1 })).catch((error: unknown) => error)
    expect(late).toMatchObject({ reason: { code: 102 } })
    expect(producer.subscriptions.value).toHaveLength(1)
    await second.close({ code: 200, name: 'Success' })
  })
})

test.each<[string, (link: Link) => Promise<unknown> | undefined]>([
  ['takes credit back', (link) => link.send({ kind: 'credit', bytes: 1, sequence: 0 })],
  ['sends datums', (link) => link.sendFrame(Uint8Array.of(0, 0, 0, 2, 4, 0))],
  ['sends what nobody understands', (link) => link.send({ kind: 'surprise' })],
])('a consumer that %s is closed with ProtocolViolation, and others are not', async (_, misbehave) => {
  await using nodes = await startNodes({}, {}, {})
  const [n0, n1, n2] = nodes
  const producer = n0!.streams.produce(Data1)
  const honest = n2!.streams.consume(Data1)
  await n2!.meet(n0!)
  await connectedTo(honest, n0!)
  const link = await open(n1!, n0!, request(Data1, n1!))
  // It may be closed before there is room for more.
  await misbehave(link)?.catch(() => undefined)
  expect(await within(3_000, link.closed)).toMatchObject({ code: 400 })
  await connectedTo(producer, n2!)
  await producer.send({ n: 1 })
  expect(await within(3_000, honest.recv())).toEqual({ n: 1 })
})

describe('frames', () => {
  test('what is sent without waiting travels together', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1)
    const link = await open(n1!, n0!, request(Data1, n1!))
    for (let n = 0; n < 10; n++) producer.trySend({ n })
    expect(await next(link)).toEqual({ first: 0, datums: Array.from({ length: 10 }, (_, n) => ({ n })) })
  })

  test('what fills a frame does not wait for the turn to end', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1)
    const link = await open(n1!, n0!, request(Data1, n1!, { windowBytes: 100_000_000 }))
    const pad = 'x'.repeat(2_000)
    const sentWithinOneTurn = (): number => {
      const before = producer.stats().sent
      for (let n = 0; n < 100; n++) producer.trySend({ n, pad })
      return producer.stats().sent - before
    }
    // Not while a frame is being written, nor in the moment between the greeting and the service.
    await eventually(async () => {
      const sent = sentWithinOneTurn()
      for (let taken = 0; taken < 100;) {
        const frame = await next(link)
        taken += 'datums' in frame ? frame.datums.length : 0
      }
      return sent > 50 && sent < 100
    })
    await link.close({ code: 200, name: 'Success' })
  })

  test('a long datum that waited for the first consumer follows the greeting, and does not precede it', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1)
    const pad = 'x'.repeat(100_000)
    const sent = producer.send({ n: 0, pad })
    const link = await open(n1!, n0!, request(Data1, n1!))
    expect(link.acceptPayload).toMatchObject({ sequence: 0 })
    expect(await next(link)).toEqual({ first: 0, datums: [{ n: 0, pad }] })
    await within(3_000, sent)
  })
})

test('drain asks the consumer once everything was written, and believes only an answer that covers it', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  const producer = n0!.streams.produce(Data1)
  const link = await open(n1!, n0!, request(Data1, n1!, { windowBytes: 1 }))
  for (let n = 0; n < 3; n++) await producer.send({ n })
  let isDrained = false
  const drained = producer.drain().then(() => (isDrained = true))
  expect(await next(link)).toEqual({ first: 0, datums: [{ n: 0 }] })
  await link.send({ kind: 'credit', bytes: 1_000, sequence: 1 })
  expect(await next(link)).toEqual({ first: 1, datums: [{ n: 1 }, { n: 2 }] })
  expect(await next(link)).toEqual({ kind: 'drain', sequence: 3 })
  await link.send({ kind: 'credit', bytes: 2_000, sequence: 2 })
  // Another round, so that the answer before it has been heard.
  await producer.send({ n: 3 })
  expect(await next(link)).toEqual({ first: 3, datums: [{ n: 3 }] })
  expect(isDrained).toBe(false)
  await link.send({ kind: 'credit', bytes: 2_000, sequence: 3 })
  await within(3_000, drained)
})

test('given a consumer whose process has a successor, then its subscription is ended at once, and its place is free', async () => {
  const network = freshNetwork()
  const identity = Identity.random()
  await using n0 = await TestNode.start(network)
  await using n1 = await TestNode.start(network, { identity })
  const producer = n0.streams.produce(Data1, { maxConsumers: 1 })
  const link = await open(n1, n0, request(Data1, n1))
  await connectedTo(producer, n1)
  await using successor = await TestNode.start(network, { identity })
  expect(successor.discovery.me.version.run).toBeGreaterThan(n1.discovery.me.version.run)
  n0.discovery.feed(successor.discovery.signedEntry())
  await connectedTo(producer)
  expect(await within(3_000, link.closed)).toMatchObject({ code: 102 })
})
