import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { ManualClock } from '#framework/primitives'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { startNodes, take } from './support.js'

/** After this long, what looks after writes finds that nothing is written any more. */
const writeTimeoutMs = 30_000

const Numbered = stream('egress.numbered', z.object({ n: z.number(), pad: z.string() }))

function waitsOf(text: string): number {
  const line = text.split('\n').find((each) => each.startsWith('mosaik_stream_egress_waits_total{'))
  return Number(line?.split(' ').at(-1) ?? 0)
}

test('given a limit in datums per second, then consumers share it, send feels it, and everything arrives in its time', async () => {
  const clock = new ManualClock()
  await using nodes = await startNodes({ clock }, {}, {})
  const [n0, n1, n2] = nodes
  const producer = n0!.streams.produce(Numbered, {
    queue: 8,
    egress: { datumsPerSecond: 100 },
    onlineWhen: 2,
    stallTimeoutMs: 60_000,
  })
  const first = n1!.streams.consume(Numbered)
  const second = n2!.streams.consume(Numbered)
  await n1!.meet(n0!)
  await n2!.meet(n0!)
  await within(5_000, producer.when().online())
  const sending = (async () => {
    for (let n = 0; n < 60; n++) await producer.send({ n, pad: '' })
  })()
  let received = 0
  const receiving = [first, second].map(async (consumer) => {
    for (let n = 0; n < 60; n++) {
      expect(await consumer.recv()).toEqual({ n, pad: '' })
      received++
    }
  })
  // A tenth of a second's worth goes at once, but for what is not worth a turn; no more while time stands still.
  await eventually(() => expect(received).toBeGreaterThanOrEqual(8))
  await eventually(() => expect(producer.stats()).toMatchObject({ sent: received, waiting: 1 }))
  expect(received).toBeLessThanOrEqual(10)
  // One timer for the turns, one for who might stall, and for each consumer one that looks after writes.
  await eventually(() => expect(clock.pendingCount).toBe(4))
  for (let ms = 25; ms <= 1_150; ms += 25) {
    clock.advance(25)
    await eventually(() => {
      const { sent } = producer.stats()
      expect(received).toBe(sent)
      expect(sent).toBeLessThanOrEqual(10 + ms / 10)
      // Whatever may be sent is sent, but for what is not worth a turn yet.
      expect(sent).toBeGreaterThanOrEqual(Math.min(120, 10 + ms / 10 - 5))
    })
    const [a, b] = [first.stats().received, second.stats().received]
    expect(Math.abs(a - b)).toBeLessThanOrEqual(8)
  }
  await within(5_000, Promise.all([sending, ...receiving]))
  expect(producer.stats()).toMatchObject({ sent: 120, dropped: 0 })
  expect(waitsOf(n0!.host.metrics.render())).toBeGreaterThan(10)
  clock.advance(writeTimeoutMs)
  await eventually(() => expect(clock.pendingCount).toBe(0))
})

test('given a limit in bytes per second, then a datum longer than any burst passes, and the next one waits for it', async () => {
  const clock = new ManualClock()
  await using nodes = await startNodes({ clock }, {})
  const [n0, n1] = nodes
  const producer = n0!.streams.produce(Numbered, { egress: { bytesPerSecond: 1_000 } })
  const consumer = n1!.streams.consume(Numbered)
  await n1!.meet(n0!)
  await within(5_000, producer.when().online())
  const pad = 'x'.repeat(10_000)
  for (let n = 0; n < 2; n++) await producer.send({ n, pad })
  expect(await within(5_000, take(consumer, 1))).toHaveLength(1)
  clock.advance(9_900)
  await eventually(() => expect(producer.stats()).toMatchObject({ sent: 1, queued: { datums: 1 } }))
  clock.advance(200)
  expect(await within(5_000, take(consumer, 1))).toEqual([{ n: 1, pad }])
  clock.advance(writeTimeoutMs)
  await eventually(() => expect(clock.pendingCount).toBe(0))
})

test('given datums that wait for the limit, when their consumer goes or the producer closes, then nothing waits any more', async () => {
  const clock = new ManualClock()
  await using nodes = await startNodes({ clock }, {})
  const [n0, n1] = nodes
  const producer = n0!.streams.produce(Numbered, { egress: { datumsPerSecond: 1 }, overflow: 'drop-oldest' })
  const consumer = n1!.streams.consume(Numbered)
  await n1!.meet(n0!)
  await within(5_000, producer.when().online())
  for (let n = 0; n < 5; n++) await producer.send({ n, pad: '' })
  await eventually(() => expect(producer.stats()).toMatchObject({ sent: 1, queued: { datums: 4 } }))
  await eventually(() => expect(clock.pendingCount).toBe(2))
  await consumer.close()
  await eventually(() => expect(producer.subscriptions.value).toEqual([]))
  expect(clock.pendingCount).toBe(0)
  expect(producer.stats()).toMatchObject({ sent: 1, dropped: 4 })
})

test('given a consumer that waits for the limit alone, then it has not stalled, however long that takes', async () => {
  const clock = new ManualClock()
  await using nodes = await startNodes({ clock }, {})
  const [n0, n1] = nodes
  const options = { egress: { datumsPerSecond: 0.01 }, queue: 1, stallTimeoutMs: 1_000 }
  const producer = n0!.streams.produce(Numbered, options)
  const consumer = n1!.streams.consume(Numbered)
  await n1!.meet(n0!)
  await within(5_000, producer.when().online())
  for (let n = 0; n < 2; n++) await producer.send({ n, pad: '' })
  const third = producer.send({ n: 2, pad: '' })
  await eventually(() => expect(producer.stats()).toMatchObject({ sent: 1, waiting: 1 }))
  // What runs is the limit's timer, the one that looks for who has stalled, and the one that looked after the write.
  await eventually(() => expect(waitsOf(n0!.host.metrics.render())).toBe(1))
  expect(clock.pendingCount).toBe(3)
  clock.advance(99_000)
  expect(producer.subscriptions.value).toHaveLength(1)
  clock.advance(1_000)
  await within(5_000, third)
  expect(await within(5_000, take(consumer, 2))).toHaveLength(2)
})
