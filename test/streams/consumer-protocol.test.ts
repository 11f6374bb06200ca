// What a consumer makes of producers, seen from the other end of the wire.
import { describe, expect, test } from '@jest/globals'
import type { Link } from '#framework/network'
import { bytesOf, digestOf } from '#framework/primitives'
import { frameCreditBytes } from '../../framework/streams/credit.js'
import { eventually, within } from '../support/eventually.js'
import { arrived, closedWith, consumerScene, Data1, linkOf } from './consumer-scene.js'
import { encoded, ScriptedProducer, said } from './scripted-producer.js'
import { freshNetwork, take, TestNode } from './support.js'

describe('a greeting', () => {
  test.each([
    ['that is nothing', () => undefined, 400],
    ['that lacks its sequence number', (greeting: object) => ({ ...greeting, sequence: undefined }), 400],
    ['for another stream', (greeting: object) => ({ ...greeting, stream: bytesOf(digestOf('x')) }), 10404],
    [
      'with another schema',
      (greeting: object) => ({ ...greeting, fingerprint: bytesOf(digestOf('x')) }),
      10409,
    ],
    ['with an encoding that is not ours', (greeting: object) => ({ ...greeting, codec: 'other/1' }), 10409],
  ])('%s ends the attempt', async (_, greet, code) => {
    await using it = await consumerScene({}, greet)
    await closedWith(it, code)
    expect(await within(5_000, it.producer.links[0]!.closed)).toMatchObject({ code })
    expect(it.consumer.subscriptions.value[0]?.attempt).toBe(1)
  })

  test('of the same epoch that goes back ends the attempt', async () => {
    await using it = await consumerScene({ backoff: { initialMs: 10 } })
    const link = await linkOf(it)
    await it.producer.send(link, 5, { n: 5 })
    expect(await within(5_000, it.consumer.recv())).toEqual({ n: 5 })
    link.abort({ code: 103, name: 'UnexpectedClose' })
    expect(await closedWith(it, 400)).toContain('do not go back')
  })
})

test('a producer that nothing but an unsigned entry was known of is known by its own entry from the greeting on', async () => {
  const network = freshNetwork()
  await using producer = await ScriptedProducer.start(network, Data1)
  await using node = await TestNode.start(network, { discovery: { meshPeers: 0 } })
  const { me } = producer.discovery
  // Without discovery at the other end there is no other way to learn it.
  await producer.discovery.close()
  node.discovery.insert(me)
  const consumer = node.streams.consume(Data1)
  await within(5_000, consumer.when().subscribed())
  expect(node.discovery.catalog.value.unsigned.size).toBe(0)
  expect(node.discovery.catalog.value.get(producer.peerId)).toEqual(me)
})

describe('a producer that does not keep to the protocol is left with ProtocolViolation', () => {
  test.each<[string, string, (producer: ScriptedProducer, link: Link) => Promise<unknown>]>([
    [
      'when sequence numbers go back',
      'do not go back',
      async (producer, link) => {
        await producer.send(link, 7, { n: 7 })
        await producer.send(link, 7, { n: 7 })
      },
    ],
    [
      'when it sends more than was granted',
      'more than was granted',
      async (producer, link) => {
        for (let n = 0; n < 5; n++) await producer.send(link, n, { n })
      },
    ],
    [
      'when a frame is malformed',
      'without a head',
      async (_, link) => link.sendFrame(Uint8Array.of(0, 0, 0, 3, 4, 1, 2)),
    ],
    ['when nobody understands it', 'not as expected', (_, link) => link.send({ kind: 'surprise' })],
    [
      'when an end goes back',
      'do not go back',
      async (producer, link) => {
        await producer.send(link, 7, { n: 7 })
        await link.send({ kind: 'end', sequence: 7 })
      },
    ],
  ])('%s', async (_, words, misbehave) => {
    await using it = await consumerScene({ windowBytes: 2 * frameCreditBytes(20) })
    const link = await linkOf(it)
    await misbehave(it.producer, link).catch(() => undefined)
    expect(await closedWith(it, 400)).toContain(words)
    expect(await within(5_000, link.closed)).toMatchObject({ code: 400 })
    expect(it.consumer.stats().lost).toBeLessThanOrEqual(7)
  })
})

test('an undecodable datum ends the subscription it came from when the application gets there, and the process lives', async () => {
  await using it = await consumerScene()
  const link = await linkOf(it)
  const [first, third] = [0, 2].map((n) => encoded(Data1, { n }))
  await it.producer.sendBytes(link, 0, first!, Uint8Array.of(0xc1), third!)
  await it.producer.send(link, 3, { n: 3 })
  await eventually(() => it.consumer.subscriptions.value[0]?.datums === 4)
  expect(await within(5_000, it.consumer.recv())).toEqual({ n: 0 })
  expect(it.consumer.tryRecv()).toBeUndefined()
  expect(await closedWith(it, 400)).toContain('cannot be decoded')
  expect(it.consumer.stats()).toMatchObject({ received: 1, invalid: 1, lost: 2 })
})

