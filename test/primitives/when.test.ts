import { getEventListeners } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { Condition, ManualClock, Watch } from '#framework/primitives'
import { within } from '../support/eventually.js'

const atLeast = (min: number, watch: Watch<number>, signal?: AbortSignal): Condition<number> =>
  new Condition(watch, (value) => value >= min, { name: `at least ${min}`, signal })

/** How many are subscribed to a watch, found by counting. */
class CountingWatch extends Watch<number> {
  subscribed = 0
  override subscribe(fn: (value: number) => void, onEnd?: (cause?: unknown) => void): () => void {
    this.subscribed++
    const stop = super.subscribe(fn, onEnd)
    return () => {
      this.subscribed--
      stop()
    }
  }
}

describe('waiting for a condition', () => {
  test('that is met resolves at once with the value', async () => {
    expect(await within(1_000, atLeast(2, new Watch(3)))).toBe(3)
  })

  test('resolves with the first value that meets it, also when it does so for a moment only', async () => {
    const watch = new CountingWatch(0)
    const waiting = atLeast(2, watch).wait()
    watch.set(1)
    watch.set(5)
    watch.set(0)
    expect(await within(1_000, waiting)).toBe(5)
    expect(watch.subscribed).toBe(0)
  })

  test('is possible again and again on one condition', async () => {
    const watch = new Watch(0)
    const condition = atLeast(1, watch)
    const both = Promise.all([condition, condition])
    watch.set(1)
    expect(await within(1_000, both)).toEqual([1, 1])
    expect(condition.met).toBe(true)
    watch.set(0)
    expect(condition.met).toBe(false)
    const again = condition.wait()
    watch.set(2)
    expect(await within(1_000, again)).toBe(2)
  })

  test('rejects when the watch ends before it is met, saying its name and the cause', async () => {
    const watch = new Watch(0)
    const waiting = atLeast(2, watch).wait()
    const cause = new Error('closed')
    watch.end(cause)
    await expect(waiting).rejects.toMatchObject({
      code: 'ENDED',
      cause,
      message: expect.stringContaining('at least 2'),
      details: { condition: 'at least 2' },
    })
  })

  test('on a watch that has ended rejects when it is not met, and resolves when it is', async () => {
    const watch = new Watch(1)
    watch.end()
    await expect(within(1_000, atLeast(2, watch).wait())).rejects.toMatchObject({ code: 'ENDED' })
    expect(await within(1_000, atLeast(1, watch))).toBe(1)
  })

  test('resolves when the value that meets it is the last', async () => {
    const watch = new Watch(0)
    const waiting = atLeast(2, watch).wait()
    watch.set(2)
    watch.end()
    expect(await within(1_000, waiting)).toBe(2)
  })

  test('rejects after the time limit, saying its name, and leaves no timer and no subscription', async () => {
    const clock = new ManualClock()
    const watch = new CountingWatch(0)
    const waiting = atLeast(2, watch).wait({ timeoutMs: 500, clock })
    clock.advance(499)
    expect(watch.subscribed).toBe(1)
    clock.advance(1)
    await expect(waiting).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'not within 500 ms: at least 2',
      details: { condition: 'at least 2', timeoutMs: 500 },
    })
    expect([watch.subscribed, clock.pendingCount]).toEqual([0, 0])
  })

  test('that ends well leaves no timer either', async () => {
    const clock = new ManualClock()
    const watch = new Watch(0)
    const waiting = atLeast(2, watch).wait({ timeoutMs: 500, clock })
    expect(clock.pendingCount).toBe(1)
    watch.set(2)
    await within(1_000, waiting)
    expect(clock.pendingCount).toBe(0)
  })

  test.each(['the condition', 'the wait'])(
    'rejects with the reason when the signal of %s aborts',
    async (whose) => {
      const watch = new CountingWatch(0)
      const controller = new AbortController()
      const { signal } = controller
      const reason = new Error('closing')
      const [condition, options] =
        whose === 'the wait' ? [atLeast(2, watch), { signal }] : [atLeast(2, watch, signal), {}]
      const waiting = condition.wait(options)
      controller.abort(reason)
      await expect(waiting).rejects.toBe(reason)
      expect(watch.subscribed).toBe(0)
      expect(getEventListeners(signal, 'abort')).toHaveLength(0)
      watch.set(2)
      await expect(condition.wait(options)).rejects.toBe(reason)
    },
  )

  test('that is met leaves nothing on the signals', async () => {
    const watch = new Watch(0)
    const { signal } = new AbortController()
    const waiting = atLeast(2, watch, signal).wait({ signal })
    watch.set(2)
    await within(1_000, waiting)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('rejects with what the predicate throws, now or later', async () => {
    const watch = new CountingWatch(0)
    const picky = new Condition<number>(watch, (value) => {
      if (value === 1) throw new Error('not one')
      return false
    })
    const waiting = picky.wait()
    watch.set(1)
    await expect(waiting).rejects.toThrow('not one')
    await expect(picky.wait()).rejects.toThrow('not one')
    expect(watch.subscribed).toBe(0)
  })
})

