import { expect, test } from '@jest/globals'
import { Timeline } from '../environment/timeline.js'
import { ProcessClock } from './process-clock.js'
import { Process } from './process.js'

function processOf(): {
  readonly timeline: Timeline
  readonly process: Process
  readonly clock: ProcessClock
} {
  const timeline = new Timeline()
  const process = new Process(timeline, () => {})
  const clock = new ProcessClock({
    timeline,
    process,
    speed: 2,
    wallClockMs: () => 0,
    unnoticedMs: () => 0,
  })
  return { timeline, process, clock }
}

function pass(timeline: Timeline, ms: number): void {
  const untilMs = timeline.nowMs + ms
  while (timeline.step(untilMs));
}

test('given a process that was killed, then nothing happens to it any more', () => {
  const { timeline, process, clock } = processOf()
  const happened: string[] = []
  process.soon(() => happened.push('event'))
  clock.after(10, () => happened.push('timer'))
  process.kill(true)
  pass(timeline, 100)
  expect(happened).toEqual([])
})

test.each(['timers', 'events'] as const)(
  'given a process that stood still, when it goes on with %s, then all that was due happens, those first',
  (first) => {
    const { timeline, process, clock } = processOf()
    const happened: string[] = []
    process.pause()
    process.soon(() => happened.push('events'))
    clock.after(10, () => happened.push('timers'))
    pass(timeline, 100)
    expect(happened).toEqual([])
    process.resume(first)
    pass(timeline, 1)
    expect(happened).toEqual(first === 'timers' ? ['timers', 'events'] : ['events', 'timers'])
  },
)

test('given a clock that is twice as fast, then its timers are due in half the time, and never early', () => {
  const { timeline, clock } = processOf()
  const seen: number[] = []
  clock.after(10, () => seen.push(clock.monotonic()))
  pass(timeline, 4.9)
  expect(seen).toEqual([])
  pass(timeline, 0.2)
  expect(seen[0]).toBeGreaterThanOrEqual(10)
  expect(seen[0]).toBeLessThan(10.001)
})

test('given a deadline, when a signal aborts earlier, then it aborts for that reason', () => {
  const { timeline, clock } = processOf()
  const controller = new AbortController()
  const deadline = clock.deadline(10, controller.signal)
  const late = clock.deadline(10)
  const cancelled = clock.deadline(10)
  controller.abort('enough')
  cancelled.cancel()
  pass(timeline, 20)
  expect(deadline.signal.reason).toBe('enough')
  expect(late.signal.reason).toMatchObject({ code: 'TIMEOUT' })
  expect(cancelled.signal.aborted).toBe(false)
})
