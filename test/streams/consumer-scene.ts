import { expect } from '@jest/globals'
import { z } from 'zod'
import type { Identity, Link } from '#framework/network'
import type { NetworkId } from '#framework/primitives'
import { stream, type Consumer, type ConsumerOptions } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { ScriptedProducer } from './scripted-producer.js'
import { freshNetwork, TestNode } from './support.js'

export const Data1 = stream('consumer-scene.data1', z.object({ n: z.number() }))
export type Data1 = z.output<typeof Data1.schema>

export interface ConsumerScene extends AsyncDisposable {
  readonly producer: ScriptedProducer
  readonly node: TestNode
  readonly consumer: Consumer<Data1>
}

type Greet = (greeting: Record<string, unknown>) => unknown

/** A consumer that has just found a scripted producer. */
export async function consumerScene(
  options: ConsumerOptions<Data1> = {},
  greet?: Greet,
  identity?: Identity,
): Promise<ConsumerScene> {
  const network: NetworkId = freshNetwork()
  const producer = await ScriptedProducer.start(network, Data1, greet)
  const node = await TestNode.start(network, { ...(identity && { identity }) })
  const consumer = node.streams.consume(Data1, options)
  await node.discovery.syncWith({ peer: producer.peerId, addresses: producer.host.addresses.value })
  return {
    producer,
    node,
    consumer,
    [Symbol.asyncDispose]: async () => {
      await node[Symbol.asyncDispose]()
      await producer[Symbol.asyncDispose]()
    },
  }
}

/** The link that the consumer opened as the n-th, counted from 0, when it is subscribed over it. */
export async function linkOf({ producer, consumer }: ConsumerScene, index = 0): Promise<Link> {
  await eventually(() => producer.links.length > index)
  await within(5_000, consumer.when().subscribed())
  return producer.links[index]!
}

/** Waits until the consumer's one subscription has ended with this code, and says with which message. */
export async function closedWith({ consumer }: ConsumerScene, code: number): Promise<string | undefined> {
  await eventually(() => {
    expect(consumer.subscriptions.value).toMatchObject([{ state: 'closed', lastClose: { code } }])
  })
  return consumer.subscriptions.value[0]?.lastClose?.message
}

/** Waits until that many datums have arrived over the consumer's one subscription. */
export async function arrived({ consumer }: ConsumerScene, count: number): Promise<void> {
  await eventually(() => expect(consumer.subscriptions.value[0]?.datums).toBe(count))
}
