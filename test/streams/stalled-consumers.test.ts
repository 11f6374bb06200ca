// S-6: consumers that stop taking, or whose network takes nothing any more.
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import type { Link } from '#framework/network'
import { ManualClock } from '#framework/primitives'
import { stream, type Producer, type ProducerOptions } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { open, request } from './scripted-consumer.js'
import { connectedTo, startNodes, take, type TestNode } from './support.js'

const Padded = stream('stalled.padded', z.object({ n: z.number(), pad: z.string() }))
type Padded = z.output<typeof Padded.schema>
const pad = 'x'.repeat(1_000)
const longPad = 'x'.repeat(60_000)

function disconnects(node: TestNode, cause: string): number {
  const lines = node.host.metrics.render().split('\n')
  const line = lines.find(
    (each) => each.startsWith('mosaik_stream_slow_disconnects_total{') && each.includes(cause),
  )
  return Number(line?.split(' ').at(-1) ?? 0)
}

/** Offers datums until one has to wait. */
async function fill(
  producer: Producer<Padded>,
  text: string,
): Promise<{ waiting: Promise<void>; accepted: number }> {
  for (let n = 0; ; n++) {
    const accepted = producer.stats().accepted
    const sending = producer.send({ n, pad: text })
    if (producer.stats().waiting > 0) {
      // What the link still takes lets it through: then it was not the one.
      const isThrough = await Promise.race([sending.then(() => true), settled(producer)])
      if (!isThrough) return { waiting: sending, accepted }
    }
    await sending
  }
}

/** Resolves to false when the producer has sent nothing more for a few turns. */
async function settled(producer: Producer<Padded>): Promise<false> {
  let sent = -1
  let same = 0
  await eventually(() => {
    same = producer.stats().sent === sent ? same + 1 : 0
    ;({ sent } = producer.stats())
    return same > 8
  })
  return false
}

interface Scene {
  readonly clock: ManualClock
  readonly nodes: TestNode[] & AsyncDisposable
  readonly producer: Producer<Padded>
}

async function scene(options: ProducerOptions<Padded>): Promise<Scene> {
  const clock = new ManualClock()
  const nodes = await startNodes({ clock }, {})
  return { clock, nodes, producer: nodes[0]!.streams.produce(Padded, options) }
}

/** A consumer that is granted a window, and then says nothing any more. */
async function silent({ nodes, producer }: Scene, windowBytes: number): Promise<Link> {
  const [n0, n1] = nodes
  const link = await open(n1!, n0!, request(Padded, n1!, { windowBytes }))
  await connectedTo(producer, n1!)
  return link
}

