import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { nearest } from '#framework/discovery'
import { stream } from '#framework/streams'
import { eventually } from '../support/eventually.js'
import { startNodes, type TestNode } from './support.js'

const count = 100
const datum = z.object({ n: z.number() })

test('S-1: given a hundred producers and a hundred consumers on each of two nodes, all subscribed and all awaited, then none of them sets a timer or looks at the clock', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes as unknown as [TestNode, TestNode]
  const streams = Array.from({ length: count }, (_, n) => stream(`idle.${n}`, datum))
  const pending: Promise<unknown>[] = []
  const wait = (condition: PromiseLike<unknown>): void => void pending.push(Promise.resolve(condition))
  for (const { streams: of } of [n0, n1]) {
    for (const [index, definition] of streams.entries()) {
      const producer = of.produce(definition, {
        replay: { last: 10 },
        ack: true,
        egress: { datumsPerSecond: 100 },
      })
      // Some have a preference, which is a ranking that stays current.
      const consumer = of.consume(definition, index % 10 === 0 ? { prefer: nearest(2) } : {})
      wait(producer.when().subscribed({ min: 3 }))
      wait(consumer.when().subscribed({ min: 3 }))
      wait(consumer.recv())
    }
  }
  const outcomes = Promise.allSettled(pending)
  await n0.meet(n1)
  // Each node produces and consumes on both of the two.
  await eventually(
    () => {
      for (const node of [n0, n1]) {
        const connected = node.streams.subscriptions.value.filter(({ state }) => state === 'connected')
        expect(connected).toHaveLength(4 * count)
      }
    },
    { timeoutMs: 20_000 },
  )
  const before = [n0.clockUses, n1.clockUses]
  for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect([n0.clockUses, n1.clockUses]).toEqual(before)
  await Promise.all([n0.streams.close(), n1.streams.close()])
  await outcomes
}, 60_000)
