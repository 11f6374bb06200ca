import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import { startNodes, take } from './support.js'

const Numbered = stream('greeting.numbered', z.object({ n: z.number() }))

test('given a send that waits for a local consumer, when another one of its name takes its place, then what was accepted before counts as no gap', async () => {
  await using nodes = await startNodes({})
  const { streams } = nodes[0]!
  const producer = streams.produce(Numbered, { queue: 1, overflow: 'block' })
  const other = streams.consume(Numbered)
  const slow = streams.consume(Numbered, { name: 'one', windowBytes: 1 })
  await within(5_000, producer.when().subscribed({ min: 2 }))
  const sends = [0, 1, 2].map((n) => producer.send({ n }))
  // One datum is with the slow consumer, one in its queue; and the last one waits for room.
  await within(5_000, take(other, 2))
  expect(producer.stats()).toMatchObject({ accepted: 2, waiting: 1 })
  void slow.close()
  const successor = streams.consume(Numbered, { name: 'one', start: 'newest' })
  await within(5_000, successor.when().subscribed())
  await within(5_000, Promise.all([...sends, producer.send({ n: 3 })]))
  await eventually(() => expect(successor.stats()).toMatchObject({ waiting: 1, gaps: 0, lost: 0 }))
  expect(await take(successor, 1)).toEqual([{ n: 3 }])
})