describe('S-6: block', () => {
  test('given a consumer that holds up a send and takes nothing, then it is asked, and after stallTimeoutMs closed with TooSlow', async () => {
    const given = await scene({ queue: 2, stallTimeoutMs: 10_000 })
    await using nodes = given.nodes
    const { clock, producer } = given
    const link = await silent(given, 1)
    expect(clock.pendingCount).toBe(0)
    const { waiting } = await fill(producer, pad)
    // One for the consumer's time, and the one that looks after writes.
    expect(clock.pendingCount).toBe(2)
    const asked = (async () => {
      for (;;) {
        const frame = await link.recv()
        if (frame.kind === 'message') return frame.value
      }
    })()
    clock.advance(5_000)
    expect(await within(5_000, asked)).toEqual({ kind: 'probe' })
    clock.advance(4_999)
    expect(producer.subscriptions.value).toHaveLength(1)
    clock.advance(1)
    expect(producer.subscriptions.value).toHaveLength(0)
    expect(await within(5_000, link.closed)).toMatchObject({
      code: 10413,
      message: expect.stringMatching(/10000 ms/),
    })
    expect(disconnects(nodes[0]!, 'stalled')).toBe(1)
    // The send waits for a consumer now.
    expect(producer.stats()).toMatchObject({ waiting: 1, queued: { datums: 0 } })
    await producer.close()
    await expect(waiting).rejects.toMatchObject({ code: 'PRODUCER_CLOSED' })
    expect(clock.pendingCount).toBe(0)
  })

  test('given a consumer that takes one datum now and then, then it is left alone although it grants nothing for a long time', async () => {
    const given = await scene({ queue: 2, stallTimeoutMs: 10_000 })
    await using nodes = given.nodes
    const { clock, producer } = given
    const consumer = nodes[1]!.streams.consume(Padded, { windowBytes: 100_000 })
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    const { waiting, accepted } = await fill(producer, pad)
    const isThrough = waiting.then(() => true)
    for (let n = 0; n < 12; n++) {
      // Too little to be granted anew, so that only the answer to a probe tells of it.
      if (n % 3 === 0) await take(consumer, 1)
      clock.advance(2_500)
      // In less time than the clock has gone on, what was asked is answered.
      await settled(producer)
      expect(producer.subscriptions.value).toHaveLength(1)
    }
    expect(disconnects(nodes[0]!, 'stalled')).toBe(0)
    await within(10_000, take(consumer, accepted + 1 - 4))
    expect(await within(5_000, isThrough)).toBe(true)
  })

  test('given another consumer, then it goes on as soon as the stalled one is closed', async () => {
    const given = await scene({ queue: 2, stallTimeoutMs: 1_000, onlineWhen: 2 })
    await using nodes = given.nodes
    const { clock, producer } = given
    await silent(given, 1)
    const quick = nodes[1]!.streams.consume(Padded)
    await nodes[1]!.meet(nodes[0]!)
    await within(5_000, producer.when().online())
    const { waiting, accepted } = await fill(producer, pad)
    const received = take(quick, accepted)
    await within(5_000, received)
    clock.advance(500)
    clock.advance(500)
    await eventually(() => expect(producer.subscriptions.value).toHaveLength(1))
    expect(producer.stats()).toMatchObject({ waiting: 1 })
    void waiting.catch(() => {})
  })

  test('given no limit, then a consumer may hold up sends for ever, without a timer', async () => {
    const given = await scene({ queue: 1, stallTimeoutMs: Infinity })
    await using _nodes = given.nodes
    const { clock, producer } = given
    await silent(given, 1)
    const { waiting } = await fill(producer, pad)
    void waiting.catch(() => {})
    clock.advance(1e9)
    expect(producer.subscriptions.value).toHaveLength(1)
    expect(clock.pendingCount).toBe(0)
  })

  test('given a send that was withdrawn, then there is no timer after its next look, and the consumer has its time anew', async () => {
    const given = await scene({ queue: 1, stallTimeoutMs: 1_000 })
    await using _nodes = given.nodes
    const { clock, producer } = given
    await silent(given, 1)
    await producer.send({ n: 0, pad })
    await eventually(() => expect(producer.stats().sent).toBe(1))
    await producer.send({ n: 1, pad })
    const withdrawn = new AbortController()
    const first = producer.send({ n: 2, pad }, { signal: withdrawn.signal })
    clock.advance(400)
    withdrawn.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    clock.advance(50)
    const second = producer.send({ n: 3, pad }).catch(() => {})
    clock.advance(999)
    expect(producer.subscriptions.value).toHaveLength(1)
    clock.advance(1)
    expect(producer.subscriptions.value).toHaveLength(0)
    await producer.close()
    await second
    expect(clock.pendingCount).toBe(0)
  })
})

describe('S-6: a peer that stops reading', () => {
  test('given writes that the network does not take, when the consumer is dropped, then the producer is rid of it at once, and the link soon', async () => {
    const given = await scene({ overflow: 'disconnect', queue: 64, queueBytes: 1 << 30 })
    await using nodes = given.nodes
    const { producer } = given
    const link = await silent(given, 1 << 30)
    let n = 0
    // Nobody calls recv() at the other end: transport and link fill up, then the queue does.
    while (producer.online) {
      producer.trySend({ n: n++, pad: longPad })
      if (n % 16 === 0) await settled(producer)
    }
    expect(producer.subscriptions.value).toHaveLength(0)
    expect(producer.stats().queued).toEqual({ datums: 0, bytes: 0 })
    expect(disconnects(nodes[0]!, 'lagging')).toBe(1)
    await within(5_000, producer.drain())
    // Closing in good order does not get through, so that the stream is reset: whoever reads on comes to an end.
    const reading = (async () => {
      for (;;) await link.recv()
    })()
    await expect(within(5_000, reading)).rejects.toMatchObject({ code: 'LINK_CLOSED' })
  })

  test('given a write that the network does not take for thirty seconds, then the subscription ends under any policy', async () => {
    const given = await scene({ overflow: 'drop-oldest', queue: 64, queueBytes: 1 << 30 })
    await using nodes = given.nodes
    const { clock, producer } = given
    await silent(given, 1 << 30)
    for (let n = 0; producer.stats().dropped === 0; n++) {
      await producer.send({ n, pad: longPad })
      if (n % 16 === 0) await settled(producer)
    }
    await settled(producer)
    expect(clock.pendingCount).toBe(1)
    clock.advance(29_999)
    expect(producer.subscriptions.value).toHaveLength(1)
    clock.advance(1)
    expect(producer.subscriptions.value).toHaveLength(0)
    expect(disconnects(nodes[0]!, 'blocked')).toBe(1)
    expect(producer.stats().queued).toEqual({ datums: 0, bytes: 0 })
    expect(clock.pendingCount).toBe(0)
  })
})
