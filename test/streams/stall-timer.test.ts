import { expect, test } from '@jest/globals'
import { ManualClock } from '#framework/primitives'
import fc from 'fast-check'
import { StallTimer } from '../../framework/streams/producing/stall-timer.js'

const timeoutMs = 1_000

class Consumer {
  takenMark = 0
  probes = 0
  probe(): void {
    this.probes++
  }
}

/** One consumer, for which sends wait or do not. */
function scene() {
  const clock = new ManualClock()
  const consumer = new Consumer()
  const stalledAtMs: number[] = []
  const waiting = { is: false }
  const timer = new StallTimer({
    timeoutMs,
    clock,
    isWaiting: () => waiting.is,
    holders: () => (waiting.is ? [consumer] : []),
    onStalled: () => void stalledAtMs.push(clock.monotonic()),
  })
  const setWaiting = (is: boolean): void => {
    waiting.is = is
    timer.check()
  }
  return { clock, consumer, stalledAtMs, timer, setWaiting }
}

test('given sends that wait for a moment, many times, then one timer is all they need, and it goes when they do', () => {
  const { clock, consumer, stalledAtMs, setWaiting } = scene()
  for (let n = 0; n < 10_000; n++) {
    setWaiting(true)
    clock.advance(0.5)
    setWaiting(false)
    expect(clock.pendingCount).toBeLessThanOrEqual(1)
  }
  clock.advance(timeoutMs)
  expect({ pending: clock.pendingCount, stalledAtMs, probes: consumer.probes }).toEqual({
    pending: 0,
    stalledAtMs: [],
    probes: 0,
  })
})

test('given sends that waited before, when one waits for the whole time, then the consumer is asked after half of it and has stalled at its end', () => {
  const { clock, consumer, stalledAtMs, setWaiting } = scene()
  setWaiting(true)
  clock.advance(300)
  setWaiting(false)
  setWaiting(true)
  clock.advance(499)
  expect(consumer.probes).toBe(0)
  clock.advance(1)
  expect(consumer.probes).toBe(1)
  clock.advance(499)
  expect(stalledAtMs).toEqual([])
  clock.advance(1)
  expect(stalledAtMs).toEqual([1_300])
})

test('given sends that wait, when it is disposed of, then it looks no more', () => {
  const { clock, stalledAtMs, timer, setWaiting } = scene()
  setWaiting(true)
  timer[Symbol.dispose]()
  expect(clock.pendingCount).toBe(0)
  clock.advance(10 * timeoutMs)
  expect(stalledAtMs).toEqual([])
})

test('whatever waits and is taken, a consumer has stalled when it has been waited for as long as it may and is known to have taken nothing, and not before', () => {
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 700 }),
    does: fc.constantFrom('wait', 'go', 'take'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { clock, consumer, stalledAtMs, setWaiting } = scene()
      let waitingSinceMs: number | undefined
      let quietSinceMs = 0
      const judge = (): void => {
        const nowMs = clock.monotonic()
        for (const atMs of stalledAtMs.splice(0)) {
          expect(waitingSinceMs).toBeDefined()
          expect(atMs - Math.max(waitingSinceMs!, quietSinceMs)).toBeGreaterThanOrEqual(timeoutMs)
          // From then on it has all its time again.
          waitingSinceMs = atMs
        }
        // What is taken between two looks is noticed by the second one, which is half of the time later at most.
        if (waitingSinceMs !== undefined)
          expect(nowMs - Math.max(waitingSinceMs, quietSinceMs)).toBeLessThanOrEqual(1.5 * timeoutMs)
      }
      for (const { ms, does } of steps) {
        clock.advance(ms)
        judge()
        if (does === 'take') {
          consumer.takenMark++
          quietSinceMs = clock.monotonic()
        } else {
          setWaiting(does === 'wait')
          waitingSinceMs = does === 'go' ? undefined : (waitingSinceMs ?? clock.monotonic())
        }
      }
      setWaiting(false)
      clock.advance(timeoutMs)
      expect(clock.pendingCount).toBe(0)
    }),
  )
})
