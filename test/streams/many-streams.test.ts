import { expect, jest, test } from '@jest/globals'
import { nextTurn } from '#framework/primitives'
import { stream } from '#framework/streams'
import { z } from 'zod'
import type { FanIn } from '../../framework/streams/consuming/fan-in.js'
import { startNodes } from './support.js'

test('given a node that offers all that it can, then one stream more is refused at once, with the reason and what to do', async () => {
  await using nodes = await startNodes({})
  const { streams, discovery } = nodes[0]!
  const offer = (): void => {
    for (let n = 0; n < 1_000; n++) streams.produce(stream(`many-streams.${n}`, z.string()))
  }
  expect(offer).toThrow(
    expect.objectContaining({
      code: 'DISCOVERY_ENTRY_TOO_LARGE',
      message: expect.stringContaining('offer fewer streams'),
    }),
  )
  const { produces } = discovery.me
  expect(produces.length).toBeGreaterThan(350)
  // What was offered before is still there, and the refused stream is not half there.
  expect(() => streams.produce(stream(`many-streams.${produces.length}`, z.string()))).toThrow(
    expect.objectContaining({ code: 'DISCOVERY_ENTRY_TOO_LARGE' }),
  )
  expect(discovery.me.produces).toEqual(produces)
})

test('given many changes of what a node says in one turn, then each is true at once, and a later version', async () => {
  await using nodes = await startNodes({})
  const { streams, discovery } = nodes[0]!
  const versions = new Set<number>()
  for (let n = 0; n < 20; n++) {
    streams.produce(stream(`many-streams.versions.${n}`, z.string()))
    versions.add(discovery.me.version.update)
  }
  expect(versions.size).toBe(20)
  expect([...versions].toSorted((a, b) => a - b)).toEqual([...versions])
  expect(discovery.me.produces).toHaveLength(20)
})

test('given a hundred consumers that begin in one go, then they are told once of all that the node says about itself', async () => {
  await using nodes = await startNodes({})
  const { streams, discovery } = nodes[0]!
  const consumers = Array.from({ length: 100 }, (_, n) =>
    streams.consume(stream(`many-streams.consumed.${n}`, z.string())),
  )
  const told = consumers.map((consumer) => jest.spyOn(consumer as FanIn<string>, 'onCatalog'))
  for (let n = 0; n < 10; n++) streams.consume(stream(`many-streams.consumed-later.${n}`, z.string()))
  await nextTurn()
  for (const onCatalog of told) {
    expect(onCatalog).toHaveBeenCalledTimes(1)
    expect(onCatalog.mock.calls[0]![0].me).toBe(discovery.me)
  }
})
