import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { connectedPeers, freshNetwork, refusedBy, startNodes, statusWith, TestNode } from './support.js'

const Data1 = stream('limits.data1', z.object({ text: z.string() }))

describe('what a node may produce and consume', () => {
  test('one name with two schemas on one node is refused, whichever side comes first', async () => {
    await using nodes = await startNodes({})
    const { streams } = nodes[0]!
    const other = stream('limits.data1', z.object({ text: z.number() }))
    const consumer = streams.consume(Data1)
    expect(() => streams.produce(other)).toThrow(expect.objectContaining({ code: 'STREAM_REDEFINED' }))
    await consumer.close()
    streams.produce(other)
    expect(() => streams.consume(Data1)).toThrow(expect.objectContaining({ code: 'STREAM_REDEFINED' }))
  })

  test('what is produced and consumed is announced, for as long as it is', async () => {
    await using nodes = await startNodes({})
    const { streams, discovery } = nodes[0]!
    const offer = { id: Data1.id, name: Data1.name, fingerprint: Data1.fingerprint }
    const producer = streams.produce(Data1)
    const consumers = [streams.consume(Data1), streams.consume(Data1)]
    expect(discovery.me).toMatchObject({ produces: [offer], consumes: [offer] })
    await consumers[0]!.close()
    expect(discovery.me.consumes).toEqual([offer])
    await consumers[1]!.close()
    await producer.close()
    expect(discovery.me).toMatchObject({ produces: [], consumes: [] })
  })
})

describe('producer/limits', () => {
  test('max_subs: given room for 3 of 7 consumers, then exactly 3 are served and the others told NoCapacity; when one of the 3 goes, then one of the others takes its place', async () => {
    const network = freshNetwork()
    await using n0 = await TestNode.start(network)
    const producer = n0.streams.produce(Data1, { maxConsumers: 3 })
    const nodes: TestNode[] = []
    try {
      for (let n = 0; n < 7; n++) nodes.push(await TestNode.start(network))
      const consumers = nodes.map((node) => node.streams.consume(Data1, { backoff: { maxMs: 500 } }))
      expect(consumers.every((consumer) => consumer.online)).toBe(true)
      for (const node of nodes) await node.meet(n0)
      await within(5_000, producer.when().subscribed({ min: 3 }))
      const served = connectedPeers(producer)
      const others = nodes.filter(({ peerId }) => !served.includes(peerId))
      for (const node of others) await refusedBy(consumers[nodes.indexOf(node)]!, n0, 10509)
      // They keep trying, and are turned away each time.
      await eventually(() =>
        others.every((node) => (statusWith(consumers[nodes.indexOf(node)]!, n0)?.attempt ?? 0) >= 3),
      )
      expect(connectedPeers(producer)).toEqual(served)

      const three = producer.when().subscribed({ min: 3 })
      const leaving = nodes.find(({ peerId }) => peerId === served[0])!
      const left = within(2_000, three.not())
      await leaving[Symbol.asyncDispose]()
      await left
      await within(2_000, three)
      const now = connectedPeers(producer)
      expect(now).toHaveLength(3)
      expect(now).toEqual(expect.arrayContaining(served.slice(1)))
      expect(others.map(({ peerId }) => peerId)).toEqual(
        expect.arrayContaining(now.filter((peer) => !served.includes(peer))),
      )
    } finally {
      for (const node of nodes) await node[Symbol.asyncDispose]()
    }
  })

  test('online_when: given producers that need two consumers, one, and two with a tag, then each is online exactly while it has them', async () => {
    const network = freshNetwork()
    await using n0 = await TestNode.start(network)
    await using n1 = await TestNode.start(network)
    const Other = stream('limits.other', z.string())
    const p01 = n0.streams.produce(Data1, { onlineWhen: 2 })
    const p02 = n0.streams.produce(Other)
    const p11 = n1.streams.produce(Data1, { onlineWhen: { min: 2, tags: ['tag2'] } })
    const online = (): boolean[] => [p01.online, p02.online, p11.online]
    const nodes: TestNode[] = []
    const join = async (...tags: string[]): Promise<TestNode> => {
      const node = await TestNode.start(network, { tags })
      nodes.push(node)
      const consumer = node.streams.consume(Data1)
      await node.meet(n0)
      await node.meet(n1)
      await within(3_000, consumer.when().subscribed({ min: 2 }))
      return node
    }
    try {
      expect(online()).toEqual([false, false, false])
      const first = await join()
      expect(online()).toEqual([false, false, false])
      const other = first.streams.consume(Other)
      await within(3_000, other.when().subscribed())
      expect(online()).toEqual([false, true, false])
      await join()
      expect(online()).toEqual([true, true, false])
      await join('tag2')
      expect(online()).toEqual([true, true, false])
      const tagged = await join('tag1', 'tag2')
      expect(online()).toEqual([true, true, true])
      expect(connectedPeers(p11)).toHaveLength(4)
      await tagged[Symbol.asyncDispose]()
      await within(2_000, p11.when().offline())
      expect(online()).toEqual([true, true, false])
    } finally {
      for (const node of nodes) await node[Symbol.asyncDispose]()
    }
  })
})
