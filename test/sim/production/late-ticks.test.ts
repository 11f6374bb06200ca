import { expect, test } from '@jest/globals'
import { CalmGroup } from './calm-group.js'

test('given a leader that was held up for longer than its lease, when it is asked before its timers have run, then it does not answer from what it had', async () => {
  using group = new CalmGroup()
  await group.pass(10_000)
  const before = group.leader!
  const write = (value: string) => ({ kind: 'write', key: 'k', value }) as const
  await group.ask(before, (node) => node.handle().execute(write('before')))
  before.process!.pause()
  await group.pass(10_000)
  const after = group.leader!
  expect(after).not.toBe(before)
  await group.ask(after, (node) => node.handle().execute(write('after')))

  const { node } = before
  const read = Promise.withResolvers<string>()
  before.process!.soon(() => {
    node!
      .handle()
      .query('k', { consistency: 'lease' })
      .then(({ answer }) => read.resolve(answer), read.reject)
  })
  before.process!.resume('events')
  await group.pass(10_000)
  await expect(read.promise).resolves.toBe('after')
})
