import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FrameBuilder } from '#framework/network'
import { DatumFrameReader, DatumFrameWriter } from '../../framework/streams/codec/datum-frame.js'
import {
  datumBytesMin,
  SendQueue,
  type SendQueueLimits,
} from '../../framework/streams/producing/send-queue.js'
import type { OverflowPolicy } from '#framework/streams'

const plenty = { creditBytes: 1 << 20, bodyBytesTarget: 1 << 16 }

function datum(sequence: number, length = 1): { sequence: number; bytes: Uint8Array } {
  return { sequence, bytes: new Uint8Array(length).fill(sequence & 0xff) }
}

/** Takes one frame and says which sequence numbers it holds. */
function fill(queue: SendQueue, budget = plenty): number[] {
  const frame = new DatumFrameWriter(new FrameBuilder())
  queue.fill(frame, budget)
  if (frame.count === 0) return []
  const reader = new DatumFrameReader(frame.take().subarray(5))
  return Array.from({ length: reader.count }, (_, index) => reader.first + index)
}

function queueOf(limits: Partial<SendQueueLimits>, first = 0): SendQueue {
  return new SendQueue({ datumsMax: 3, bytesMax: 1_000, overflow: 'block', ...limits }, first)
}

describe('a full queue', () => {
  test('block: leaves the datum with the caller', () => {
    const queue = queueOf({ overflow: 'block' })
    expect([0, 1, 2, 3].map((n) => queue.offer(datum(n)))).toEqual(['queued', 'queued', 'queued', 'refused'])
    expect(fill(queue)).toEqual([0, 1, 2])
    expect(queue.offer(datum(3))).toBe('queued')
    expect(queue.droppedCount).toBe(0)
  })

  test('drop-oldest: makes room at the front', () => {
    const queue = queueOf({ overflow: 'drop-oldest' })
    for (const n of [0, 1, 2, 3, 4]) expect(queue.offer(datum(n))).toBe('queued')
    expect(queue.droppedCount).toBe(2)
    expect(fill(queue)).toEqual([2, 3, 4])
    expect(queue.takeGap()).toBeUndefined()
  })

  test('drop-newest: keeps what is there, and the loss shows behind it once', () => {
    const queue = queueOf({ overflow: 'drop-newest' })
    expect([0, 1, 2, 3, 4].map((n) => queue.offer(datum(n)))).toEqual([
      'queued',
      'queued',
      'queued',
      'dropped',
      'dropped',
    ])
    expect(queue.takeGap()).toBeUndefined()
    expect(fill(queue)).toEqual([0, 1, 2])
    expect(queue.takeGap()).toEqual({ sequence: 5, lost: 2 })
    expect(queue.takeGap()).toBeUndefined()
    queue.offer(datum(5))
    expect(fill(queue)).toEqual([5])
  })

  test('disconnect: asks for the end', () => {
    const queue = queueOf({ overflow: 'disconnect', datumsMax: 1 })
    expect(queue.offer(datum(0))).toBe('queued')
    expect(queue.offer(datum(1))).toBe('lagging')
    expect(queue).toMatchObject({ length: 1, droppedCount: 1 })
    // Whatever becomes of the subscription, each datum has become something.
    queue.clear()
    expect(queue).toMatchObject({ droppedCount: 2, writtenUpTo: 2 })
  })

  test('is full by bytes too, and takes a datum of any size when it is empty', () => {
    const queue = queueOf({ bytesMax: 10, datumsMax: 100 })
    expect(queue.offer(datum(0, 11))).toBe('queued')
    expect(queue.offer(datum(1, 1))).toBe('refused')
    fill(queue)
    expect(queue.offer(datum(1, 6))).toBe('queued')
    expect(queue.offer(datum(2, 5))).toBe('refused')
    expect(queue.offer(datum(2, 4))).toBe('queued')
    expect(queue.byteLength).toBe(10)
  })
})

test.each([
  ['datums', { datumsMax: 2 }],
  ['bytes', { bytesMax: 2 }],
])('knows without a datum that there is no room for any: %s', (_, limits) => {
  const queue = queueOf(limits)
  const isFull = (): boolean => !queue.hasRoomFor(datumBytesMin)
  expect(isFull()).toBe(false)
  queue.offer(datum(0))
  expect(isFull()).toBe(false)
  queue.offer(datum(1))
  expect(isFull()).toBe(true)
  fill(queue)
  expect(isFull()).toBe(false)
})

