// The specification's declarative definitions, which are classes here. Each scenario carries its name.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { digestOf } from '#framework/primitives'
import { stream, type ProducerOptions, type StreamDefinition } from '#framework/streams'
import { Consumer, launch, Producer, Service, type LaunchedNetwork } from '#decorators'
import { eventually, within } from '../support/eventually.js'

const datum = z.object({ n: z.number() })
type Datum = z.infer<typeof datum>
type Definition = StreamDefinition<Datum>

function producerOf(definition: Definition, options: ProducerOptions = {}) {
  @Service()
  class Source {
    @Producer(definition, options) readonly out!: Producer<Datum>
  }
  return Source
}

function consumerOf(definition: Definition, require?: (peer: { tags: readonly string[] }) => boolean) {
  @Service()
  class Sink {
    @Consumer(definition, require === undefined ? {} : { require }) readonly in!: Consumer<Datum>
  }
  return Sink
}

/** A datum sent by the one arrives at the other. */
async function flows(
  net: LaunchedNetwork,
  source: ReturnType<typeof producerOf>,
  sink: ReturnType<typeof consumerOf>,
) {
  await within(5_000, net.service(source).out.send({ n: 1 }))
  expect(await within(5_000, net.service(sink).in.recv())).toEqual({ n: 1 })
}

let networkCount = 0
const freshNetwork = (): string => `declare-${process.pid}-${networkCount++}`

describe('declare', () => {
  test('stream_macro_simple, stream_macro_named: given one definition, when both sides are declared from it, then its id is that of its name and a datum flows', async () => {
    const definition = stream('declare.named', datum)
    expect(definition.id).toBe(digestOf('declare.named'))
    const [source, sink] = [producerOf(definition), consumerOf(definition)]
    await using net = await launch({ network: freshNetwork(), services: [source, sink] })
    await flows(net, source, sink)
  })

  test('stream_macro_const_id: given a definition that is named by an id, then that is its id and a datum flows', async () => {
    const id = digestOf('declare.constant')
    const definition = stream(id, datum)
    expect(definition.id).toBe(id)
    const [source, sink] = [producerOf(definition), consumerOf(definition)]
    await using net = await launch({ network: freshNetwork(), services: [source, sink] })
    await flows(net, source, sink)
  })

  test('stream_macro_configured: given options, then they hold: one consumer is served, the other is refused for want of room', async () => {
    const definition = stream('declare.configured', datum)
    const [source, sink] = [producerOf(definition, { maxConsumers: 1, queue: 8 }), consumerOf(definition)]
    await using net = await launch({
      network: freshNetwork(),
      services: [source, { service: sink, replicas: 2 }],
    })
    const sinks = [net.service(sink, 0), net.service(sink, 1)]
    const codes = () =>
      sinks.flatMap((one) => one.in.subscriptions.value.map(({ lastClose }) => lastClose?.code))
    await eventually(() => expect(codes()).toContain(10509))
    expect(net.service(source).out.subscriptions.value).toHaveLength(1)
  })

  test('stream_macro_producer_only: given a producer that is declared, when a consumer is made by hand, then a datum flows', async () => {
    const definition = stream('declare.producer-only', datum)
    const [source, bystander] = [producerOf(definition), consumerOf(stream('declare.other', datum))]
    await using net = await launch({ network: freshNetwork(), services: [source, bystander] })
    const consumer = net.node('sink').streams.consume(definition)
    await within(5_000, net.service(source).out.send({ n: 2 }))
    expect(await within(5_000, consumer.recv())).toEqual({ n: 2 })
  })

  test('stream_macro_producer_require: given a producer that serves the trusted, then a tagged consumer gets data and another is refused', async () => {
    const definition = stream('declare.producer-require', datum)
    const source = producerOf(definition, { require: ({ tags }) => tags.includes('trusted') })
    const sink = consumerOf(definition)
    const services = [
      source,
      { service: sink, name: 'stranger' },
      { service: consumerOf(definition), name: 'friend', tags: ['trusted'] },
    ]
    await using net = await launch({ network: freshNetwork(), services })
    const [friend, stranger] = [net.node('friend'), net.node('stranger')]
    const consumers = () => net.service(source).out.subscriptions.value.map(({ consumer }) => consumer)
    await eventually(() => expect(consumers()).toEqual([friend.info.peerId]))
    await eventually(() => expect(stranger.streams.subscriptions.value[0]?.lastClose?.code).toBe(10403))
    expect(consumers()).toEqual([friend.info.peerId])
  })

  test('stream_macro_consumer_require: given a consumer that trusts a tag, then exactly the tagged producer is connected, and data flows', async () => {
    const definition = stream('declare.consumer-require', datum)
    const [trusted, other] = [producerOf(definition), producerOf(definition)]
    const judged: (readonly string[])[] = []
    const sink = consumerOf(definition, ({ tags }) => {
      judged.push(tags)
      return tags.includes('trusted')
    })
    const services = [
      { service: trusted, name: 'trusted', tags: ['trusted'] },
      { service: other, name: 'other' },
      sink,
    ]
    await using net = await launch({ network: freshNetwork(), services })
    await flows(net, trusted, sink)
    // The other one was looked at too, and is not connected.
    await eventually(() => expect(judged).toContainEqual([]))
    const producers = net.service(sink).in.subscriptions.value.map(({ producer }) => producer)
    expect(producers).toEqual([net.node('trusted').info.peerId])
  })
})
