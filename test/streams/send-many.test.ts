import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream, type ConsumerOptions, type Producer, type ProducerOptions } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { startNodes, take, type TestNode } from './support.js'

interface Numbered {
  readonly n: number
}
const Numbers = stream('send-many.numbers', z.object({ n: z.number().int() }))

function* numbers(count: number): Generator<Numbered> {
  for (let n = 0; n < count; n++) yield { n }
}

async function pair(
  nodes: readonly TestNode[],
  options: ProducerOptions,
  reading: ConsumerOptions<Numbered> = {},
) {
  const producer = nodes[0]!.streams.produce(Numbers, options)
  const consumer = nodes[1]!.streams.consume(Numbers, reading)
  await nodes[1]!.meet(nodes[0]!)
  await within(5_000, consumer.when().subscribed())
  return { producer, consumer }
}

/** How many datums it has accepted when it accepts no more for now. */
async function acceptedWhenFull(producer: Producer<Numbered>): Promise<number> {
  await eventually(() => expect(producer.stats().waiting).toBe(1))
  return producer.stats().accepted
}

test('given more than there is room for, then all of it arrives, in order, and what was sent meanwhile is in one place', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, consumer } = await pair(nodes, { queue: 16 })
  const sending = producer.sendMany(numbers(5_000))
  const between = producer.send({ n: -1 })
  const received = (await within(10_000, take(consumer, 5_001))).map(({ n }) => n)
  await Promise.all([sending, between])
  expect(received.filter((n) => n >= 0)).toEqual(Array.from({ length: 5_000 }, (_, n) => n))
  expect(received.filter((n) => n < 0)).toEqual([-1])
  expect(producer.stats()).toMatchObject({ accepted: 5_001, dropped: 0 })
})

test('given an array, then its datums are sent in order, with what is added to it meanwhile, up to the first that is refused', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, consumer } = await pair(nodes, { queue: 16 })
  const datums = [...numbers(2_000)]
  const sending = producer.sendMany(datums)
  datums.push({ n: 2_000 }, { n: 0.5 }, { n: 2_001 })
  const received = await within(10_000, take(consumer, 2_001))
  await expect(sending).rejects.toMatchObject({ code: 'PRODUCER_INVALID_DATUM', datum: { n: 0.5 } })
  expect(received.map(({ n }) => n)).toEqual(Array.from({ length: 2_001 }, (_, n) => n))
  expect(producer.stats()).toMatchObject({ accepted: 2_001, invalid: 1 })
})

test('given a consumer that takes nothing, then it waits for room, and not for more than it needs', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, consumer } = await pair(nodes, { queue: 4 }, { windowBytes: 1 })
  let isSent = false
  const sending = producer.sendMany(numbers(50)).then(() => (isSent = true))
  const accepted = await acceptedWhenFull(producer)
  expect(accepted).toBeLessThan(10)
  expect(isSent).toBe(false)
  expect(await within(10_000, take(consumer, 50))).toHaveLength(50)
  await sending
})

test('given a datum that the schema refuses, then those before it are sent, and nothing behind it is looked at', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, consumer } = await pair(nodes, {})
  const invalid = { n: 0.5 }
  const seen: number[] = []
  function* some(): Generator<Numbered> {
    for (const datum of [{ n: 1 }, { n: 2 }, invalid, { n: 3 }]) {
      seen.push(datum.n)
      yield datum
    }
  }
  await expect(producer.sendMany(some())).rejects.toMatchObject({
    code: 'PRODUCER_INVALID_DATUM',
    datum: invalid,
  })
  expect(seen).toEqual([1, 2, 0.5])
  expect(await within(5_000, take(consumer, 2))).toEqual([{ n: 1 }, { n: 2 }])
  expect(producer.stats()).toMatchObject({ accepted: 2, invalid: 1 })
})

test('given a signal that aborts while it waits, then the datum that waits and those behind it are not sent', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, consumer } = await pair(nodes, { queue: 4 }, { windowBytes: 1 })
  const giveUp = new AbortController()
  const sending = producer.sendMany(numbers(50), { signal: giveUp.signal })
  const accepted = await acceptedWhenFull(producer)
  const reason = new Error('no more')
  giveUp.abort(reason)
  await expect(sending).rejects.toBe(reason)
  expect(await within(10_000, take(consumer, accepted))).toHaveLength(accepted)
  expect(producer.stats()).toMatchObject({ accepted, waiting: 0 })
})

test('given its handle is closed meanwhile, then nothing more goes through it, although another handle is open', async () => {
  await using nodes = await startNodes({}, {})
  const { producer, consumer } = await pair(nodes, { queue: 4 }, { windowBytes: 1 })
  await using _other = nodes[0]!.streams.produce(Numbers)
  const sending = producer.sendMany(numbers(50))
  const accepted = await acceptedWhenFull(producer)
  await producer.close()
  // What waits was given to the producer before.
  expect(await within(10_000, take(consumer, accepted + 1))).toHaveLength(accepted + 1)
  await expect(sending).rejects.toMatchObject({ code: 'PRODUCER_CLOSED', datum: { n: accepted + 1 } })
})

test('given very many datums that nobody holds up, then others have their turn meanwhile', async () => {
  await using nodes = await startNodes({}, {})
  const { producer } = await pair(nodes, { overflow: 'drop-newest' })
  let turns = 0
  let isSending = true
  const turn = (): void => {
    turns++
    if (isSending) setImmediate(turn)
  }
  setImmediate(turn)
  await within(20_000, producer.sendMany(numbers(50_000)))
  isSending = false
  expect(turns).toBeGreaterThan(10)
})