describe('a frame', () => {
  test('does not cross a gap', () => {
    const queue = queueOf({ overflow: 'drop-newest', datumsMax: 2 })
    for (const n of [0, 1, 2]) queue.offer(datum(n))
    expect(fill(queue, { ...plenty, creditBytes: 1 })).toEqual([0])
    queue.offer(datum(3))
    expect(fill(queue)).toEqual([1])
    expect(fill(queue)).toEqual([3])
  })

  test('ends at the length that frames should have, unless one datum is longer', () => {
    const queue = queueOf({ datumsMax: 10, bytesMax: 10_000 })
    for (const n of [0, 1, 2]) queue.offer(datum(n, 40))
    queue.offer(datum(3, 500))
    const budget = { creditBytes: 10_000, bodyBytesTarget: 100 }
    expect(fill(queue, budget)).toEqual([0, 1])
    expect(fill(queue, budget)).toEqual([2])
    expect(fill(queue, budget)).toEqual([3])
  })

  test('is empty without credit', () => {
    const queue = queueOf({})
    queue.offer(datum(0))
    expect(fill(queue, { ...plenty, creditBytes: 0 })).toEqual([])
    expect(fill(queue, { ...plenty, creditBytes: -5 })).toEqual([])
    expect(queue.writtenUpTo).toBe(0)
  })
})

test('what waits when the subscription ends is counted as dropped', () => {
  const queue = queueOf({})
  queue.offer(datum(0))
  queue.offer(datum(1))
  queue.clear()
  expect(queue.droppedCount).toBe(2)
  expect(queue.byteLength).toBe(0)
})

/** The simplest thing that does what the queue does. */
class Model {
  waiting: { sequence: number; length: number }[] = []
  dropped: number[] = []
  readonly #limits: SendQueueLimits

  constructor(limits: SendQueueLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.waiting.reduce((sum, { length }) => sum + length, 0)
  }

  offer(sequence: number, length: number): string {
    const { datumsMax, bytesMax, overflow } = this.#limits
    const isFull = (): boolean =>
      this.waiting.length > 0 && (this.waiting.length >= datumsMax || this.bytes + length > bytesMax)
    if (isFull() && overflow === 'block') return 'refused'
    if (isFull() && overflow !== 'drop-oldest') {
      this.dropped.push(sequence)
      return overflow === 'disconnect' ? 'lagging' : 'dropped'
    }
    while (isFull()) this.dropped.push(this.waiting.shift()!.sequence)
    this.waiting.push({ sequence, length })
    return 'queued'
  }
}

describe.each(['block', 'drop-oldest', 'drop-newest', 'disconnect'] satisfies OverflowPolicy[])(
  'under %s',
  (overflow) => {
    test('the queue does what its model does; every sequence number is told exactly once, in order', () => {
      const step = fc.oneof(
        {
          weight: 3,
          arbitrary: fc.record({
            do: fc.constant('offer' as const),
            length: fc.integer({ min: 0, max: 60 }),
          }),
        },
        {
          weight: 1,
          arbitrary: fc.record({
            do: fc.constant('fill' as const),
            credit: fc.integer({ min: -5, max: 200 }),
          }),
        },
      )
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 6 }),
          fc.integer({ min: 1, max: 120 }),
          fc.array(step, { maxLength: 100 }),
          (datumsMax, bytesMax, steps) => {
            const limits = { datumsMax, bytesMax, overflow }
            const queue = new SendQueue(limits, 10)
            const model = new Model(limits)
            let sequence = 10
            /** Below this, the consumer knows everything. */
            let told = 10
            const received: number[] = []
            const receive = (sequences: readonly number[]): void => {
              for (const next of sequences) {
                // Of very many: `expect` takes longer than the queue.
                if (next < told) throw new Error(`${next} was received after ${told}`)
                told = next + 1
                received.push(next)
              }
            }
            for (const next of steps) {
              if (next.do === 'offer') {
                const outcome = queue.offer(datum(sequence, next.length))
                expect(outcome).toBe(model.offer(sequence, next.length))
                if (outcome !== 'refused') sequence++
              } else {
                const sequences = fill(queue, { creditBytes: next.credit, bodyBytesTarget: 100 })
                expect(sequences).toEqual(
                  model.waiting.splice(0, sequences.length).map((entry) => entry.sequence),
                )
                if (next.credit > 0 && queue.length > 0) expect(sequences.length).toBeGreaterThan(0)
                receive(sequences)
                const gap = queue.takeGap()
                if (gap !== undefined) {
                  expect(gap.lost).toBe(gap.sequence - told)
                  expect(gap.lost).toBeGreaterThan(0)
                  told = gap.sequence
                }
              }
              const { length, byteLength, droppedCount } = queue
              expect([length, byteLength, droppedCount]).toEqual([
                model.waiting.length,
                model.bytes,
                model.dropped.length,
              ])
            }
            while (queue.length > 0) receive(fill(queue))
            told = queue.takeGap()?.sequence ?? told
            expect(told).toBe(sequence)
            expect([...received, ...model.dropped].sort((a, b) => a - b)).toEqual(
              Array.from({ length: sequence - 10 }, (_, index) => 10 + index),
            )
            if (overflow === 'block') expect(model.dropped).toEqual([])
          },
        ),
        { numRuns: 300 },
      )
    })
  },
)

