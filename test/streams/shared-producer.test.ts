import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { ProducerError, stream, StreamAlreadyProducedError, type Producer } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { connectedTo, discoverAll, startNodes, take } from './support.js'

const Data1 = stream('shared.data1', z.object({ text: z.string() }))
type Data1 = z.output<typeof Data1.schema>

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('it threw nothing')
}

describe('producer/builder', () => {
  test('multiple_producers_one_stream: given a producer built with options, when it is built again with other options, then the error carries a handle of the one that there is; when it is built without, then one is returned', async () => {
    await using nodes = await startNodes({})
    const { streams } = nodes[0]!
    const producer = streams.produce(Data1, { onlineWhen: 0 })
    const error = thrownBy(() => streams.produce(Data1, { onlineWhen: 5 }))
    expect(error).toBeInstanceOf(StreamAlreadyProducedError)
    expect(error).toMatchObject({ code: 'STREAM_ALREADY_PRODUCED' })
    const { existing } = error as StreamAlreadyProducedError
    expect(existing.stream).toBe(Data1)
    await existing.send({ text: 'by the options that it has, it is online with no consumer' })
    const shared = streams.produce(Data1)
    expect(shared).not.toBe(producer)
    expect(shared.stream.id).toBe(Data1.id)
    expect(shared.online).toBe(true)
    expect(shared.stats().accepted).toBe(1)
  })

  test('options that are all undefined are none', async () => {
    await using nodes = await startNodes({})
    const { streams } = nodes[0]!
    streams.produce(Data1, { onlineWhen: 0 })
    expect(streams.produce(Data1, { overflow: undefined } as object).online).toBe(true)
  })

  test('given somebody who sees the announcement and produces the stream at once, then both have handles of one producer', async () => {
    await using nodes = await startNodes({})
    const { streams, discovery } = nodes[0]!
    const handles: Producer<Data1>[] = []
    using unsubscribe = new DisposableStack()
    unsubscribe.defer(
      discovery.catalog.subscribe(() => {
        if (handles.length === 0) handles.push(streams.produce(Data1))
      }),
    )
    handles.push(streams.produce(Data1))
    const consumer = streams.consume(Data1)
    await within(3_000, Promise.all(handles.map((handle) => handle.when().online())))
    for (const [index, handle] of handles.entries()) await handle.send({ text: `${index}` })
    expect(await within(3_000, take(consumer, 2))).toEqual([{ text: '0' }, { text: '1' }])
    await handles[0]!.close()
    expect(discovery.me.produces).toHaveLength(1)
    await handles[1]!.close()
    expect(discovery.me.produces).toEqual([])
  })

  test('a producer that is being closed is not shared, and can be waited for', async () => {
    await using nodes = await startNodes({})
    const { streams } = nodes[0]!
    const closing = streams.produce(Data1).close()
    const error = thrownBy(() => streams.produce(Data1))
    expect(error).toMatchObject({
      code: 'STREAM_ALREADY_PRODUCED',
      message: expect.stringContaining('is being closed'),
    })
    await closing
    expect(streams.produce(Data1, { onlineWhen: 0 }).online).toBe(true)
  })
})

describe('S-4: handles of one producer', () => {
  test('given two handles, when one is closed, then only that one has ended; when the other one is too, then the stream is retired', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const first = n0!.streams.produce(Data1)
    const second = n0!.streams.produce(Data1)
    const consumer = n1!.streams.consume(Data1)
    await discoverAll(nodes)
    await connectedTo(first, n1!)
    await connectedTo(second, n1!)
    await within(3_000, Promise.all([first.when().online(), second.when().online()]))

    await first.send({ text: 'one' })
    await second.send({ text: 'two' })
    expect(await within(3_000, take(consumer, 2))).toEqual([{ text: 'one' }, { text: 'two' }])
    expect(first.stats()).toEqual(second.stats())

    const conditions = first.when().subscribed({ min: 2 }).wait()
    await first.close()
    await expect(conditions).rejects.toMatchObject({ code: 'ENDED' })
    expect(first.online).toBe(false)
    expect(first.subscriptions).toMatchObject({ ended: true, value: [] })
    await within(1_000, first.when().offline())
    const datum = { text: 'too late' }
    await expect(first.send(datum)).rejects.toMatchObject({ code: 'PRODUCER_CLOSED', datum })
    expect(thrownBy(() => first.trySend(datum))).toBeInstanceOf(ProducerError)
    await expect(first.drain()).rejects.toMatchObject({ code: 'PRODUCER_CLOSED' })

    expect(second.online).toBe(true)
    expect(n0!.discovery.me.produces).toHaveLength(1)
    await second.send({ text: 'still here' })
    expect(await within(3_000, consumer.recv())).toEqual({ text: 'still here' })

    await first.close()
    expect(second.online).toBe(true)
    await second.close()
    expect(n0!.discovery.me.produces).toEqual([])
    await within(3_000, consumer.when().unsubscribed())
  })

  test('given a send that waits, when the handle it went through is closed and another one stays open, then it is sent', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const first = n0!.streams.produce(Data1)
    n0!.streams.produce(Data1)
    const sent = first.send({ text: 'patient' })
    await first.close()
    const consumer = n1!.streams.consume(Data1)
    await discoverAll(nodes)
    expect(await within(3_000, consumer.recv())).toEqual({ text: 'patient' })
    await within(3_000, sent)
  })

  test('given an error that nobody took the handle of, when the one producer is closed, then the stream is retired', async () => {
    await using nodes = await startNodes({})
    const { streams, discovery } = nodes[0]!
    const producer = streams.produce(Data1)
    thrownBy(() => streams.produce(Data1, { queue: 2 }))
    await producer.close()
    expect(discovery.me.produces).toEqual([])
  })

  test('given several consumers of one stream on one node, then each gets its own full copy', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Data1, { onlineWhen: 3 })
    const consumers = [n1!, n1!, n0!].map(({ streams }) => streams.consume(Data1))
    await discoverAll(nodes)
    await within(5_000, producer.when().online())
    const texts = ['a', 'b', 'c']
    for (const text of texts) await producer.send({ text })
    for (const consumer of consumers) {
      const datums = await within(3_000, take(consumer, 3))
      expect(datums.map(({ text }) => text)).toEqual(texts)
    }
    await eventually(() => expect(producer.stats().sent).toBe(9))
  })
})
