import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { LogQueue } from '../../framework/streams/producing/log-queue.js'
import { LogRoom } from '../../framework/streams/producing/log-room.js'
import type { SendQueueLimits } from '../../framework/streams/producing/send-queue.js'
import { bodyBytesTarget } from '../../framework/streams/wire.js'
import { fill, fillAll, plenty, range, TestLog } from './log-support.js'

describe('a queue in the log', () => {
  test('given datums longer than a frame should be, when it is read, then each frame holds what it can', () => {
    const log = new TestLog()
    const queue = log.queue()
    for (const length of [40, 40, 40, 500]) log.append(length)
    const budget = { creditBytes: 10_000, bodyBytesTarget: 100 }
    expect(fill(queue, budget)).toEqual([0, 1])
    expect(fill(queue, budget)).toEqual([2])
    expect(fill(queue, budget)).toEqual([3])
    expect(fill(queue, budget)).toEqual([])
  })

  test('given little credit, when it is read, then the datum that uses it up is the last', () => {
    const log = new TestLog()
    const queue = log.queue()
    log.appendAll(5, 10)
    expect(fill(queue, { ...plenty, creditBytes: 0 })).toEqual([])
    expect(fill(queue, { ...plenty, creditBytes: 1 })).toEqual([0])
    // 12 of the head and 11 of a datum are below 24, and so there may be another one.
    expect(fill(queue, { ...plenty, creditBytes: 24 })).toEqual([1, 2])
    expect(queue.writtenUpTo).toBe(3)
  })

  test('given megabytes of small datums, when they are read, then a segment is a frame', () => {
    const log = new TestLog()
    const queue = log.queue({ datumsMax: 1e6, bytesMax: 1e9 })
    log.appendAll(30_000, 128)
    const budget = { creditBytes: 1e9, bodyBytesTarget }
    const frames: number[] = []
    for (let frame = fill(queue, budget); frame.length > 0; frame = fill(queue, budget))
      frames.push(frame.length)
    // Those before are of the shorter segments that a log begins with.
    expect(new Set(frames.slice(10, -1))).toEqual(new Set([Math.floor((bodyBytesTarget - 12) / 130)]))
  })

  test('given a frame that began within a segment, when it holds half of what it should, then it ends with the segment', () => {
    const log = new TestLog()
    const queue = log.queue({ datumsMax: 1e6, bytesMax: 1e9 })
    log.appendAll(30_000, 128)
    const budget = { creditBytes: 1e9, bodyBytesTarget }
    const whole = Math.floor((bodyBytesTarget - 12) / 130)
    while (queue.unwrittenCount > 0 && fill(queue, budget).length !== whole);
    expect(fill(queue, { ...budget, datumsMax: 100 })).toHaveLength(100)
    expect([1, 2].map(() => fill(queue, budget).length)).toEqual([whole - 100, whole])
    expect(fill(queue, { ...budget, datumsMax: whole - 100 })).toHaveLength(whole - 100)
    // What is left of that one is little.
    expect(fill(queue, budget)).toHaveLength(whole)
  })

  test('given what was read by all, then its memory is used again', () => {
    const log = new TestLog()
    const queues = [log.queue(), log.queue()]
    for (let round = 0; round < 200; round++) {
      log.appendAll(10, 10_000)
      for (const queue of queues) expect(fillAll(queue)).toEqual(range(round * 10, round * 10 + 10))
      expect(log.log.allocatedBytes + log.pool.byteLength).toBeLessThan(512 * 1024)
    }
  })

  test('when the subscription ends, then what waits is dropped and nothing is kept for it', () => {
    const log = new TestLog()
    const queue = log.queue()
    log.appendAll(100, 10_000)
    expect(log.log.allocatedBytes).toBeGreaterThan(1_000_000)
    queue.clear()
    queue.clear()
    expect(queue).toMatchObject({ droppedCount: 100, length: 0, byteLength: 0, unwrittenCount: 0 })
    expect(fill(queue)).toEqual([])
    expect(log.log.allocatedBytes).toBeLessThan(200_000)
  })
})

