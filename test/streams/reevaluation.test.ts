import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { connectedTo, discoverAll, feed, refusedBy, startNodes, statusWith, take } from './support.js'
import { TestIssuer } from './tickets.js'

const Data1 = stream('reevaluation.data1', z.object({ n: z.number() }))
const Other = stream('reevaluation.data1', z.object({ n: z.string() }))

const isTrusted = ({ tags }: { readonly tags: readonly string[] }): boolean => tags.includes('trusted')

describe('S-12: quick flaps', () => {
  test('given a consumer that requires a tag, when the producer loses and regains it within one round trip, again and again, then there is one subscription and every datum comes once', async () => {
    await using nodes = await startNodes({}, { tags: ['trusted'] })
    const [n0, n1] = nodes
    const consumer = n0!.streams.consume(Data1, { require: isTrusted })
    const producer = n1!.streams.produce(Data1)
    await discoverAll(nodes)
    await connectedTo(consumer, n1!)
    for (let flap = 0; flap < 10; flap++) {
      n1!.discovery.removeTags('trusted')
      feed(n0!, n1!)
      expect(consumer.subscriptions.value).toEqual([])
      n1!.discovery.addTags('trusted')
      feed(n0!, n1!)
      expect(consumer.subscriptions.value).toHaveLength(1)
    }
    await connectedTo(consumer, n1!)
    await connectedTo(producer, n0!)
    for (let n = 0; n < 10; n++) await producer.send({ n })
    expect(await within(3_000, take(consumer, 10))).toEqual(Array.from({ length: 10 }, (_, n) => ({ n })))
    expect(consumer.tryRecv()).toBeUndefined()
  })

  test('given a producer that requires a tag, when the consumer loses and regains it, again and again, then it is served once and every datum comes once', async () => {
    await using nodes = await startNodes({}, { tags: ['trusted'] })
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1, { require: isTrusted })
    const consumer = n1!.streams.consume(Data1)
    await discoverAll(nodes)
    await connectedTo(producer, n1!)
    for (let flap = 0; flap < 10; flap++) {
      n1!.discovery.removeTags('trusted')
      feed(n0!, n1!)
      expect(producer.subscriptions.value).toEqual([])
      n1!.discovery.addTags('trusted')
      feed(n0!, n1!)
    }
    await connectedTo(producer, n1!)
    await connectedTo(consumer, n0!)
    for (let n = 0; n < 10; n++) await producer.send({ n })
    expect(await within(3_000, take(consumer, 10))).toEqual(Array.from({ length: 10 }, (_, n) => ({ n })))
    expect(consumer.tryRecv()).toBeUndefined()
  })
})

test('S-18: given a consumer whose ticket the producer has not heard of, when it subscribes, then the entry in its handshake counts', async () => {
  await using nodes = await startNodes({ discovery: { meshPeers: 0 } }, { discovery: { meshPeers: 0 } })
  const [n0, n1] = nodes
  const issuer = new TestIssuer('one')
  const producer = n0!.streams.produce(Data1, { requireTicket: issuer.validator })
  await n1!.meet(n0!)
  await n0!.host.disconnect(n1!.peerId, { code: 200, name: 'Success' })
  n1!.discovery.addTicket(issuer.issue(n1!.peerId, 'never'))
  expect(n0!.discovery.catalog.value.get(n1!.peerId)?.tickets).toEqual([])
  n1!.streams.consume(Data1)
  await connectedTo(producer, n1!)
  expect(producer.stats().refused).toBe(0)
})

test('given a predicate that asks a list of its own, when a refused consumer is on that list by the time it tries again, then it is served', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  const allowed = new Set<string>()
  const producer = n0!.streams.produce(Data1, { require: ({ peer }) => allowed.has(peer) })
  const consumer = n1!.streams.consume(Data1, { backoff: { maxMs: 200 } })
  await discoverAll(nodes)
  await refusedBy(consumer, n0!, 10403)
  allowed.add(n1!.peerId)
  await connectedTo(producer, n1!)
})

describe('changes of the schema', () => {
  test('given a consumer that was refused for its schema, when the producer offers the consumer’s schema, then it is subscribed at once', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const consumer = n1!.streams.consume(Data1)
    const stranger = n0!.streams.produce(Other)
    await discoverAll(nodes)
    await refusedBy(consumer, n0!, 10409)
    expect(statusWith(consumer, n0!)?.lastClose?.message).toContain('/n: producer string, consumer number')
    // The next attempt is half a minute away, unless the producer changes.
    expect(statusWith(consumer, n0!)?.retryAtMs).toBeGreaterThan(Date.now() + 20_000)
    await stranger.close()
    const producer = n0!.streams.produce(Data1)
    feed(n1!, n0!)
    await connectedTo(consumer, n0!)
    await producer.send({ n: 1 })
    expect(await within(3_000, consumer.recv())).toEqual({ n: 1 })
  })

  test('given a subscription, when the producer takes to another schema, then the consumer is refused with SchemaMismatch; when it goes back, then it is subscribed', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const consumer = n1!.streams.consume(Data1)
    const first = n0!.streams.produce(Data1)
    await discoverAll(nodes)
    await connectedTo(consumer, n0!)
    await first.close()
    const second = n0!.streams.produce(Other)
    feed(n1!, n0!)
    await refusedBy(consumer, n0!, 10409)
    await second.close()
    n0!.streams.produce(Data1)
    feed(n1!, n0!)
    await connectedTo(consumer, n0!)
  })
})

describe('the cost of re-evaluation', () => {
  test('given many peers, when one of them changes, then predicates and validators judge that one alone', async () => {
    await using nodes = await startNodes({}, {}, {}, {})
    const [n0, ...others] = nodes
    const issuer = new TestIssuer('one')
    const judged: string[] = []
    for (const node of others) {
      node.discovery.addTicket(issuer.issue(node.peerId, Date.now() + 3_600_000))
      node.streams.produce(Data1)
      node.streams.consume(Data1)
    }
    const options = {
      require: ({ peer }: { readonly peer: string }) => judged.push(peer) > 0,
      requireTicket: issuer.validator,
    }
    const ends = [
      n0!.streams.produce(Data1, options),
      n0!.streams.consume(Data1, { ...options, local: false }),
    ] as const
    await discoverAll(nodes)
    for (const end of ends) await connectedTo(end, ...others)
    await eventually(() => others.every((node) => n0!.host.rtt.get(node.peerId) !== undefined))
    judged.length = 0
    issuer.looks.clear()
    const [changing] = others
    changing!.discovery.addTags('changed')
    feed(n0!, changing!)
    expect(judged).toEqual([changing!.peerId, changing!.peerId])
    expect([...issuer.looks]).toEqual([[changing!.peerId, 2]])
    // What this node says of itself is nothing new about the others.
    n0!.discovery.addTags('changed')
    expect(judged).toHaveLength(2)
  })
})
