import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import {
  connectedPeers,
  connectedTo,
  discoverAll,
  feed,
  freshNetwork,
  refusedBy,
  startNodes,
  statusWith,
  TestNode,
} from './support.js'

const Data1 = stream('auth.data1', z.object({ text: z.string() }))

/** Whether a node has heard of all the others, with what they produce or consume. */
async function knowsEverybody(node: TestNode, count: number): Promise<void> {
  await eventually(() => {
    const peers = [...node.discovery.catalog.value.peers.values()]
    expect(peers.filter(({ produces, consumes }) => produces.length + consumes.length > 0)).toHaveLength(
      count,
    )
  })
}

describe('consumer/auth', () => {
  test('require_chaining: given producers with both, one and none of the tags, when a consumer requires both, then it is connected to the first only', async () => {
    await using nodes = await startNodes(
      {},
      { tags: ['tag1', 'tag2'] },
      { tags: ['tag1'] },
      { tags: ['tag3'] },
    )
    const [n0, n1, n2, n3] = nodes
    const producers = [n1!, n2!, n3!].map((node) => node.streams.produce(Data1))
    await discoverAll(nodes)
    const judged: string[] = []
    const consumer = n0!.streams.consume(Data1, {
      require: ({ peer, tags }) => {
        judged.push(peer)
        return tags.includes('tag1') && tags.includes('tag2')
      },
    })
    await knowsEverybody(n0!, 3)
    await connectedTo(consumer, n1!)
    expect(new Set(judged)).toEqual(new Set([n1!.peerId, n2!.peerId, n3!.peerId]))
    expect(consumer.subscriptions.value).toHaveLength(1)
    expect(producers.map((producer) => producer.online)).toEqual([true, false, false])
  })

  test('by_tag: given a consumer that requires a tag and an open one, then the first is connected to one producer and the second to both', async () => {
    await using nodes = await startNodes({ tags: ['tag1', 'tag2'] }, { tags: ['tag4', 'tag5'] }, {}, {})
    const [n0, n1, n2, n3] = nodes
    const producers = [n0!.streams.produce(Data1), n1!.streams.produce(Data1)] as const
    const picky = n2!.streams.consume(Data1, { require: ({ tags }) => tags.includes('tag2') })
    const open = n3!.streams.consume(Data1)
    await discoverAll(nodes)
    await knowsEverybody(n2!, 3)
    await connectedTo(picky, n0!)
    await connectedTo(open, n0!, n1!)
    await connectedTo(producers[0], n2!, n3!)
    await connectedTo(producers[1], n3!)
  })

  test('dynamic_tag_reevaluation: given a consumer that requires the leader, when the tag moves to another producer, then so does the subscription', async () => {
    await using nodes = await startNodes({}, { tags: ['leader'] }, {})
    const [n0, n1, n2] = nodes
    const producers = [n1!.streams.produce(Data1), n2!.streams.produce(Data1)] as const
    const consumer = n0!.streams.consume(Data1, { require: ({ tags }) => tags.includes('leader') })
    await discoverAll(nodes)
    await connectedTo(consumer, n1!)

    n1!.discovery.removeTags('leader')
    feed(n0!, n1!)
    await within(3_000, consumer.when().unsubscribed())
    expect(consumer.subscriptions.value).toEqual([])
    await within(3_000, producers[0].when().offline())

    n2!.discovery.addTags('leader')
    feed(n0!, n2!)
    await connectedTo(consumer, n2!)
    expect(producers[1].online).toBe(true)
  })
})

