import { expect, test } from '@jest/globals'
import { PendingWait } from '../../../framework/groups/client/pending-wait.js'

const never = new Promise<string>(() => {})
const enough = new Error('enough')
const late = new Error('late')

test('given work that ends in time, then the wait has what came of it, and its signal is left alone', async () => {
  const wait = new PendingWait({ deadlineMs: 10 })
  expect(await wait.for(Promise.resolve('done'))).toBe('done')
  await expect(wait.for(Promise.reject(enough))).rejects.toBe(enough)
  expect(wait.signal.aborted).toBe(false)
})

test('given work that takes too long, when the wait ends, then the first reason counts, and its signal tells', async () => {
  const wait = new PendingWait({ deadlineMs: 10 })
  const { signal } = wait
  const outcome = wait.for(never)
  wait.throwIfOver()
  wait.end(enough)
  wait.end(late)
  await expect(outcome).rejects.toBe(enough)
  expect(signal.reason).toBe(enough)
  expect(() => wait.throwIfOver()).toThrow(enough)
})

test('given a wait that is over, when something is waited for, or its signal is asked for, then that says so at once', async () => {
  const wait = new PendingWait({ deadlineMs: 10, signal: AbortSignal.abort(enough) })
  await expect(wait.for(never)).rejects.toBe(enough)
  expect(wait.signal.reason).toBe(enough)
})

test('given a signal that aborts, then the wait is over; once it is disposed of, the signal means nothing to it', async () => {
  const controller = new AbortController()
  const wait = new PendingWait({ deadlineMs: 10, signal: controller.signal })
  const other = new PendingWait({ deadlineMs: 10, signal: controller.signal })
  const outcome = wait.for(never)
  other[Symbol.dispose]()
  controller.abort(enough)
  await expect(outcome).rejects.toBe(enough)
  expect(() => other.throwIfOver()).not.toThrow()
})