describe('credit', () => {
  test('is granted when half of the window was taken by the application, and not before', async () => {
    const datum = { n: 1 }
    // A frame with one of these datums: 12 bytes of head, and one of length.
    const cost = frameCreditBytes(13 + encoded(Data1, datum).byteLength)
    await using it = await consumerScene({ windowBytes: 4 * cost })
    const link = await linkOf(it)
    for (let n = 0; n < 4; n++) await it.producer.send(link, n, datum)
    await eventually(() => it.consumer.subscriptions.value[0]?.datums === 4)
    const granted = said(link)
    expect(it.consumer.tryRecv()).toEqual(datum)
    expect(it.consumer.tryRecv()).toEqual(datum)
    // What the first of the two would have granted would be a smaller number.
    expect(await within(5_000, granted)).toEqual({ kind: 'credit', bytes: 6 * cost, sequence: 2 })
  })

  test('S-5: given an application that takes nothing, then the consumer holds no more than its window, however often its subscription is lost', async () => {
    const cost = frameCreditBytes(13 + encoded(Data1, { n: 0 }).byteLength)
    let greetings = 0
    const options = { windowBytes: 2 * cost, backoff: { initialMs: 1, maxMs: 1 } }
    await using it = await consumerScene(options, (greeting) => ({
      ...greeting,
      sequence: greetings++ === 0 ? 0 : 2,
    }))
    const link = await linkOf(it)
    await it.producer.send(link, 0, { n: 0 })
    await it.producer.send(link, 1, { n: 1 })
    await arrived(it, 2)
    for (let losses = 1; losses <= 3; losses++) {
      it.producer.links.at(-1)!.abort({ code: 103, name: 'UnexpectedClose' })
      await linkOf(it, losses)
    }
    expect(it.producer.requests.map(({ windowBytes }) => windowBytes)).toEqual([2 * cost, 0, 0, 0])
    const granted = said(it.producer.links[3]!)
    expect(it.consumer.tryRecv()).toEqual({ n: 0 })
    expect(await within(5_000, granted)).toMatchObject({ bytes: cost, sequence: 1 })
    await it.producer.send(it.producer.links[3]!, 2, { n: 2 })
    expect(await within(5_000, take(it.consumer, 2))).toEqual([{ n: 1 }, { n: 2 }])
  })

  test('an answer to drain comes when everything below was taken, what is lost behind it included', async () => {
    await using it = await consumerScene()
    const link = await linkOf(it)
    await it.producer.send(link, 0, { n: 0 }, { n: 1 })
    await link.send({ kind: 'drain', sequence: 5 })
    await eventually(() => it.consumer.subscriptions.value[0]?.dropped === 3)
    const answer = said(link)
    expect(it.consumer.tryRecv()).toEqual({ n: 0 })
    expect(it.consumer.tryRecv()).toEqual({ n: 1 })
    expect(await within(5_000, answer)).toMatchObject({ kind: 'credit', sequence: 5 })
    // Of what arrived with later datums too.
    await it.producer.send(link, 5, { n: 5 }, { n: 6 }, { n: 7 })
    await arrived(it, 5)
    await link.send({ kind: 'drain', sequence: 7 })
    const early = said(link)
    expect([it.consumer.tryRecv(), it.consumer.tryRecv()]).toEqual([{ n: 5 }, { n: 6 }])
    expect(await within(5_000, early)).toMatchObject({ kind: 'credit', sequence: 7 })
    expect(it.consumer.tryRecv()).toEqual({ n: 7 })
    // With nothing to take, it comes at once.
    await link.send({ kind: 'gap', sequence: 12 })
    await link.send({ kind: 'drain', sequence: 12 })
    expect(await within(5_000, said(link))).toMatchObject({ kind: 'credit', sequence: 12 })
    expect(it.consumer.stats()).toMatchObject({ lost: 7, gaps: 2 })
  })
})

test('each request of a consumer outranks those before it, also those of a subscription that it had left', async () => {
  await using it = await consumerScene({
    require: ({ tags }) => !tags.includes('avoid'),
    backoff: { initialMs: 10 },
  })
  await linkOf(it)
  for (let flap = 1; flap <= 3; flap++) {
    it.producer.discovery.addTags('avoid')
    it.node.discovery.feed(it.producer.discovery.signedEntry())
    expect(it.consumer.subscriptions.value).toEqual([])
    it.producer.discovery.removeTags('avoid')
    it.node.discovery.feed(it.producer.discovery.signedEntry())
    await linkOf(it, flap)
  }
  const { requests } = it.producer
  expect(new Set(requests.map(({ subscriber }) => subscriber)).size).toBe(1)
  expect(requests.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4])
})

test('given a link to a process of which a successor is known, then it is given up at once', async () => {
  await using it = await consumerScene({ backoff: { initialMs: 10_000 } })
  const link = await linkOf(it)
  const { me } = it.producer.discovery
  // The successor has the same key, and so has its network: nothing tells the two apart but the entry.
  const identity = it.producer.host.identity
  await using successor = await ScriptedProducer.start(it.node.host.network, Data1, undefined, identity)
  expect(successor.discovery.me.version.run).toBeGreaterThan(me.version.run)
  it.node.discovery.feed(successor.discovery.signedEntry())
  expect(await within(1_000, link.closed)).toMatchObject({ code: 103 })
  await eventually(() => expect(it.consumer.subscriptions.value).toMatchObject([{ attempt: 2 }]))
})

test('given subscriptions that are up and conditions that are awaited, then neither sets a timer: idle costs nothing', async () => {
  await using it = await consumerScene()
  await linkOf(it)
  const pending = it.consumer
    .when()
    .subscribed({ min: 2 })
    .wait()
    .catch(() => undefined)
  const before = it.node.clockUses
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(it.node.clockUses).toBe(before)
  await it.consumer.close()
  await pending
})