describe('producer/auth', () => {
  test('require_chaining: given consumers with both, one and none of the tags, when the producer requires both, then only the first is served and the others are told NotAllowed', async () => {
    await using nodes = await startNodes(
      {},
      { tags: ['tag1', 'tag2'] },
      { tags: ['tag1'] },
      { tags: ['tag3'] },
    )
    const [n0, n1, n2, n3] = nodes
    const producer = n0!.streams.produce(Data1, {
      require: ({ tags }) => tags.includes('tag1') && tags.includes('tag2'),
    })
    const consumers = [n1!, n2!, n3!].map((node) => node.streams.consume(Data1))
    await discoverAll(nodes)
    await connectedTo(consumers[0]!, n0!)
    await refusedBy(consumers[1]!, n0!, 10403)
    await refusedBy(consumers[2]!, n0!, 10403)
    await connectedTo(producer, n1!)
    expect(producer.stats().refused).toBeGreaterThanOrEqual(2)
  })

  test('by_tag: given a producer that requires a tag and an open one, then the first serves one consumer and the second both', async () => {
    await using nodes = await startNodes({}, {}, { tags: ['tag1', 'tag2'] }, { tags: ['tag3', 'tag4'] })
    const [n0, n1, n2, n3] = nodes
    const picky = n0!.streams.produce(Data1, { require: ({ tags }) => tags.includes('tag2') })
    const open = n1!.streams.produce(Data1)
    const consumers = [n2!.streams.consume(Data1), n3!.streams.consume(Data1)] as const
    await discoverAll(nodes)
    await connectedTo(consumers[0], n0!, n1!)
    await connectedTo(consumers[1], n1!)
    await refusedBy(consumers[1], n0!, 10403)
    await connectedTo(picky, n2!)
    await connectedTo(open, n2!, n3!)
  })

  test('revocation: given a consumer that is served for a tag, when it loses the tag, then it is cut off with NotAllowed; when it has the tag again, then it is served at once', async () => {
    await using nodes = await startNodes({}, { tags: ['trusted'] })
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1, { require: ({ tags }) => tags.includes('trusted') })
    const consumer = n1!.streams.consume(Data1)
    await n1!.meet(n0!)
    await connectedTo(producer, n1!)
    n1!.discovery.removeTags('trusted')
    feed(n0!, n1!)
    await refusedBy(consumer, n0!, 10403)
    expect(producer.subscriptions.value).toEqual([])
    // The next attempt is half a minute away, unless this node changes.
    expect(statusWith(consumer, n0!)?.retryAtMs).toBeGreaterThan(Date.now() + 20_000)
    n1!.discovery.addTags('trusted')
    await connectedTo(producer, n1!)
  })

  test('tags_in_handshake: given a consumer whose tag the producer has not heard of, when it subscribes, then the entry in its handshake counts', async () => {
    await using nodes = await startNodes({ discovery: { meshPeers: 0 } }, { discovery: { meshPeers: 0 } })
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1, { require: ({ tags }) => tags.includes('trusted') })
    await n1!.meet(n0!)
    await n0!.host.disconnect(n1!.peerId, { code: 200, name: 'Success' })
    n1!.discovery.addTags('trusted')
    n1!.streams.consume(Data1)
    await connectedTo(producer, n1!)
  })
})

describe('a predicate that throws', () => {
  test('on the producer: counts as a no, is counted, and the producer goes on serving others', async () => {
    await using nodes = await startNodes({}, { tags: ['good'] }, { tags: ['bad'] })
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(Data1, {
      require: ({ tags }) => {
        if (tags.includes('bad')) throw new Error('cannot judge this one')
        return true
      },
    })
    const good = n1!.streams.consume(Data1)
    const bad = n2!.streams.consume(Data1)
    await discoverAll(nodes)
    await connectedTo(good, n0!)
    await refusedBy(bad, n0!, 10403)
    expect(producer.stats().predicateErrors).toBeGreaterThan(0)
    await producer.send({ text: 'still alive' })
    expect(await within(3_000, good.recv())).toEqual({ text: 'still alive' })
  })

  test('on the consumer, or one that answers with a promise: counts as a no, and the consumer goes on', async () => {
    await using nodes = await startNodes({}, { tags: ['good'] }, { tags: ['bad'] }, { tags: ['async'] })
    const [n0, n1, n2, n3] = nodes
    for (const node of [n1!, n2!, n3!]) node.streams.produce(Data1)
    const consumer = n0!.streams.consume(Data1, {
      require: ({ tags }) => {
        if (tags.includes('bad')) throw new Error('cannot judge this one')
        return tags.includes('async') ? (Promise.resolve(true) as unknown as boolean) : true
      },
    })
    await discoverAll(nodes)
    await knowsEverybody(n0!, 3)
    await connectedTo(consumer, n1!)
    expect(consumer.stats().predicateErrors).toBeGreaterThanOrEqual(2)
  })
})

test('a peer that leaves the catalog is cut off on both sides', async () => {
  const network = freshNetwork()
  await using producing = await TestNode.start(network, { discovery: { meshPeers: 0 } })
  await using consuming = await TestNode.start(network, { discovery: { meshPeers: 0 } })
  const producer = producing.streams.produce(Data1)
  consuming.discovery.insert(producing.discovery.me)
  const consumer = consuming.streams.consume(Data1)
  await connectedTo(consumer, producing)
  const departure = consuming.discovery.close()
  await connectedTo(producer)
  await departure
  expect(connectedPeers(producer)).toEqual([])
})