describe('a queue of what meets the criteria', () => {
  test('tells of datums that are not wanted only when asked, or when there are many', () => {
    const queue = queueOf({}, 7)
    queue.pass(7)
    queue.pass(8)
    expect(queue.takeGap(3)).toBeUndefined()
    queue.pass(9)
    expect(queue.takeGap(3)).toEqual({ sequence: 10, lost: 0 })
    expect(queue.takeGap()).toBeUndefined()
    queue.pass(10)
    expect(queue.takeGap()).toEqual({ sequence: 11, lost: 0 })
  })

  test('tells at once of a lost one', () => {
    const queue = queueOf({})
    queue.pass(0)
    queue.skip(1)
    queue.pass(2)
    expect(queue.takeGap(1_000)).toEqual({ sequence: 3, lost: 1 })
  })

  test('a datum is written although those before it were not wanted, and everything before it counts as left', () => {
    const queue = queueOf({})
    queue.pass(0)
    expect(queue.writtenUpTo).toBe(1)
    queue.offer(datum(1))
    queue.pass(2)
    expect(queue.writtenUpTo).toBe(1)
    fill(queue)
    expect(queue.writtenUpTo).toBe(3)
  })

  test.each(['drop-oldest', 'drop-newest'] satisfies OverflowPolicy[])(
    'under %s the consumer knows exactly what is lost and what it did not want',
    (overflow) => {
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.constant('wanted' as const) },
        { weight: 4, arbitrary: fc.constant('unwanted' as const) },
        { weight: 2, arbitrary: fc.constant('fill' as const) },
        { weight: 1, arbitrary: fc.constant('gap' as const) },
      )
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 5 }),
          fc.array(step, { maxLength: 120 }),
          (datumsMax, steps) => {
            const queue = new SendQueue({ datumsMax, bytesMax: 1_000, overflow }, 0)
            const frame = new DatumFrameWriter(new FrameBuilder(), 'selection')
            /** What became of each sequence number, and what the consumer makes of what it is told. */
            const wanted: boolean[] = []
            const received: number[] = []
            const told: { from: number; to: number; lost: number }[] = []
            let known = 0
            const tell = (to: number, lost: number): void => {
              if (to > known) told.push({ from: known, to, lost })
              else expect(lost).toBe(0)
              known = to
            }
            const takeFrame = (): void => {
              queue.fill(frame, { creditBytes: 50, bodyBytesTarget: 40 })
              if (frame.count === 0) return
              const reader = new DatumFrameReader(frame.take().subarray(5), 'selection')
              tell(reader.first, reader.lost!)
              while (reader.remaining > 0) {
                tell(reader.sequence, 0)
                received.push(reader.sequence)
                reader.advance()
                known++
              }
            }
            const takeGap = (): void => {
              const gap = queue.takeGap()
              if (gap !== undefined) tell(gap.sequence, gap.lost)
            }
            for (const next of [...steps, 'fill' as const]) {
              const sequence = wanted.length
              if (next === 'wanted') queue.offer(datum(sequence, 3))
              if (next === 'unwanted') queue.pass(sequence)
              if (next === 'wanted' || next === 'unwanted') wanted.push(next === 'wanted')
              if (next === 'fill') takeFrame()
              if (next === 'gap') takeGap()
            }
            while (queue.length > 0) takeFrame()
            takeGap()
            expect(known).toBe(wanted.length)
            const isReceived = new Set(received)
            for (const { from, to, lost } of told) {
              const missing = wanted.slice(from, to)
              expect(missing.some((_, index) => isReceived.has(from + index))).toBe(false)
              expect(missing.filter((isWanted) => isWanted).length).toBe(lost)
            }
            expect(queue.droppedCount).toBe(wanted.filter((is, n) => is && !isReceived.has(n)).length)
          },
        ),
        { numRuns: 300 },
      )
    },
  )
})
