import { expect, test } from '@jest/globals'
import { SegmentPool } from '../../framework/streams/producing/segment-pool.js'
import { TestLog, fillAll } from './log-support.js'

test('given a buffer that came back, when one of about its length is wanted, then it is that one', () => {
  const pool = new SegmentPool(1_000)
  const buffer = pool.take(100)
  pool.give(buffer)
  expect(pool.take(101)).not.toBe(buffer)
  expect(pool.take(49)).not.toBe(buffer)
  expect(pool.take(50)).toBe(buffer)
  expect(pool.take(50)).not.toBe(buffer)
})

test('given more than it keeps, then what it has had longest goes, and what is too long is not kept at all', () => {
  const pool = new SegmentPool(250)
  const [first, second, third] = [pool.take(100), pool.take(100), pool.take(100)]
  for (const buffer of [first, second, third]) pool.give(buffer)
  expect(pool.byteLength).toBe(200)
  pool.give(pool.take(1_000))
  expect(pool.byteLength).toBe(200)
  expect(pool.take(100)).toBe(third)
  expect(pool.take(100)).toBe(second)
  expect(pool.take(100)).not.toBe(first)
})

test('does not keep what has no memory', () => {
  const pool = new SegmentPool(1_000)
  pool.give(Buffer.alloc(0))
  expect(pool.count).toBe(0)
  pool.give(pool.take(100))
  expect(pool.count).toBe(1)
})

test('given a stream that goes on and on, then its log makes no memory but what it began with', () => {
  const log = new TestLog()
  const queue = log.queue()
  let made = 0
  const take = log.pool.take.bind(log.pool)
  log.pool.take = (byteLength) => {
    const kept = log.pool.byteLength
    const buffer = take(byteLength)
    if (log.pool.byteLength === kept) made++
    return buffer
  }
  for (let round = 0; round < 300; round++) {
    log.appendAll(500, 128)
    fillAll(queue)
  }
  expect(made).toBeLessThan(10)
})
