import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { ManualClock, nextTurn, systemClock, type Clock } from '#framework/primitives'
import { within } from '../support/eventually.js'

const TIMEOUT = expect.objectContaining({ code: 'TIMEOUT' })

/** Timers that keep the process alive; Node lists no others. */
const refdTimers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

const abortListeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

/** Lets a little time pass, on either kind of clock. */
type Pass = (ms: number) => Promise<void>

const manual = (): [Clock, Pass] => {
  const clock = new ManualClock()
  return [
    clock,
    (ms) => {
      clock.advance(ms)
      return Promise.resolve()
    },
  ]
}
const system = (): [Clock, Pass] => [systemClock, (ms) => systemClock.sleep(ms)]

describe.each([
  ['the manual clock', manual],
  ['the clock of the machine', system],
])('%s', (_, make) => {
  test('given a call after a delay, makes it once, no sooner, and never during after()', async () => {
    const [clock, pass] = make()
    const start = clock.monotonic()
    const calls: number[] = []
    clock.after(3, () => calls.push(clock.monotonic() - start))
    clock.after(0, () => calls.push(clock.monotonic() - start))
    expect(calls).toEqual([])
    await pass(5)
    await pass(5)
    expect(calls).toHaveLength(2)
    expect(calls[0]).toBeGreaterThanOrEqual(0)
    expect(calls[1]).toBeGreaterThanOrEqual(3)
  })

  test('given a cancelled call, does not make it, also when it is cancelled twice', async () => {
    const [clock, pass] = make()
    const calls: string[] = []
    const timer = clock.after(1, () => calls.push('cancelled'))
    clock.after(1, () => calls.push('kept'))
    timer.cancel()
    timer.cancel()
    await pass(5)
    expect(calls).toEqual(['kept'])
  })

  test('given a delay that is infinite, never calls; given one that is no number, refuses', async () => {
    const [clock, pass] = make()
    let calls = 0
    const timer = clock.after(Infinity, () => calls++)
    await pass(2)
    expect(calls).toBe(0)
    timer.cancel()
    expect(() => clock.after(NaN, () => undefined)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })

  test('given a negative delay, calls as soon as time passes', async () => {
    const [clock, pass] = make()
    let calls = 0
    clock.after(-5, () => calls++)
    await pass(1)
    expect(calls).toBe(1)
  })

  test('given a sleep, resolves after it and leaves the signal alone', async () => {
    const [clock, pass] = make()
    const { signal } = new AbortController()
    const sleep = clock.sleep(2, { signal })
    await pass(3)
    await within(1_000, sleep)
    expect(abortListeners(signal)).toBe(0)
  })

  test('given a sleep whose signal aborts, rejects with its reason at once', async () => {
    const [clock] = make()
    const controller = new AbortController()
    const sleep = clock.sleep(60_000, { signal: controller.signal })
    const reason = new Error('closing')
    controller.abort(reason)
    await expect(within(1_000, sleep)).rejects.toBe(reason)
    expect(abortListeners(controller.signal)).toBe(0)
    await expect(clock.sleep(60_000, { signal: controller.signal })).rejects.toBe(reason)
  })

  test('given a deadline, aborts with a timeout after it and not before', async () => {
    const [clock, pass] = make()
    const { signal } = new AbortController()
    const deadline = clock.deadline(2, undefined, signal)
    expect(deadline.signal.aborted).toBe(false)
    await pass(5)
    expect(deadline.signal.reason).toEqual(TIMEOUT)
    expect(deadline.signal.reason).toMatchObject({ details: { timeoutMs: 2 } })
    expect(abortListeners(signal)).toBe(0)
  })

  test('given several signals, a deadline aborts with the reason of the first that aborts', () => {
    const [clock] = make()
    const first = new AbortController()
    const second = new AbortController()
    const deadline = clock.deadline(60_000, first.signal, second.signal)
    second.abort('second')
    first.abort('first')
    expect(deadline.signal.reason).toBe('second')
    expect(abortListeners(first.signal) + abortListeners(second.signal)).toBe(0)
  })

  test('given a signal that is aborted already, a deadline is aborted from the start', () => {
    const [clock] = make()
    const live = new AbortController()
    const deadline = clock.deadline(60_000, live.signal, AbortSignal.abort('gone'))
    expect(deadline.signal.reason).toBe('gone')
    expect(abortListeners(live.signal)).toBe(0)
  })

  test('given a deadline that was cancelled or disposed of, nothing aborts it any more', async () => {
    const [clock, pass] = make()
    const controller = new AbortController()
    const cancelled = clock.deadline(1, controller.signal)
    cancelled.cancel()
    let disposed
    {
      using deadline = clock.deadline(1, controller.signal)
      disposed = deadline
    }
    expect(abortListeners(controller.signal)).toBe(0)
    controller.abort()
    await pass(3)
    expect(cancelled.signal.aborted).toBe(false)
    expect(disposed.signal.aborted).toBe(false)
  })

  test('given an infinite deadline, only a signal aborts it', async () => {
    const [clock, pass] = make()
    const controller = new AbortController()
    using deadline = clock.deadline(Infinity, controller.signal)
    await pass(2)
    expect(deadline.signal.aborted).toBe(false)
    controller.abort('asked to')
    expect(deadline.signal.reason).toBe('asked to')
  })
})

describe('the clock of the machine', () => {
  afterEach(() => {
    jest.restoreAllMocks()
  })

  test('tells Unix time, and a time that never goes back', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000)
    let before = systemClock.monotonic()
    for (let i = 0; i < 1_000; i++) {
      const now = systemClock.monotonic()
      expect(now).toBeGreaterThanOrEqual(before)
      before = now
    }
  })

  test('is never early, although the event loop counts whole milliseconds', async () => {
    for (let i = 0; i < 25; i++) {
      const start = systemClock.monotonic()
      await systemClock.sleep(1.5)
      expect(systemClock.monotonic() - start).toBeGreaterThanOrEqual(1.5)
    }
  })

  test('keeps the process alive for a sleep, not for a deadline', () => {
    const before = refdTimers()
    const controller = new AbortController()
    const sleep = systemClock.sleep(60_000, { signal: controller.signal })
    expect(refdTimers()).toBe(before + 1)
    using _ = systemClock.deadline(60_000)
    expect(refdTimers()).toBe(before + 1)
    controller.abort()
    expect(refdTimers()).toBe(before)
    return expect(sleep).rejects.toHaveProperty('name', 'AbortError')
  })

  test('needs no timer for what never comes', () => {
    const before = refdTimers()
    systemClock.after(Infinity, () => undefined)
    expect(refdTimers()).toBe(before)
  })

  test('takes a delay longer than timers allow in pieces, instead of turning it into a millisecond', async () => {
    const delays: (number | undefined)[] = []
    const real = globalThis.setTimeout
    jest.spyOn(globalThis, 'setTimeout').mockImplementation(((run: () => void, ms?: number) => {
      delays.push(ms)
      // The first piece is over at once, as if 24 days had passed for the event loop only.
      return real(run, delays.length === 1 ? 0 : 60_000)
    }) as typeof setTimeout)
    let calls = 0
    const timer = systemClock.after(2 ** 32, () => calls++)
    await new Promise((resolve) => real(resolve, 5))
    timer.cancel()
    expect(delays).toEqual([2 ** 31 - 1, 2 ** 31 - 1])
    expect(calls).toBe(0)
  })
})

