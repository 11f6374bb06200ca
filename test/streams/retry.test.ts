import { describe, expect, test } from '@jest/globals'
import { CloseReasons } from '#framework/network'
import { Backoff, seededRandom } from '#framework/primitives'
import { RetryPolicy, verdictOf } from '../../framework/streams/consuming/retry.js'

const never = { connectedMs: 0, datums: 0 }
const policy = (): RetryPolicy => {
  const random = seededRandom(1)
  const backoff = new Backoff({ initialMs: 100, factor: 2, jitter: 0, maxMs: 10_000 }, random)
  return new RetryPolicy(backoff, random, { refusedMaxMs: 10_000 })
}

test.each([
  ['GracefulShutdown', 'ended'],
  ['StreamNotFound', 'ended'],
  ['NotAllowed', 'refused'],
  ['SchemaMismatch', 'refused'],
  ['DifferentNetwork', 'refused'],
  ['ProtocolViolation', 'refused'],
  ['NoCapacity', 'retry'],
  ['TooSlow', 'retry'],
  ['UnknownPeer', 'retry'],
  ['UnexpectedClose', 'retry'],
  ['Timeout', 'retry'],
  ['Cancelled', 'retry'],
] as const)('%s means %s', (name, verdict) => {
  expect(verdictOf(CloseReasons[name])).toBe(verdict)
})

test('a code that this version does not know is worth another attempt', () => {
  expect(verdictOf({ code: 31_337, name: 'FromTheFuture' })).toBe('retry')
})

describe('back-off', () => {
  test('grows while nothing works', () => {
    const retry = policy()
    expect([1, 2, 3].map(() => retry.onEnded(CloseReasons.UnexpectedClose, never))).toEqual([100, 200, 400])
  })

  test('starts over after a subscription that brought a datum, or that held for long; a quiet one keeps its retries', () => {
    const retry = policy()
    const end = (connectedMs: number, datums: number): number | undefined =>
      retry.onEnded(CloseReasons.UnexpectedClose, { connectedMs, datums })
    expect([end(0, 0), end(10, 0), end(10, 1), end(10, 0), end(300_000, 0)]).toEqual([
      100, 200, 100, 200, 100,
    ])
  })

  test('starts over when the producer says something new', () => {
    const retry = policy()
    for (let n = 0; n < 5; n++) retry.onEnded(CloseReasons.UnexpectedClose, never)
    retry.onProducerChanged()
    expect(retry.onEnded(CloseReasons.UnexpectedClose, never)).toBe(100)
  })
})

test('S-9: given subscriptions that were quiet for hours, when they are lost, then there is always another attempt', () => {
  const retry = policy()
  const quiet = { connectedMs: 6 * 3_600_000, datums: 0 }
  for (let loss = 0; loss < 100; loss++) {
    expect(retry.onEnded(CloseReasons.UnexpectedClose, quiet)).toBe(100)
  }
})

test('given a back-off that gives up, then there is no attempt until something changes on either side', () => {
  let resets = 0
  const delays = [7, undefined]
  const backoff = { next: () => delays.shift(), reset: () => resets++ }
  const retry = new RetryPolicy(backoff, seededRandom(1))
  expect(retry.onEnded(CloseReasons.UnexpectedClose, never)).toBe(7)
  expect(retry.isWorthRetryingAfterOwnChange).toBe(false)
  expect(retry.onEnded(CloseReasons.UnexpectedClose, never)).toBeUndefined()
  expect(retry.isWorthRetryingAfterOwnChange).toBe(true)
  retry.onProducerChanged()
  expect(resets).toBe(1)
})

test('a refusal waits long, and only a refusal is tried again when this node changes', () => {
  const retry = policy()
  const delayMs = retry.onEnded(CloseReasons.NotAllowed, never)
  expect(delayMs).toBeGreaterThanOrEqual(5_000)
  expect(delayMs).toBeLessThanOrEqual(10_000)
  expect(retry.isWorthRetryingAfterOwnChange).toBe(true)
  retry.onEnded(CloseReasons.GracefulShutdown, never)
  expect(retry.isWorthRetryingAfterOwnChange).toBe(false)
  retry.onEnded(CloseReasons.UnexpectedClose, never)
  expect(retry.isWorthRetryingAfterOwnChange).toBe(false)
})
