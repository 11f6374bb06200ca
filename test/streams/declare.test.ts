import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { nearest } from '#framework/discovery'
import { digestOf } from '#framework/primitives'
import {
  stream,
  type Consumer,
  type Producer,
  type StreamDefaults,
  type StreamDefinition,
} from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { connectedTo, discoverAll, refusedBy, startNodes, take, type TestNode } from './support.js'
import { TestIssuer } from './tickets.js'

const schema = z.object({ text: z.string() })
type Data1 = z.output<typeof schema>
const isTrusted = ({ tags }: { readonly tags: readonly string[] }): boolean => tags.includes('trusted')

async function flows(producer: Producer<Data1>, consumer: Consumer<Data1>): Promise<void> {
  await producer.send({ text: 'flows' })
  expect(await within(3_000, take(consumer, 1))).toEqual([{ text: 'flows' }])
}

/** Opens both ends of a definition on two nodes and has one datum flow. */
async function flowsBetween(definition: StreamDefinition<Data1>): Promise<void> {
  await using nodes = await startNodes({}, {})
  const producer = nodes[0]!.streams.produce(definition)
  const consumer = nodes[1]!.streams.consume(definition)
  await discoverAll(nodes)
  await flows(producer, consumer)
}

/** Whether a node has heard what that many others produce. */
async function knowsProducers(node: TestNode, count: number): Promise<void> {
  await eventually(() => {
    const peers = [...node.discovery.catalog.value.peers.values()]
    return peers.filter(({ produces }) => produces.length > 0).length === count
  })
}