describe('the manual clock', () => {
  test('runs what is due in the order of time, then of asking, each at its moment', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.array(fc.integer({ min: 1, max: 8 })), (delays, steps) => {
        const clock = new ManualClock()
        const ran: [number, number][] = []
        delays.forEach((delay, i) => clock.after(delay, () => ran.push([clock.monotonic(), i])))
        for (const step of steps) clock.advance(step)
        const endMs = steps.reduce((sum, step) => sum + step, 0)
        const due = delays.map((delay, i): [number, number] => [delay, i]).filter(([delay]) => delay <= endMs)
        const expected = steps.length === 0 ? [] : due.toSorted(([a], [b]) => a - b)
        expect(ran).toEqual(expected)
        expect(clock.pendingCount).toBe(delays.length - expected.length)
        expect(clock.monotonic()).toBe(endMs)
      }),
    )
  })

  test('runs what a call adds when that too comes due within the time', () => {
    const clock = new ManualClock()
    const ran: number[] = []
    const tick = (): void => {
      ran.push(clock.monotonic())
      clock.after(10, tick)
    }
    clock.after(10, tick)
    clock.advance(35)
    expect(ran).toEqual([10, 20, 30])
    clock.advance(5)
    expect(ran).toEqual([10, 20, 30, 40])
    expect(clock.pendingCount).toBe(1)
  })

  test('lets a call cancel another that is due at the same moment', () => {
    const clock = new ManualClock()
    let calls = 0
    clock.after(1, () => other.cancel())
    const other = clock.after(1, () => calls++)
    clock.advance(1)
    expect(calls).toBe(0)
  })

  test('moves the wall clock with time, and without it when it is set', () => {
    const clock = new ManualClock(1_000)
    let calls = 0
    clock.after(50, () => calls++)
    clock.advance(20)
    expect([clock.now(), clock.monotonic()]).toEqual([1_020, 20])
    clock.setNow(500)
    expect([clock.now(), clock.monotonic(), calls]).toEqual([500, 20, 0])
    clock.advance(30)
    expect([clock.now(), clock.monotonic(), calls]).toEqual([530, 50, 1])
  })

  test('given a call that throws, passes the error on and keeps the rest', () => {
    const clock = new ManualClock()
    let calls = 0
    clock.after(1, () => {
      throw new Error('boom')
    })
    clock.after(2, () => calls++)
    expect(() => clock.advance(10)).toThrow('boom')
    expect([clock.monotonic(), calls]).toEqual([1, 0])
    clock.advance(1)
    expect(calls).toBe(1)
  })

  test.each([-1, NaN, Infinity])('cannot advance by %p', (ms) => {
    expect(() => new ManualClock().advance(ms)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })

  test('cannot be advanced from inside a call', () => {
    const clock = new ManualClock()
    clock.after(1, () => clock.advance(1))
    expect(() => clock.advance(1)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })

  test('shows that nothing is left behind once sleeps and deadlines are over', async () => {
    const clock = new ManualClock()
    const controller = new AbortController()
    const sleep = clock.sleep(10, { signal: controller.signal })
    clock.deadline(10).cancel()
    clock.deadline(10, controller.signal)
    clock.after(10, () => undefined).cancel()
    clock.after(Infinity, () => undefined)
    clock.deadline(Infinity)
    expect(clock.pendingCount).toBe(2)
    controller.abort()
    await expect(sleep).rejects.toHaveProperty('name', 'AbortError')
    expect(clock.pendingCount).toBe(0)
  })
})

test('given promises that resolve without end, the next turn of the event loop still comes', async () => {
  let timerRan = false
  setTimeout(() => (timerRan = true), 0)
  for (let i = 0; i < 10_000 && !timerRan; i++) await nextTurn()
  expect(timerRan).toBe(true)
})