describe('with acknowledgement', () => {
  test('what is not acknowledged counts, and is kept', () => {
    const log = new TestLog()
    const queue = log.queue({ datumsMax: 3 }, { isAcknowledged: true })
    log.appendAll(3, 10)
    expect(fill(queue)).toEqual([0, 1, 2])
    expect(queue).toMatchObject({ length: 3, byteLength: 30, unwrittenCount: 0 })
    expect(queue.hasRoomFor(1)).toBe(false)
    queue.acknowledge(2)
    expect(queue).toMatchObject({ length: 1, byteLength: 10, acknowledgedUpTo: 2 })
    expect(queue.hasRoomFor(1)).toBe(true)
  })

  test('given a consumer that has come back, when it knows nothing, then it gets again what it has not acknowledged', () => {
    const log = new TestLog()
    const queue = log.queue({}, { isAcknowledged: true })
    log.appendAll(2_000, 100)
    expect(fillAll(queue)).toEqual(range(0, 2_000))
    queue.acknowledge(700)
    queue.rewind(0)
    expect(fillAll(queue)).toEqual(range(700, 2_000))
    queue.rewind(1_500)
    expect(fillAll(queue)).toEqual(range(1_500, 2_000))
    expect(queue.length).toBe(1_300)
  })

  test('nothing is acknowledged that was not written', () => {
    const log = new TestLog()
    const queue = log.queue({}, { isAcknowledged: true })
    log.appendAll(4, 10)
    expect(fill(queue, { ...plenty, creditBytes: 1 })).toEqual([0])
    queue.acknowledge(4)
    expect(queue).toMatchObject({ acknowledgedUpTo: 1, length: 3 })
    expect(fill(queue)).toEqual([1, 2, 3])
  })

  test('when the place is given up, then everything that was not acknowledged is dropped', () => {
    const log = new TestLog()
    const queue = log.queue({}, { isAcknowledged: true })
    log.appendAll(5, 10)
    fill(queue)
    queue.acknowledge(2)
    queue.abandon()
    expect(queue.droppedCount).toBe(3)
  })
})

function stateOf({ length, byteLength, unwrittenCount, droppedCount, writtenUpTo }: LogQueue) {
  return { length, byteLength, unwritten: unwrittenCount, dropped: droppedCount, writtenUpTo }
}

/** The simplest thing that does what the queue does. */
class Model {
  /** Not acknowledged, the oldest first. */
  kept: { readonly sequence: number; readonly length: number }[] = []
  written: number
  dropped = 0
  acknowledged: number
  /** Written since it began or came back. */
  #sentUpTo: number
  /** Written, and given up before they were acknowledged. */
  #givenUp: number[] = []
  readonly #limits: SendQueueLimits

  constructor(limits: SendQueueLimits, first: number) {
    this.#limits = limits
    this.written = first
    this.acknowledged = first
    this.#sentUpTo = first
  }

  get bytes(): number {
    return this.kept.reduce((sum, { length }) => sum + length, 0)
  }

  get unwritten(): number[] {
    return this.kept.map(({ sequence }) => sequence).filter((sequence) => sequence >= this.written)
  }

  hasRoomFor(length: number): boolean {
    const { datumsMax, bytesMax } = this.#limits
    return this.kept.length === 0 || (this.kept.length < datumsMax && this.bytes + length <= bytesMax)
  }

