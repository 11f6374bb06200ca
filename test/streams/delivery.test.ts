import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { equalBytes, shortId } from '#framework/primitives'
import { stream, type ProducerError } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { startNodes, take } from './support.js'

const Blob = stream('delivery.blob', z.object({ n: z.number(), bytes: z.instanceof(Uint8Array) }))

describe('order under load and large datums', () => {
  test('several senders at a time, sizes from nothing to almost a frame: each arrives once, in the order of the sends', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Blob)
    const consumer = nodes[1]!.streams.consume(Blob)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    const sizes = [0, 1, 100, 5_000, 70_000, 300_000, 1_000_000]
    const count = 15 * sizes.length
    const receiving = (async () => {
      for (let n = 0; n < count; n++) {
        const datum = await consumer.recv()
        const size = sizes[n % sizes.length]!
        expect(datum?.n).toBe(n)
        expect(datum?.bytes.byteLength).toBe(size)
        expect(equalBytes(datum!.bytes, new Uint8Array(size).fill(n & 0xff))).toBe(true)
      }
    })()
    let next = 0
    const sender = async (): Promise<void> => {
      while (next < count) {
        const n = next++
        await producer.send({ n, bytes: new Uint8Array(sizes[n % sizes.length]!).fill(n & 0xff) })
      }
    }
    await Promise.all([sender(), sender(), sender()])
    await within(15_000, receiving)
    expect(consumer.stats()).toMatchObject({ received: count, lost: 0 })
  })

  test('a datum that is longer than a frame is refused and handed back, and the next one passes', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Blob)
    const consumer = nodes[1]!.streams.consume(Blob)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    const datum = { n: 1, bytes: new Uint8Array(1 << 20) }
    const refusal: unknown = await producer.send(datum).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'PRODUCER_DATUM_TOO_LARGE' })
    expect((refusal as ProducerError).datum).toBe(datum)
    const largest = { n: 2, bytes: new Uint8Array((1 << 20) - 64) }
    await producer.send(largest)
    const received = await within(5_000, consumer.recv())
    expect(received?.n).toBe(2)
    expect(equalBytes(received?.bytes ?? new Uint8Array(), largest.bytes)).toBe(true)
  })

  test('given a loop that sends for ever, then timers and the consumer in the same process still get their turns', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Blob, { overflow: 'drop-oldest' })
    const consumer = nodes[1]!.streams.consume(Blob)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    let isOver = false
    const flooding = (async () => {
      for (let n = 0; !isOver; n++) await producer.send({ n, bytes: new Uint8Array(10) })
    })()
    expect(await within(5_000, take(consumer, 2_000))).toHaveLength(2_000)
    isOver = true
    await flooding
  })
})

