import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream, type Requirements } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { connectedTo, discoverAll, refusedBy, startNodes, take, type TestNode } from './support.js'

const Data1 = stream('rtt.data1', z.object({ text: z.string() }))

/** The two ways to say how far away the other end may be, in milliseconds. */
const waysToSay: [string, (ms: number) => Requirements][] = [
  ['maxRttMs', (ms) => ({ maxRttMs: ms })],
  ['require', (ms) => ({ require: (peer) => peer.rttBelow(ms) })],
]

const nanosecond = 1e-6

/** A node that was never measured: its connections are made while a subscription is opened. */
async function strangers(): Promise<TestNode[] & AsyncDisposable> {
  const nodes = await startNodes({ discovery: { meshPeers: 0 } }, { discovery: { meshPeers: 0 } })
  const [n0, n1] = nodes
  n0!.discovery.insert(n1!.discovery.me)
  expect(n0!.host.rtt.get(n1!.peerId)).toBeUndefined()
  return nodes
}

describe.each(waysToSay)('consumer/rtt, by %s', (_way, nearer) => {
  test('require_rtt_accepts_fast_peers: given 5 s, then it is subscribed within 5 s and data flows', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n1!.streams.produce(Data1)
    const consumer = n0!.streams.consume(Data1, nearer(5_000))
    await discoverAll(nodes)
    await within(5_000, consumer.when().subscribed())
    await producer.send({ text: 'near' })
    expect(await within(3_000, take(consumer, 1))).toEqual([{ text: 'near' }])
  })

  test('require_rtt_rejects_slow_peers: given 1 ns, then as soon as it was measured it has no producers', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    n1!.streams.produce(Data1)
    const consumer = n0!.streams.consume(Data1, nearer(nanosecond))
    await discoverAll(nodes)
    await eventually(() => {
      expect(n0!.host.rtt.get(n1!.peerId)).toBeDefined()
      expect(n0!.discovery.catalog.value.get(n1!.peerId)?.produces).toHaveLength(1)
      expect(consumer.subscriptions.value).toEqual([])
    })
  })

  test('given a subscription, when the producer has moved away, then it is left, and when it is near again, then it is subscribed to', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    n1!.streams.produce(Data1)
    const consumer = n0!.streams.consume(Data1, nearer(1_000))
    await discoverAll(nodes)
    await connectedTo(consumer, n1!)
    const { rtt } = n0!.host
    rtt.note(n1!.peerId, 2_000, 'a detour')
    expect(consumer.subscriptions.value).toEqual([])
    rtt.note(n1!.peerId, 1, 'the old way')
    await connectedTo(consumer, n1!)
  })
})

describe('a limit is kept to the millisecond', () => {
  test('given a round trip just below maxRttMs, when it is just above, which is no news to others, then the producer is left', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n1!.streams.produce(Data1)
    const consumer = n0!.streams.consume(Data1, { maxRttMs: 1_000 })
    await discoverAll(nodes)
    await connectedTo(consumer, n1!)
    n0!.host.rtt.note(n1!.peerId, 999, 'a path')
    expect(consumer.subscriptions.value).toHaveLength(1)
    n0!.host.rtt.note(n1!.peerId, 1_001, 'another path')
    expect(consumer.subscriptions.value).toEqual([])
    await connectedTo(producer)
  })
})

describe.each(waysToSay)('producer/rtt, by %s', (_way, nearer) => {
  test('require_rtt_accepts_fast_peers: given 5 s, then the consumer is subscribed within 5 s and data flows', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1, nearer(5_000))
    const consumer = n1!.streams.consume(Data1)
    await discoverAll(nodes)
    await within(5_000, producer.when().subscribed())
    await producer.send({ text: 'near' })
    expect(await within(3_000, take(consumer, 1))).toEqual([{ text: 'near' }])
  })

  test('require_rtt_rejects_slow_peers: given 1 ns, then the consumer is told NotAllowed as soon as it was measured', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1, nearer(nanosecond))
    const consumer = n1!.streams.consume(Data1)
    await discoverAll(nodes)
    await refusedBy(consumer, n0!, 10403)
    await connectedTo(producer)
  })
})

describe('S-14: connect first', () => {
  test('given no requirement on the round trip, then a consumer subscribes at once to a producer that was never measured', async () => {
    await using nodes = await strangers()
    const [n0, n1] = nodes
    n1!.streams.produce(Data1)
    n0!.discovery.insert(n1!.discovery.me)
    const consumer = n0!.streams.consume(Data1)
    expect(consumer.subscriptions.value).toMatchObject([{ state: 'connecting', attempt: 1 }])
    expect(n0!.host.rtt.get(n1!.peerId)).toBeUndefined()
    await connectedTo(consumer, n1!)
  })

  test('given maxRttMs, then a producer that turns out to be too far away is never asked to serve', async () => {
    await using nodes = await strangers()
    const [n0, n1] = nodes
    const producer = n1!.streams.produce(Data1)
    n0!.discovery.insert(n1!.discovery.me)
    const consumer = n0!.streams.consume(Data1, { maxRttMs: nanosecond })
    expect(consumer.subscriptions.value).toMatchObject([{ state: 'connecting', producer: n1!.peerId }])
    await eventually(() => expect(consumer.subscriptions.value).toEqual([]))
    expect(n0!.host.rtt.ms(n1!.peerId)).toBeGreaterThan(nanosecond)
    // Whatever it was asked before, it has heard by now.
    await n0!.meet(n1!)
    expect(producer.stats().refused).toBe(0)
    const accepted = { stream: Data1.id.slice(0, 10), result: 'accepted' }
    expect(n1!.host.metrics.value('mosaik_stream_subscriptions_total', accepted)).toBeUndefined()
  })

  test('given maxRttMs and a producer that was never measured, then it is measured and subscribed to', async () => {
    await using nodes = await strangers()
    const [n0, n1] = nodes
    n1!.streams.produce(Data1)
    n0!.discovery.insert(n1!.discovery.me)
    const consumer = n0!.streams.consume(Data1, { maxRttMs: 5_000 })
    await connectedTo(consumer, n1!)
    expect(n0!.host.rtt.get(n1!.peerId)).toBeDefined()
  })

  test('a node is no distance away from itself', async () => {
    await using nodes = await startNodes({})
    const { streams } = nodes[0]!
    const producer = streams.produce(Data1, { maxRttMs: nanosecond })
    const consumer = streams.consume(Data1, { maxRttMs: nanosecond, require: (peer) => peer.rttMs === 0 })
    await within(3_000, Promise.all([producer.when().subscribed(), consumer.when().subscribed()]))
  })
})
