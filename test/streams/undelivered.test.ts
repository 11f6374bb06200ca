// S-16: what becomes of datums that nobody gets.
import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream, type UndeliveredCause } from '#framework/streams'
import { within } from '../support/eventually.js'
import { recordingLogger } from '../support/recording-logger.js'
import { startNodes } from './support.js'

const Numbered = stream('undelivered.numbered', z.object({ n: z.number() }))

/** A handler that remembers what it was handed. */
function recorder() {
  const seen: [n: number, cause: UndeliveredCause][] = []
  return { seen, undelivered: ({ n }: { n: number }, cause: UndeliveredCause) => void seen.push([n, cause]) }
}

test('S-16: given no consumer, then each datum is handed out with its cause, and counted', async () => {
  await using nodes = await startNodes({})
  const { seen, undelivered } = recorder()
  const producer = nodes[0]!.streams.produce(Numbered, { onlineWhen: 0, undelivered })
  await producer.send({ n: 1 })
  producer.trySend({ n: 2 })
  expect(seen).toEqual([
    [1, 'no-consumer'],
    [2, 'no-consumer'],
  ])
  expect(producer.stats()).toMatchObject({ accepted: 2, undelivered: 2, dropped: 0 })
  expect(nodes[0]!.host.metrics.render()).toMatch(
    /mosaik_stream_dropped_items_total\{[^}]*cause="undelivered"[^}]*\} 2/,
  )
})

test('S-16: given consumers that do not want it, then a datum is handed out as unmatched, others are not', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  const { seen, undelivered } = recorder()
  const producer = n0!.streams.produce(Numbered, { undelivered })
  n1!.streams.consume(Numbered, { criteria: { n: { $gt: 10 } } })
  await n1!.meet(n0!)
  await within(5_000, producer.when().online())
  for (const n of [5, 15, 6]) await producer.send({ n })
  expect(seen).toEqual([
    [5, 'unmatched'],
    [6, 'unmatched'],
  ])
  expect(n0!.host.metrics.render()).toMatch(
    /mosaik_stream_dropped_items_total\{[^}]*cause="unmatched"[^}]*\} 2/,
  )
})

test('S-16: what cannot be encoded is thrown at the sender; what is dropped for lag is counted elsewhere; neither is handed out', async () => {
  await using nodes = await startNodes({}, {})
  const [n0, n1] = nodes
  const { seen, undelivered } = recorder()
  const producer = n0!.streams.produce(Numbered, { overflow: 'drop-newest', queue: 1, undelivered })
  n1!.streams.consume(Numbered, { windowBytes: 1 })
  await n1!.meet(n0!)
  await within(5_000, producer.when().online())
  await expect(producer.send({ n: 'one' } as unknown as { n: number })).rejects.toMatchObject({
    code: 'PRODUCER_INVALID_DATUM',
  })
  for (let n = 0; n < 10; n++) await producer.send({ n })
  expect(producer.stats()).toMatchObject({ invalid: 1, undelivered: 0 })
  expect(producer.stats().dropped).toBeGreaterThan(0)
  expect(seen).toEqual([])
})

test('given a handler that throws, then sending goes on, everything is counted, and the log has the first failure in a row', async () => {
  const lines: string[] = []
  await using nodes = await startNodes({ logger: recordingLogger(lines) })
  let isBroken = true
  const producer = nodes[0]!.streams.produce(Numbered, {
    onlineWhen: 0,
    undelivered: () => {
      if (isBroken) throw new Error('the disk is full')
    },
  })
  const failures = (): number => lines.filter((line) => line.startsWith('warn: "undelivered"')).length
  for (let n = 0; n < 3; n++) await producer.send({ n })
  expect(failures()).toBe(1)
  isBroken = false
  await producer.send({ n: 3 })
  isBroken = true
  await producer.send({ n: 4 })
  expect(failures()).toBe(2)
  expect(producer.stats()).toMatchObject({ accepted: 5, undelivered: 5 })
})
