import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { frameCreditBytes } from '../../framework/streams/credit.js'
import { ProducerProgress, type Acknowledging } from '../../framework/streams/consuming/producer-progress.js'
import { frameOf, producerId } from './received-frames.js'

function progressOf(acknowledging: Acknowledging = 'never', before?: ProducerProgress): ProducerProgress {
  return new ProducerProgress({ producer: producerId, epoch: 'epoch', first: 0, acknowledging, before })
}

/** Takes in a frame of so many datums and hands them all out. */
function pass(progress: ProducerProgress, first: number, count: number): void {
  const frame = frameOf(first, ...Array.from({ length: count }, () => 1))
  progress.advanceTo(first)
  progress.arrive(frame)
  for (let sequence = first; sequence < first + count; sequence++) progress.handOut(sequence, sequence + 1)
  progress.release(frame)
}

describe('what is taken', () => {
  test('is what was handed out, and what is missing behind the last that arrived', () => {
    const progress = progressOf()
    progress.arrive(frameOf(0, 1, 1))
    progress.advanceTo(5)
    expect(progress.taken).toBe(0)
    progress.handOut(0, 1)
    expect(progress.taken).toBe(1)
    progress.handOut(1, 2)
    expect(progress.taken).toBe(5)
    progress.advanceTo(9)
    expect(progress.taken).toBe(9)
  })

  test('calls who waits for it, and not before', () => {
    const progress = progressOf()
    let calls = 0
    progress.follow(() => calls++)
    progress.notifyAt = 2
    progress.arrive(frameOf(0, 1, 1, 1))
    progress.handOut(0, 1)
    expect(calls).toBe(0)
    progress.handOut(1, 2)
    expect(calls).toBe(1)
  })
})

describe('what is acknowledged', () => {
  test('taken: everything that was handed out, when the application asks for more', () => {
    const progress = progressOf('taken')
    progress.arrive(frameOf(0, 1, 1, 1))
    expect(progress.handOut(0, 1)).toBe(true)
    expect(progress.handOut(1, 2)).toBe(false)
    expect(progress.acknowledged).toBe(0)
    progress.acknowledgeTaken()
    expect(progress.acknowledged).toBe(2)
    expect(progress.handOut(2, 3)).toBe(true)
    expect(progress.acknowledged).toBe(2)
    progress.acknowledgeTaken()
    // What is lost behind needs no acknowledgement.
    progress.advanceTo(7)
    expect(progress.acknowledged).toBe(7)
  })

  test('manual: everything below the lowest that was not, of those that were handed out', () => {
    const progress = progressOf('manual')
    progress.arrive(frameOf(0, 1, 1, 1))
    for (const sequence of [0, 1, 2]) progress.handOut(sequence, sequence + 1)
    progress.acknowledge(1)
    expect(progress.acknowledged).toBe(0)
    progress.acknowledge(0)
    expect(progress.acknowledged).toBe(2)
    progress.acknowledge(2)
    expect(progress.acknowledged).toBe(3)
  })

  test('what was acknowledged before it was handed out is not', () => {
    const progress = progressOf('manual')
    progress.arrive(frameOf(0, 1))
    progress.acknowledge(0)
    progress.handOut(0, 1)
    expect(progress.acknowledged).toBe(0)
  })

  test('what was thrown away needs none', () => {
    const progress = progressOf('taken')
    progress.arrive(frameOf(0, 1, 1))
    progress.discard(2, 2)
    expect(progress.acknowledged).toBe(2)
    expect(progress.takeDiscarded()).toBe(2)
    expect(progress.takeDiscarded()).toBe(0)
  })
})

describe('S-5: what is held of a producer', () => {
  test('is held until it is taken', () => {
    const progress = progressOf()
    const frame = frameOf(0, 1)
    progress.arrive(frame)
    expect(progress.heldBytes).toBe(frameCreditBytes(frame.byteLength))
    progress.handOut(0, 1)
    progress.release(frame)
    expect(progress.heldBytes).toBe(0)
  })

  test('with acknowledgements until all of the frame is acknowledged, so that the window bounds what is not', () => {
    const progress = progressOf('manual')
    pass(progress, 0, 2)
    const { heldBytes } = progress
    expect(heldBytes).toBeGreaterThan(0)
    progress.acknowledge(1)
    expect(progress.heldBytes).toBe(heldBytes)
    progress.acknowledge(0)
    expect(progress.heldBytes).toBe(0)
  })

  test('includes the frames of the life before that wait, and not what would have been acknowledged there', () => {
    const before = progressOf('manual')
    pass(before, 0, 2)
    const waiting = frameOf(2, 1)
    before.arrive(waiting)
    const progress = progressOf('manual', before)
    let calls = 0
    progress.follow(() => calls++)
    expect(progress.heldBytes).toBe(frameCreditBytes(waiting.byteLength))
    before.handOut(2, 3)
    before.release(waiting)
    expect(progress.heldBytes).toBe(0)
    expect(calls).toBe(1)
  })
})

test('numbers that go back, and more lost than is missing, are refused', () => {
  const progress = progressOf()
  progress.advanceTo(5)
  expect(() => progress.advanceTo(4)).toThrow('do not go back')
  expect(() => progress.advanceTo(7, 3)).toThrow('more datums')
  expect(progress.advanceTo(9, 1)).toBe(1)
  expect(progress.arrive(frameOf(9, 1))).toBe(6)
})

test('property: every number is accounted for once, and nothing is acknowledged that was not handed out', () => {
  const frame = fc.record({
    missing: fc.nat(3),
    unwanted: fc.boolean(),
    count: fc.integer({ min: 1, max: 4 }),
    handOut: fc.nat(6),
    acknowledge: fc.array(fc.nat(40), { maxLength: 6 }),
  })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
      const progress = progressOf('manual')
      const waiting: ReturnType<typeof frameOf>[] = []
      const arrived: number[] = []
      const pending: number[] = []
      const unacknowledged = new Set<number>()
      let next = 0
      let lost = 0
      let told = 0
      for (const { missing, unwanted, count, handOut, acknowledge } of frames) {
        next += missing
        lost += progress.advanceTo(next, unwanted ? 0 : undefined)
        const reader = frameOf(next, ...Array.from({ length: count }, () => 1))
        told += progress.arrive(reader)
        waiting.push(reader)
        for (let index = 0; index < count; index++) {
          arrived.push(next)
          pending.push(next++)
        }
        for (let index = 0; index < handOut && pending.length > 0; index++) {
          const sequence = pending.shift()!
          progress.handOut(sequence, sequence + 1)
          unacknowledged.add(sequence)
          if (waiting[0]!.endSequence === sequence + 1) progress.release(waiting.shift()!)
        }
        for (const sequence of acknowledge) {
          progress.acknowledge(sequence)
          unacknowledged.delete(sequence)
        }
        const lowest = Math.min(...unacknowledged, ...pending, progress.expected)
        // What is missing just before a datum that waits may still count as not acknowledged.
        expect(progress.acknowledged).toBeLessThanOrEqual(lowest)
        for (const sequence of arrived) {
          if (sequence < progress.acknowledged) expect(unacknowledged.has(sequence)).toBe(false)
        }
        if (pending.length === 0 && unacknowledged.size === 0) {
          expect(progress.acknowledged).toBe(progress.expected)
          expect(progress.heldBytes).toBe(0)
        }
      }
      expect(told).toBe(lost)
    }),
  )
})