  append(sequence: number, length: number): void {
    while (this.#limits.overflow === 'drop-oldest' && !this.hasRoomFor(length)) {
      const { sequence } = this.kept.shift()!
      if (sequence < this.#sentUpTo) this.#givenUp.push(sequence)
      else this.dropped++
    }
    this.kept.push({ sequence, length })
    this.written = Math.max(this.written, this.kept[0]!.sequence)
  }

  write(upTo: number): void {
    this.written = upTo
    this.#sentUpTo = upTo
  }

  /** A consumer comes back that knows about everything below. */
  rewind(sequence: number): void {
    const target = Math.max(Math.min(sequence, this.written), this.acknowledged)
    this.written = Math.max(target, this.kept[0]?.sequence ?? this.written)
    this.#sentUpTo = this.written
    this.dropped += this.#givenUp.filter((each) => each >= target).length
    this.#givenUp = []
  }

  acknowledge(sequence: number): void {
    this.acknowledged = Math.max(this.acknowledged, Math.min(sequence, this.written))
    this.#givenUp = this.#givenUp.filter((each) => each >= this.acknowledged)
    this.kept = this.kept.filter((datum) => datum.sequence >= Math.min(sequence, this.written))
  }
}

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('append' as const), length: fc.integer({ min: 0, max: 300 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('fill' as const),
      queue: fc.nat({ max: 2 }),
      credit: fc.integer({ min: -5, max: 2_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('acknowledge' as const),
      queue: fc.nat({ max: 2 }),
      back: fc.nat({ max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('rewind' as const),
      queue: fc.nat({ max: 2 }),
      back: fc.nat({ max: 4 }),
    }),
  },
)

describe.each(['block', 'drop-oldest'] as const)('under %s', (overflow) => {
  test.each([false, true])(
    'several queues in one log do what their models do, and memory is bounded (acknowledged: %s)',
    (isAcknowledged) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 40 }),
          fc.integer({ min: 1, max: 8_000 }),
          fc.array(step, { maxLength: 60, size: 'max' }),
          (datumsMax, bytesMax, steps) => {
            const limits = { datumsMax, bytesMax, overflow }
            const log = new TestLog({ poolBytes: 0 })
            log.append(7)
            const queues = range(0, 3).map(() => log.queue(limits, { isAcknowledged }))
            const models = queues.map(() => new Model(limits, 1))
            const room = new LogRoom(log.log)
            for (const queue of queues) room.add(queue)
            const told = [1, 1, 1]
            for (const next of steps) {
              if (next.do === 'append') {
                const hasRoom = models.every((model) => model.hasRoomFor(next.length))
                expect(room.hasRoomFor(next.length)).toBe(hasRoom)
                if (overflow === 'block' && !hasRoom) continue
                if (!hasRoom) for (const queue of queues) queue.makeRoomFor(next.length)
                const sequence = log.append(next.length)
                for (const model of models) model.append(sequence, next.length)
              } else {
                const queue = queues[next.queue]!
                const model = models[next.queue]!
                if (next.do === 'fill') {
                  const sequences = fill(queue, { creditBytes: next.credit, bodyBytesTarget: 1_000 })
                  expect(sequences).toEqual(model.unwritten.slice(0, sequences.length))
                  if (next.credit > 0 && model.unwritten.length > 0) expect(sequences).not.toEqual([])
                  if (sequences.length === 0) continue
                  expect(sequences[0]).toBeGreaterThanOrEqual(told[next.queue]!)
                  told[next.queue] = sequences.at(-1)! + 1
                  model.write(sequences.at(-1)! + 1)
                  if (!isAcknowledged) model.acknowledge(model.written)
                } else if (isAcknowledged) {
                  const sequence = queue.writtenUpTo - next.back
                  if (next.do === 'acknowledge') {
                    queue.acknowledge(sequence)
                    model.acknowledge(sequence)
                  } else {
                    queue.rewind(sequence)
                    model.rewind(sequence)
                    told[next.queue] = model.written
                  }
                }
              }
              // One comparison for all: there are very many.
              expect(queues.map(stateOf)).toEqual(
                models.map((model, index) => ({
                  length: model.kept.length,
                  byteLength: model.bytes,
                  unwritten: model.unwritten.length,
                  dropped: model.dropped,
                  // Without acknowledgement the model does not know what it has written and let go of.
                  writtenUpTo:
                    isAcknowledged || model.unwritten.length > 0 ? model.written : queues[index]!.writtenUpTo,
                })),
              )
              const held = Math.max(...models.map((model) => model.bytes + 2 * model.kept.length))
              expect(log.log.allocatedBytes).toBeLessThanOrEqual(2 * held + 3 * 4_096)
            }
            for (const [index, queue] of queues.entries()) {
              expect(fillAll(queue)).toEqual(models[index]!.unwritten)
              expect(queue.takeGap()).toBeUndefined()
            }
          },
        ),
        { numRuns: 60 },
      )
    },
  )
})