describe('declare', () => {
  test('stream_macro_simple, stream_macro_named: given a definition with a name, then its id is the digest of that and a datum flows', async () => {
    const definition = stream('declare.named', schema)
    expect(definition.id).toBe(digestOf('declare.named'))
    await flowsBetween(definition)
  })

  test('stream_macro_const_id: given 64 hexadecimal digits for a name, then they are the id and a datum flows', async () => {
    const id = digestOf('a constant')
    const definition = stream(id, schema)
    expect(definition.id).toBe(id)
    await flowsBetween(definition)
  })

  test('stream_macro_configured: given a definition with options for both ends, then they apply where nothing else is said', async () => {
    const definition = stream('declare.configured', schema, {
      producer: { onlineWhen: 0, maxConsumers: 1 },
      consumer: { onlineWhen: 1, backoff: { maxMs: 300 } },
    })
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(definition)
    const consumer = n1!.streams.consume(definition)
    expect([producer.online, consumer.online]).toEqual([true, false])
    await n1!.meet(n0!)
    await within(3_000, consumer.when().online())
    await flows(producer, consumer)

    const other = n2!.streams.consume(definition, { onlineWhen: 0 })
    expect(other.online).toBe(true)
    await n2!.meet(n0!)
    await refusedBy(other, n0!, 10509)
  })

  test('stream_macro_producer_only: given options for producers alone, then a consumer has the usual ones and a datum flows', async () => {
    const definition = stream('declare.producer', schema, { producer: { overflow: 'drop-oldest', queue: 2 } })
    await flowsBetween(definition)
  })

  test('stream_macro_producer_require: given that consumers must be trusted, then the tagged one gets data and the other is refused', async () => {
    const definition = stream('declare.consumers-must', schema, { consumersMust: { require: isTrusted } })
    await using nodes = await startNodes({}, { tags: ['trusted'] }, {})
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(definition)
    const consumers = [n1!.streams.consume(definition), n2!.streams.consume(definition)] as const
    await discoverAll(nodes)
    await connectedTo(producer, n1!)
    await refusedBy(consumers[1], n0!, 10403)
    await flows(producer, consumers[0])
  })

  test('stream_macro_consumer_require: given that producers must be trusted, then exactly the tagged one is connected and data flows', async () => {
    const definition = stream('declare.producers-must', schema, { producersMust: { require: isTrusted } })
    await using nodes = await startNodes({}, { tags: ['trusted'] }, {})
    const [n0, n1, n2] = nodes
    const consumer = n0!.streams.consume(definition)
    const producer = n1!.streams.produce(definition)
    n2!.streams.produce(definition)
    await discoverAll(nodes)
    await knowsProducers(n0!, 2)
    await connectedTo(consumer, n1!)
    expect(consumer.subscriptions.value).toHaveLength(1)
    await flows(producer, consumer)
  })

  test('S-30: what consumers must fulfil is asked of consumers, and what producers must fulfil of producers', async () => {
    const definition = stream('declare.sides', schema, {
      consumersMust: { require: ({ tags }) => tags.includes('consumer') },
      producersMust: { require: ({ tags }) => tags.includes('producer') },
    })
    await using nodes = await startNodes({ tags: ['producer'] }, { tags: ['consumer'] })
    const producer = nodes[0]!.streams.produce(definition)
    const consumer = nodes[1]!.streams.consume(definition)
    await discoverAll(nodes)
    await flows(producer, consumer)
  })

  test('what a definition asks for and what produce and consume ask for must both hold', async () => {
    const definition = stream('declare.both', schema, {
      consumersMust: { require: isTrusted },
      producersMust: { require: isTrusted },
    })
    const isLocal = ({ tags }: { readonly tags: readonly string[] }): boolean => tags.includes('local')
    await using nodes = await startNodes(
      { tags: ['trusted', 'local'] },
      { tags: ['trusted', 'local'] },
      { tags: ['trusted'] },
      { tags: ['local'] },
    )
    const [n0, n1, n2, n3] = nodes
    const producer = n0!.streams.produce(definition, { require: isLocal })
    const consumers = [n1!, n2!, n3!].map((node) => node.streams.consume(definition))
    const picky = n0!.streams.consume(definition, { require: isLocal })
    for (const node of [n1!, n2!, n3!]) node.streams.produce(definition, { onlineWhen: 0 })
    await discoverAll(nodes)
    await knowsProducers(n0!, 3)
    await connectedTo(producer, n0!, n1!)
    await refusedBy(consumers[1]!, n0!, 10403)
    await connectedTo(picky, n0!, n1!)
  })

  const tickets = (
    nodes: readonly TestNode[],
    issuer: TestIssuer,
    ...untils: readonly (number | 'never' | undefined)[]
  ) => {
    for (const [index, until] of untils.entries()) {
      const node = nodes[index]!
      if (until !== undefined) node.discovery.addTicket(issuer.issue(node.peerId, until))
    }
  }

  test('stream_macro_require_ticket: given that both sides need a ticket, and n0 and n1 have one, n2 an old one and n3 none, then only n1 subscribes and data flows', async () => {
    const issuer = new TestIssuer('one')
    const must = { requireTicket: issuer.validator }
    const definition = stream('declare.tickets', schema, { consumersMust: must, producersMust: must })
    await using nodes = await startNodes({}, {}, {}, {})
    tickets(nodes, issuer, 'never', 'never', Date.now() - 1_000)
    const [n0, n1, n2, n3] = nodes
    const producer = n0!.streams.produce(definition)
    const consumers = [n1!, n2!, n3!].map((node) => node.streams.consume(definition))
    await discoverAll(nodes)
    await connectedTo(producer, n1!)
    await refusedBy(consumers[1]!, n0!, 10403)
    await refusedBy(consumers[2]!, n0!, 10403)
    await flows(producer, consumers[0]!)
  })

  test('stream_macro_producer_require_ticket: given that producers need a ticket, then the consumer connects only to the one that has it', async () => {
    const issuer = new TestIssuer('one')
    const definition = stream('declare.producer-ticket', schema, {
      producersMust: { requireTicket: issuer.validator },
    })
    await using nodes = await startNodes({}, {}, {})
    tickets(nodes, issuer, undefined, 'never')
    const [n0, n1, n2] = nodes
    const consumer = n0!.streams.consume(definition)
    const producer = n1!.streams.produce(definition)
    n2!.streams.produce(definition)
    await discoverAll(nodes)
    await knowsProducers(n0!, 2)
    await connectedTo(consumer, n1!)
    expect(consumer.subscriptions.value).toHaveLength(1)
    await flows(producer, consumer)
  })

  test('stream_macro_consumer_require_ticket: given that consumers need a ticket, then only the one that has it is served', async () => {
    const issuer = new TestIssuer('one')
    const definition = stream('declare.consumer-ticket', schema, {
      consumersMust: { requireTicket: issuer.validator },
    })
    await using nodes = await startNodes({}, {}, {})
    tickets(nodes, issuer, undefined, 'never')
    const [n0, n1, n2] = nodes
    const producer = n0!.streams.produce(definition)
    const consumers = [n1!.streams.consume(definition), n2!.streams.consume(definition)] as const
    await discoverAll(nodes)
    await connectedTo(producer, n1!)
    await refusedBy(consumers[1], n0!, 10403)
    await flows(producer, consumers[0])
  })

  test('stream_macro_multiple_require_ticket: given two issuers that both sides need, then only the pair with both tickets connects', async () => {
    const issuers = [new TestIssuer('one'), new TestIssuer('two')] as const
    const must = { requireTicket: issuers.map(({ validator }) => validator) }
    const definition = stream('declare.two-tickets', schema, { consumersMust: must, producersMust: must })
    await using nodes = await startNodes({}, {}, {}, {})
    tickets(nodes, issuers[0], 'never', 'never', 'never')
    tickets(nodes, issuers[1], 'never', 'never', undefined, 'never')
    const [n0, n1, n2, n3] = nodes
    const producer = n0!.streams.produce(definition)
    const consumers = [n1!, n2!, n3!].map((node) => node.streams.consume(definition))
    await discoverAll(nodes)
    await connectedTo(producer, n1!)
    await refusedBy(consumers[1]!, n0!, 10403)
    await refusedBy(consumers[2]!, n0!, 10403)
    await flows(producer, consumers[0]!)
  })
})

