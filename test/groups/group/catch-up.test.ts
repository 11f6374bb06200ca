import { expect, test } from '@jest/globals'
import { within } from '../../support/eventually.js'
import { discoverAll, startNodes } from './nodes.js'

test('W-A9, W-L1: given a log that was compacted, then a member that comes late begins with a snapshot, and becomes a voter', async () => {
  await using nodes = await startNodes(2)
  const first = await nodes[0]!.join()
  await within(15_000, first.when().isLeader())
  const batch = Array.from({ length: 500 }, () => ({ add: 1 }))
  for (let n = 0; n < 60; n++) await within(10_000, first.executeMany(batch))
  const second = await nodes[1]!.join()
  await discoverAll(nodes)
  await within(20_000, second.when().committed(30_000))
  expect((await second.query('value', { consistency: 'local' })).answer).toBe(30_000)
  await within(15_000, first.when().voters(2))
  await within(10_000, second.execute({ add: 1 }))
  expect((await first.query('value')).answer).toBe(30_001)
})
