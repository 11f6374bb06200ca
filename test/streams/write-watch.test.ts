import { expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import fc from 'fast-check'
import { WriteWatch } from '../../framework/streams/producing/write-watch.js'

const timeoutMs = 30_000

interface Scene {
  readonly clock: ManualClock
  readonly watch: WriteWatch
  /** When the network was found to be blocked. */
  readonly blockedAtMs: number[]
}

function scene(): Scene {
  const clock = new ManualClock()
  const blockedAtMs: number[] = []
  const onBlocked = (): void => void blockedAtMs.push(clock.monotonic())
  return { clock, watch: new WriteWatch({ clock, timeoutMs, onBlocked }), blockedAtMs }
}

test('given a write that the network does not take, when its time is over, then this is told, once', () => {
  const { clock, watch, blockedAtMs } = scene()
  watch.onBegun()
  clock.advance(timeoutMs - 1)
  expect(blockedAtMs).toEqual([])
  clock.advance(10 * timeoutMs)
  expect(blockedAtMs).toEqual([timeoutMs])
  expect(clock.pendingCount).toBe(0)
})

test('given a write behind others that were taken, then it has the same time as they had', () => {
  const { clock, watch, blockedAtMs } = scene()
  for (let n = 0; n < 10; n++) {
    watch.onBegun()
    clock.advance(1_000)
    watch.onTaken()
  }
  watch.onBegun()
  clock.advance(10 * timeoutMs)
  expect(blockedAtMs).toEqual([10_000 + timeoutMs])
})

test('given thousands of writes that are taken, then there is one timer, and none when nothing is written for a while', () => {
  const { clock, watch, blockedAtMs } = scene()
  for (let n = 0; n < 5_000; n++) {
    watch.onBegun()
    expect(clock.pendingCount).toBe(1)
    watch.onTaken()
    clock.advance(1)
  }
  clock.advance(timeoutMs)
  expect(clock.pendingCount).toBe(0)
  expect(blockedAtMs).toEqual([])
})

test('given a watch that is disposed of while something is written, then it says nothing any more', () => {
  const { clock, watch, blockedAtMs } = scene()
  watch.onBegun()
  watch[Symbol.dispose]()
  expect(clock.pendingCount).toBe(0)
  clock.advance(2 * timeoutMs)
  expect(blockedAtMs).toEqual([])
})

test('given writes of any duration, then exactly those are found blocked that take too long, and just when they do', () => {
  const step = fc.record({ takesMs: fc.integer({ min: 0, max: 2 * timeoutMs }), pauseMs: fc.nat(timeoutMs) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { clock, watch, blockedAtMs } = scene()
      const expected: number[] = []
      for (const { takesMs, pauseMs } of steps) {
        if (takesMs >= timeoutMs) expected.push(clock.monotonic() + timeoutMs)
        watch.onBegun()
        clock.advance(takesMs)
        watch.onTaken()
        clock.advance(pauseMs)
      }
      expect(blockedAtMs).toEqual(expected)
    }),
  )
})