describe('datums that are not what the stream says', () => {
  test('a datum that does not satisfy the schema is refused at the producer, and handed back', async () => {
    await using nodes = await startNodes({})
    const producer = nodes[0]!.streams.produce(Blob, { onlineWhen: 0 })
    for (const datum of [{ n: 'one' }, undefined, null, { n: 1, bytes: [] }] as never[]) {
      await expect(producer.send(datum)).rejects.toMatchObject({ code: 'PRODUCER_INVALID_DATUM', datum })
      expect(() => producer.trySend(datum)).toThrow(
        expect.objectContaining({ code: 'PRODUCER_INVALID_DATUM' }),
      )
    }
    expect(producer.stats()).toMatchObject({ invalid: 8, accepted: 0 })
    const dropped = { stream: shortId(producer.stream.id), cause: 'encode' }
    expect(nodes[0]!.host.metrics.value('mosaik_stream_dropped_items_total', dropped)).toBe(8)
  })

  test('a refinement that throws, or wants to be awaited, makes a datum invalid and nothing worse', async () => {
    await using nodes = await startNodes({})
    const Odd = stream(
      'delivery.odd',
      z.string().refine((text) => {
        if (text === 'throw') throw new Error('cannot judge')
        return text === 'async' ? Promise.resolve(true) : true
      }),
    )
    const producer = nodes[0]!.streams.produce(Odd, { onlineWhen: 0 })
    await expect(producer.send('throw')).rejects.toMatchObject({ code: 'PRODUCER_INVALID_DATUM' })
    await expect(producer.send('async')).rejects.toMatchObject({ code: 'PRODUCER_INVALID_DATUM' })
    await producer.send('fine')
    expect(producer.stats().undelivered).toBe(1)
  })

  test('decode failure: given a datum that only the consumer finds invalid, then that subscription ends with the reason, is counted, and is not tried again at once; others go on', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    // The same fingerprint on both sides: refinements are each side's own affair.
    const name = 'delivery.refined'
    const Lax = stream(name, z.object({ n: z.number() }))
    const Strict = stream(name, z.object({ n: z.number().refine((n) => n >= 0, 'no debts') }))
    expect(Strict.fingerprint).toBe(Lax.fingerprint)
    const bad = n0!.streams.produce(Lax)
    const good = n1!.streams.produce(Lax)
    const consumer = n2!.streams.consume(Strict)
    await n2!.meet(n0!)
    await n2!.meet(n1!)
    await within(5_000, consumer.when().subscribed({ min: 2 }))
    for (const n of [1, -1, 2, 3]) await bad.send({ n })
    await eventually(() => consumer.subscriptions.value.some(({ datums }) => datums === 4))
    expect(await within(5_000, consumer.recv())).toEqual({ n: 1 })
    expect(consumer.tryRecv()).toBeUndefined()
    await eventually(() => {
      const status = consumer.subscriptions.value.find(({ producer }) => producer === n0!.peerId)
      expect(status).toMatchObject({ state: 'closed', lastClose: { code: 10409 }, attempt: 1, dropped: 2 })
      expect(status?.lastClose?.message).toContain('/n: no debts')
    })
    await within(5_000, bad.when().offline())
    expect(consumer.stats()).toMatchObject({ invalid: 1, received: 1, lost: 2 })
    await good.send({ n: 7 })
    expect(await within(5_000, consumer.recv())).toEqual({ n: 7 })
  })
})

