import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { nearest } from '#framework/discovery'
import { stream } from '#framework/streams'
import { eventually } from '../support/eventually.js'
import { startNodes, type TestNode } from './support.js'

const count = 100
/** How many of the streams have consumers, and how many of these are on another node too. */
const consumedCount = 20
const sharedCount = 10
const datum = z.object({ n: z.number() })

test('S-1: given a hundred producers and a hundred consumers on a node, subscribed to each other and to some on another node, and all of them awaited, then none sets a timer or looks at the clock', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes as unknown as [TestNode, TestNode]
  const definitions = Array.from({ length: count }, (_, n) => stream(`idle.${n}`, datum))
  const pending: Promise<unknown>[] = []
  const wait = (condition: PromiseLike<unknown>): void => void pending.push(Promise.resolve(condition))
  const produce = ({ streams }: TestNode, streamCount: number): void => {
    const options = { replay: { last: 10 }, ack: true, egress: { datumsPerSecond: 100 } }
    for (const definition of definitions.slice(0, streamCount)) {
      wait(streams.produce(definition, options).when().subscribed({ min: count }))
    }
  }
  const consume = ({ streams }: TestNode, streamCount: number, ofEach: number): void => {
    for (const definition of definitions.slice(0, streamCount)) {
      for (let n = 0; n < ofEach; n++) {
        // Some have a preference, which is a ranking that stays current.
        const consumer = streams.consume(definition, n === 0 ? { prefer: nearest(2) } : {})
        wait(consumer.when().subscribed({ min: count }))
        wait(consumer.recv())
      }
    }
  }
  const ofEach = count / consumedCount
  produce(n0, count)
  produce(n1, sharedCount)
  consume(n0, consumedCount, ofEach)
  consume(n1, sharedCount, 1)
  const outcomes = Promise.allSettled(pending)
  await n0.meet(n1)
  const connected = ({ streams }: TestNode): number =>
    streams.subscriptions.value.filter(({ state }) => state === 'connected').length
  // Both ends of what is within a node, and one of what is between the two.
  const between = sharedCount * ofEach + sharedCount
  await eventually(
    () => expect([n0, n1].map(connected)).toEqual([2 * count + between, 2 * sharedCount + between]),
    { timeoutMs: 20_000 },
  )
  const before = [n0.clockUses, n1.clockUses]
  for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect([n0.clockUses, n1.clockUses]).toEqual(before)
  await Promise.all([n0.streams.close(), n1.streams.close()])
  await outcomes
})
