import { expect, test } from '@jest/globals'
import { seededRandom } from '#framework/primitives'
import type { BackoffPolicy } from '#framework/streams'
import { GuardedBackoff } from '../../framework/streams/consuming/guarded-backoff.js'

function guarded(policy: () => BackoffPolicy) {
  const errors: unknown[] = []
  return { backoff: new GuardedBackoff(policy, seededRandom(1), (cause) => errors.push(cause)), errors }
}

test('given options, then delays grow by them', () => {
  const options = { initialMs: 100, factor: 2, jitter: 0 }
  const backoff = new GuardedBackoff(options, seededRandom(1), () => undefined)
  expect([backoff.next(), backoff.next()]).toEqual([100, 200])
  backoff.reset()
  expect(backoff.next()).toBe(100)
})

test("given the application's policy, then it decides, and may give up", () => {
  const delays = [5, 0, undefined]
  let resets = 0
  const { backoff, errors } = guarded(() => ({ next: () => delays.shift(), reset: () => resets++ }))
  expect([backoff.next(), backoff.next(), backoff.next()]).toEqual([5, 0, undefined])
  backoff.reset()
  expect(resets).toBe(1)
  expect(errors).toEqual([])
})

test.each([
  ['cannot be made', () => fail()],
  ['throws', () => ({ next: fail, reset: fail })],
  ['answers with what is no delay', () => ({ next: () => Number.NaN, reset: () => undefined })],
])('given a policy that %s, then the default delays are taken, and that is told once', (_, policy) => {
  const { backoff, errors } = guarded(policy)
  for (let attempt = 0; attempt < 3; attempt++) expect(backoff.next()).toBeGreaterThan(200)
  expect(errors).toHaveLength(1)
})

function fail(): never {
  throw new Error('on purpose')
}