describe('the ways to receive', () => {
  test('batches hand out everything that is here; leaving a loop closes nothing, and the next loop goes on', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Blob)
    const consumer = nodes[1]!.streams.consume(Blob)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    const datumOf = (n: number) => ({ n, bytes: new Uint8Array(3) })
    for (let n = 0; n < 100; n++) await producer.send(datumOf(n))
    await eventually(() => consumer.subscriptions.value[0]?.datums === 100)
    const seen: number[] = []
    for await (const datum of consumer) {
      seen.push(datum.n)
      if (seen.length === 10) break
    }
    expect(consumer.tryRecv()?.n).toBe(10)
    seen.push(10)
    for await (const batch of consumer.batches()) {
      expect(batch).toHaveLength(89)
      seen.push(...batch.map(({ n }) => n))
      break
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(producer.online).toBe(true)
    const waiting = [consumer.recv(), consumer.recv()]
    await producer.send(datumOf(100))
    await producer.send(datumOf(101))
    expect((await within(5_000, Promise.all(waiting))).map((datum) => datum?.n)).toEqual([100, 101])
  })

  test('a loop over more than fits into a turn of the event loop lets it turn', async () => {
    await using nodes = await startNodes({})
    const producer = nodes[0]!.streams.produce(Blob, { queue: 10_000 })
    const consumer = nodes[0]!.streams.consume(Blob)
    await within(2_000, producer.when().online())
    for (let n = 0; n < 5_000; n++) producer.trySend({ n, bytes: new Uint8Array() })
    await eventually(() => consumer.subscriptions.value[0]?.datums === 5_000)
    let hasTurned = false
    setImmediate(() => (hasTurned = true))
    let taken = 0
    for await (const { n } of consumer) {
      expect(n).toBe(taken++)
      if (hasTurned || taken === 5_000) break
    }
    expect(taken).toBeLessThan(5_000)
  })

  test('a recv that is aborted loses no datum', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Blob)
    const consumer = nodes[1]!.streams.consume(Blob)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    const abort = new AbortController()
    const aborted = consumer.recv({ signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    await expect(consumer.recv({ signal: abort.signal })).rejects.toThrow('enough')
    await producer.send({ n: 1, bytes: new Uint8Array() })
    expect((await within(5_000, consumer.recv()))?.n).toBe(1)
  })

  test('drain resolves only when the application has taken everything, and can be given up', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Blob)
    const consumer = nodes[1]!.streams.consume(Blob)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    await producer.drain()
    for (let n = 0; n < 3; n++) await producer.send({ n, bytes: new Uint8Array() })
    await eventually(() => consumer.subscriptions.value[0]?.datums === 3)
    let isDrained = false
    const drained = producer.drain().then(() => (isDrained = true))
    await expect(producer.drain({ signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    await take(consumer, 2)
    await expect(producer.drain({ signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    expect(isDrained).toBe(false)
    await take(consumer, 1)
    await within(5_000, drained)
  })

  test('given a consumer that comes back with datums that it has not taken, then drain waits until it has', async () => {
    await using nodes = await startNodes({}, { tags: ['trusted'] })
    const [n0, n1] = nodes
    const producer = n0!.streams.produce(Blob, { require: ({ tags }) => tags.includes('trusted') })
    const consumer = n1!.streams.consume(Blob, { backoff: { initialMs: 10, maxMs: 100 } })
    await n1!.meet(n0!)
    await within(5_000, producer.when().online())
    for (let n = 0; n < 3; n++) await producer.send({ n, bytes: new Uint8Array() })
    await eventually(() => consumer.stats().waiting === 3)
    n1!.discovery.removeTags('trusted')
    await within(5_000, producer.when().unsubscribed())
    n1!.discovery.addTags('trusted')
    await within(5_000, producer.when().subscribed())
    let isDrained = false
    const drained = producer.drain().then(() => (isDrained = true))
    await expect(producer.drain({ signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    await take(consumer, 2)
    expect(isDrained).toBe(false)
    await take(consumer, 1)
    await within(5_000, drained)
  })

  test('drain does not wait for a consumer that goes', async () => {
    await using nodes = await startNodes({}, {})
    const producer = nodes[0]!.streams.produce(Blob)
    const consumer = nodes[1]!.streams.consume(Blob)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    await producer.send({ n: 0, bytes: new Uint8Array() })
    const drained = producer.drain()
    await consumer.close()
    await within(5_000, drained)
  })
})

describe('local consumption', () => {
  test('a consumer receives from a producer on its own node, with the same rules as from others', async () => {
    await using nodes = await startNodes({ tags: ['me'] })
    const { streams } = nodes[0]!
    const before = streams.consume(Blob)
    const producer = streams.produce(Blob, { require: ({ tags }) => tags.includes('me') })
    const after = streams.consume(Blob)
    const picky = streams.consume(Blob, { require: ({ tags }) => tags.includes('somebody else') })
    await within(2_000, producer.when().subscribed({ min: 2 }))
    expect(picky.subscriptions.value).toEqual([])
    for (let n = 0; n < 1_000; n++) await producer.send({ n, bytes: Uint8Array.of(n) })
    for (const consumer of [before, after]) {
      const datums = await within(5_000, take(consumer, 1_000))
      expect(datums.map(({ n }) => n)).toEqual(Array.from({ length: 1_000 }, (_, n) => n))
      expect(consumer.subscriptions.value[0]).toMatchObject({
        producer: nodes[0]!.peerId,
        consumer: nodes[0]!.peerId,
      })
    }
    expect(streams.subscriptions.value).toHaveLength(4)
    await producer.close()
    await eventually(() => before.subscriptions.value.length === 0)
    const again = streams.produce(Blob)
    await within(2_000, again.when().subscribed({ min: 2 }))
    await after.close()
    await within(2_000, again.when().subscribed({ min: 2 }).not())
  })
})
