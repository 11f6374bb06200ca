import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { OwnQueue } from '../../framework/streams/producing/own-queue.js'
import type { OverflowPolicy } from '#framework/streams'
import { datumOf, fill, fillAll, plenty, range, TestLog } from './log-support.js'

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('append' as const), length: fc.nat({ max: 300 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('fill' as const), credit: fc.integer({ min: -5, max: 2_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), back: fc.nat({ max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind' as const), back: fc.nat({ max: 9 }) }) },
)

/** A queue that begins with the oldest datum of the log, whatever is appended to which is offered to it. */
function queueIn(
  log: TestLog,
  limits: { datumsMax: number; bytesMax: number; overflow: OverflowPolicy },
  isAcknowledged = false,
) {
  const queue = new OwnQueue({ log: log.log, limits, cursor: log.log.cursorAtOldest(), isAcknowledged })
  const append = (length: number): boolean => {
    if (limits.overflow === 'block' && !queue.hasRoomFor(length)) return false
    const sequence = log.append(length)
    return queue.offer({ sequence, bytes: datumOf(sequence, length) }) !== 'lagging'
  }
  return { queue, append }
}

describe.each(['block', 'drop-oldest', 'drop-newest', 'disconnect'] satisfies OverflowPolicy[])(
  'under %s',
  (overflow) => {
    test.each([false, true])(
      'with a replay before it, every datum is told exactly once between two beginnings: itself or its loss (acknowledged: %s)',
      (isAcknowledged) => {
        fc.assert(
          fc.property(
            fc.nat({ max: 300 }),
            fc.integer({ min: 1, max: 100 }),
            fc.integer({ min: 1, max: 20 }),
            fc.integer({ min: 1, max: 2_000 }),
            fc.array(step, { maxLength: 120, size: 'max' }),
            (backlog, last, datumsMax, bytesMax, steps) => {
              const log = new TestLog({ replay: { last } })
              log.appendAll(backlog, 20)
              const { queue, append } = queueIn(log, { datumsMax, bytesMax, overflow }, isAcknowledged)
              const first = log.log.oldest
              let told = first
              const lost = new Set<number>()
              const received = new Set<number>()
              const receive = (sequences: readonly number[]): void => {
                for (const sequence of sequences) {
                  // Of hundreds of thousands: `expect` takes longer than the queue.
                  if (sequence < told) throw new Error(`${sequence} was received after ${told}`)
                  for (; told < sequence; told++) lost.add(told)
                  told = sequence + 1
                  received.add(sequence)
                }
                const gap = queue.takeGap()
                if (gap === undefined) return
                expect(gap.sequence - told).toBe(gap.lost)
                for (; told < gap.sequence; told++) lost.add(told)
              }
              for (const next of steps) {
                if (next.do === 'append') {
                  if (!append(next.length)) break
                } else if (next.do === 'fill') {
                  receive(fill(queue, { ...plenty, creditBytes: next.credit }))
                } else if (isAcknowledged && next.do === 'acknowledge') {
                  queue.acknowledge(told - next.back)
                } else if (isAcknowledged) {
                  const target = Math.max(told - next.back, first)
                  const from = Math.max(target, queue.acknowledgedUpTo)
                  queue.rewind(target)
                  told = Math.min(from, told)
                }
                if (queue.length > datumsMax) throw new Error(`${queue.length} wait`)
              }
              while (queue.unwrittenCount > 0) {
                receive(fill(queue))
                queue.acknowledge(told)
              }
              receive([])
              if (overflow !== 'disconnect') expect(told).toBe(log.log.next)
              expect(new Set([...received, ...lost]).size).toBe(told - first)
              if (overflow === 'block') expect(lost.size).toBe(0)
              if (isAcknowledged) return
              expect(lost.size).toBe(queue.droppedCount)
              expect(received.size + lost.size).toBe(told - first)
            },
          ),
          { numRuns: 60 },
        )
      },
    )
  },
)

test('given a replay that fits into a frame, when it is read, then it goes in one', () => {
  const log = new TestLog({ replay: { last: 30 } })
  log.appendAll(30, 20)
  const { queue } = queueIn(log, { datumsMax: 1_000, bytesMax: 1 << 20, overflow: 'block' })
  expect(fill(queue)).toEqual(range(0, 30))
})

test('given a replay longer than the queue, then the log is held only until everything was taken from it', () => {
  const log = new TestLog({ replay: { last: 100 } })
  log.appendAll(100, 1_000)
  const { queue, append } = queueIn(log, { datumsMax: 10, bytesMax: 1e6, overflow: 'drop-newest' })
  expect(queue.length).toBe(10)
  for (let n = 0; n < 20; n++) append(1_000)
  expect(queue.droppedCount).toBe(0)
  const received = fillAll(queue)
  expect(received).toEqual(range(0, 120))
  append(1_000)
  for (let n = 0; n < 20; n++) append(1_000)
  expect(queue).toMatchObject({ length: 10, droppedCount: 11 })
})

test('when the subscription ends, then what waits is dropped, in the log as well', () => {
  const log = new TestLog({ replay: { last: 100 } })
  log.appendAll(100, 1_000)
  const { queue } = queueIn(log, { datumsMax: 10, bytesMax: 1e6, overflow: 'drop-newest' })
  queue.clear()
  expect(queue).toMatchObject({ length: 0, unwrittenCount: 0, droppedCount: 100 })
})

test('given criteria and a replay that is not read to its end, when the rest is given up, then what was wanted of it is lost, and nothing else', () => {
  const log = new TestLog({ replay: { last: 1_000 } })
  log.appendAll(1_000, 20)
  const queue = new OwnQueue({
    log: log.log,
    limits: { datumsMax: 10, bytesMax: 1e6, overflow: 'block' },
    cursor: log.log.cursorAtOldest(),
    isAcknowledged: false,
    isWanted: ({ sequence }) => sequence % 7 === 3,
  })
  const received = fill(queue)
  queue.clear()
  const wanted = range(0, 1_000).filter((sequence) => sequence % 7 === 3)
  expect(queue.takeGap()).toEqual({ sequence: 1_000, lost: wanted.length - received.length })
  expect(queue.droppedCount + received.length).toBe(wanted.length)
  expect(queue.unwantedCount).toBe(1_000 - wanted.length)
})
