import { expect, test } from '@jest/globals'
import { SharedReads } from '../../../framework/groups/worker/shared-reads.js'

const never = new AbortController().signal

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
  const all = [
    shared.confirmed('strong', never),
    shared.confirmed('lease', never),
    shared.confirmed('strong', never),
  ]
  await Promise.resolve()
  expect(asked.map(({ consistency }) => consistency)).toEqual(['strong', 'lease'])
  for (const { answer } of asked) answer.resolve()
  await Promise.all(all)
})

test('W-S10: given a question that was asked already, then a later read is another one', async () => {
  const { asked, shared } = reads()
  const first = shared.confirmed('strong', never)
  await Promise.resolve()
  const second = shared.confirmed('strong', never)
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

test('one that gives up does not take the others with it, and a failure is everybody’s', async () => {
  const { asked, shared } = reads()
  const giveUp = new AbortController()
  const given = shared.confirmed('strong', giveUp.signal)
  const other = shared.confirmed('strong', never)
  giveUp.abort(new Error('enough'))
  await expect(given).rejects.toThrow('enough')
  asked[0]!.answer.reject(new Error('no leader'))
  await expect(other).rejects.toThrow('no leader')
})
