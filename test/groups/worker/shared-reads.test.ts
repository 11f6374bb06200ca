import { expect, test } from '@jest/globals'
import { SharedReads } from '../../../framework/groups/worker/shared-reads.js'

function reads() {
  const asked: { readonly consistency: string; readonly answer: PromiseWithResolvers<void> }[] = []
  const shared = new SharedReads((consistency) => {
    const answer = Promise.withResolvers<void>()
    asked.push({ consistency, answer })
    return answer.promise
  })
  return { asked, shared }
}

test('reads of one turn and one kind are one question', async () => {
  const { asked, shared } = reads()
  const all = [shared.confirmed('strong'), shared.confirmed('lease'), shared.confirmed('strong')]
  await Promise.resolve()
  expect(asked.map(({ consistency }) => consistency)).toEqual(['strong', 'lease'])
  for (const { answer } of asked) answer.resolve()
  await Promise.all(all)
})

test('W-S10: given a question that was asked already, then a later read is another one', async () => {
  const { asked, shared } = reads()
  const first = shared.confirmed('strong')
  await Promise.resolve()
  const second = shared.confirmed('strong')
  await Promise.resolve()
  expect(asked).toHaveLength(2)
  asked[0]!.answer.resolve()
  await first
  let isSecondConfirmed = false
  void second.then(() => (isSecondConfirmed = true))
  await new Promise(setImmediate)
  expect(isSecondConfirmed).toBe(false)
  asked[1]!.answer.resolve()
  await second
})

test('a failure is everybody’s', async () => {
  const { asked, shared } = reads()
  const both = [shared.confirmed('strong'), shared.confirmed('strong')]
  await Promise.resolve()
  asked[0]!.answer.reject(new Error('no leader'))
  for (const each of both) await expect(each).rejects.toThrow('no leader')
})