describe('the inverse of a condition', () => {
  test('is met when the condition is not', async () => {
    const watch = new Watch(2)
    const none = atLeast(1, watch).not()
    expect(none.met).toBe(false)
    const waiting = none.wait()
    watch.set(0)
    expect(await within(1_000, waiting)).toBe(0)
    expect(none.met).toBe(true)
  })

  test('inverted again stays the inverse', () => {
    const none = atLeast(1, new Watch(0)).not()
    expect(none.not()).toBe(none)
    expect(none.not().met).toBe(true)
  })

  test('says so in its name, and obeys the same signal', async () => {
    const watch = new Watch(2)
    const controller = new AbortController()
    const none = atLeast(1, watch, controller.signal).not()
    const waiting = none.wait()
    watch.end()
    await expect(waiting).rejects.toThrow('not: at least 1')
    controller.abort('gone')
    await expect(none.wait()).rejects.toBe('gone')
  })
})

describe('iterating a condition', () => {
  test('yields when it is met, and again each time it becomes met after it was not', async () => {
    const watch = new Watch(3)
    const edges = atLeast(2, watch)[Symbol.asyncIterator]()
    expect(await within(1_000, edges.next())).toEqual({ done: false, value: 3 })
    const pending = edges.next()
    watch.set(4)
    watch.set(0)
    watch.set(2)
    expect(await within(1_000, pending)).toEqual({ done: false, value: 2 })
  })

  test('yields once for several times while the loop is busy, with the newest', async () => {
    const watch = new Watch(0)
    const edges = atLeast(2, watch)[Symbol.asyncIterator]()
    const first = edges.next()
    watch.set(2)
    await within(1_000, first)
    for (const value of [0, 3, 0, 4, 0]) watch.set(value)
    watch.end()
    expect(await within(1_000, edges.next())).toEqual({ done: false, value: 4 })
    expect(await within(1_000, edges.next())).toEqual({ done: true, value: undefined })
  })

  test('is over when the watch ends, and throws its cause', async () => {
    const watch = new CountingWatch(0)
    const edges = atLeast(2, watch)[Symbol.asyncIterator]()
    const pending = edges.next()
    watch.end(new Error('lost'))
    await expect(within(1_000, pending)).rejects.toThrow('lost')
  })

  test('throws what the predicate throws, and lets go of the watch', async () => {
    const watch = new CountingWatch(0)
    const picky = new Condition<number>(watch, (value) => {
      if (value === 1) throw new Error('not one')
      return true
    })
    const edges = picky[Symbol.asyncIterator]()
    await within(1_000, edges.next())
    watch.set(1)
    await expect(within(1_000, edges.next())).rejects.toThrow('not one')
    await expect(within(1_000, picky[Symbol.asyncIterator]().next())).rejects.toThrow('not one')
    expect(watch.subscribed).toBe(0)
  })

  test('unsubscribes when the loop is left, and ends with the signal', async () => {
    const watch = new CountingWatch(5)
    const controller = new AbortController()
    for await (const _ of atLeast(2, watch)) break
    expect(watch.subscribed).toBe(0)
    const edges = atLeast(7, watch, controller.signal)[Symbol.asyncIterator]()
    const pending = edges.next()
    controller.abort('gone')
    await expect(pending).rejects.toBe('gone')
    expect(watch.subscribed).toBe(0)
  })
})
