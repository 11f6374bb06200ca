import { describe, expect, test } from '@jest/globals'
import { CloseReasons } from '#framework/network'
import { stream } from '#framework/streams'
import { z } from 'zod'
import { eventually } from '../support/eventually.js'
import { open, request } from './scripted-consumer.js'
import { ScriptedProducer } from './scripted-producer.js'
import { feed, freshNetwork, startNodes, TestNode } from './support.js'

const numbers = stream('introductions.numbers', z.object({ n: z.number() }))
/** So many that what a node says about itself is not short. */
const others = Array.from({ length: 20 }, (_, n) => stream(`introductions.other.${n}`, z.string()))
const shortMax = 512

const entryLength = (payload: unknown): number => (payload as { readonly entry: Uint8Array }).entry.byteLength

describe('given a peer that was told what a node says about itself', () => {
  test('when a consumer of the node subscribes, then it is shown that the node is alive, and not told again', async () => {
    await using scene = await consumerScene()
    const { node, producer } = scene
    await node.streams.consume(numbers).when().subscribed()
    await node.streams.consume(numbers).when().subscribed()
    expect(producer.links.map(({ openPayload }) => entryLength(openPayload) < shortMax)).toEqual([
      false,
      true,
    ])
  })

  test('when what the node says has changed, then the peer is told', async () => {
    await using scene = await consumerScene()
    const { node, producer } = scene
    await node.streams.consume(numbers).when().subscribed()
    node.discovery.addTags('changed')
    await node.streams.consume(numbers).when().subscribed()
    expect(producer.links.map(({ openPayload }) => entryLength(openPayload) < shortMax)).toEqual([
      false,
      false,
    ])
  })

  test('when the connection was lost since, then the peer is told', async () => {
    await using scene = await consumerScene()
    const { node, producer } = scene
    await node.streams.consume(numbers).when().subscribed()
    await node.host.disconnect(producer.peerId, CloseReasons.Cancelled)
    await eventually(() => producer.links.length === 2)
    expect(producer.links.map(({ openPayload }) => entryLength(openPayload) < shortMax)).toEqual([
      false,
      false,
    ])
  })

  test('when consumers of the peer subscribe, then the first greeting tells them', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    for (const other of others) n0!.streams.produce(other)
    n0!.streams.produce(numbers)
    feed(n1!, n0!)
    const greetings: unknown[] = []
    for (const subscriber of ['first', 'second']) {
      const link = await open(n1!, n0!, request(numbers, n1!, { subscriber }))
      greetings.push(link.acceptPayload)
    }
    expect(greetings.map((greeting) => entryLength(greeting) < shortMax)).toEqual([false, true])
  })
})

test('given many streams that are consumed at once, then what is told first is all of them', async () => {
  await using scene = await consumerScene()
  const { node, producer } = scene
  const consumer = node.streams.consume(numbers)
  for (const other of others) node.streams.consume(other)
  const { version } = node.discovery.me
  await consumer.when().subscribed()
  producer.discovery.feed((producer.links[0]!.openPayload as { readonly entry: Uint8Array }).entry)
  expect(producer.discovery.catalog.value.get(node.peerId)?.version).toEqual(version)
})

/** A node that is about to consume, and somebody who produces what it wants. */
async function consumerScene() {
  const network = freshNetwork()
  const producer = await ScriptedProducer.start(network, numbers)
  const node = await TestNode.start(network)
  for (const other of others) node.streams.produce(other)
  node.discovery.feed(producer.discovery.signedEntry())
  return {
    node,
    producer,
    [Symbol.asyncDispose]: async () => {
      await node[Symbol.asyncDispose]()
      await producer[Symbol.asyncDispose]()
    },
  }
}