describe('the defaults of a definition', () => {
  test('belong to it: what its author changes afterwards has no effect, and nobody else can', () => {
    const defaults: { producer?: object } = { producer: { queue: 2 } }
    const definition = stream('declare.frozen', schema, defaults)
    delete defaults.producer
    expect(definition.defaults.producer).toEqual({ queue: 2 })
    expect(() => Object.assign(definition.defaults, { producer: {} })).toThrow(TypeError)
  })

  test('are no part of the fingerprint: both ends may have their own', () => {
    const bare = stream('declare.print', schema)
    const configured = stream('declare.print', schema, { consumer: { prefer: nearest(2) } })
    expect(configured.fingerprint).toBe(bare.fingerprint)
  })

  test('an unknown key is refused by the compiler and at run time, with the one that was meant', () => {
    const attempts: (() => unknown)[] = [
      // @ts-expect-error there is no such part
      () => stream('x', schema, { producers: {} }),
      // @ts-expect-error there is no such option
      () => stream('x', schema, { producer: { quue: 2 } }),
      // @ts-expect-error an option of producers
      () => stream('x', schema, { consumer: { queue: 2 } }),
      // @ts-expect-error an option of consumers
      () => stream('x', schema, { producer: { criteria: {} } }),
      // @ts-expect-error which side it asks of is said by `consumersMust` and `producersMust`
      () => stream('x', schema, { consumer: { require: isTrusted } }),
      // @ts-expect-error the name of one consumer
      () => stream('x', schema, { consumer: { name: 'one' } }),
      // @ts-expect-error no requirement
      () => stream('x', schema, { consumersMust: { maxConsumers: 2 } }),
    ]
    for (const attempt of attempts) {
      expect(attempt).toThrow(expect.objectContaining({ code: 'STREAM_OPTION_INVALID' }))
    }
    expect(attempts[0]).toThrow('did you mean "producer"?')
    expect(attempts[1]).toThrow('"producer.quue" is not an option: did you mean "queue"?')
  })

  test('know the datum: an undelivered sink takes what the schema puts out', () => {
    const defaults: StreamDefaults<Data1> = { producer: { undelivered: ({ text }) => void text.length } }
    stream('declare.typed', schema, defaults)
    const counts = ({ count }: { count: number }): void => void count
    // @ts-expect-error the schema puts out text
    stream('declare.typed', schema, { producer: { undelivered: counts } })
  })
})
