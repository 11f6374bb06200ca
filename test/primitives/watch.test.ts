import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { Watch, type ReadonlyWatch } from '#framework/primitives'
import { LatestIterator } from '../../framework/primitives/latest.js'
import { within } from '../support/eventually.js'

const next = async <T>(iterator: AsyncIterator<T>): Promise<IteratorResult<T>> =>
  within(1_000, iterator.next())

const iteratorOf = <T>(watch: ReadonlyWatch<T>, signal?: AbortSignal): AsyncIterator<T> =>
  watch.changes({ signal })[Symbol.asyncIterator]()

/** Resolves when every microtask that is queued now, and what it queues, has run. */
const microtasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a subscriber of a watch', () => {
  test('is called during set with each new value, not with the current one', () => {
    const watch = new Watch(1)
    const seen: number[] = []
    watch.subscribe((value) => seen.push(value))
    expect(seen).toEqual([])
    watch.set(2)
    watch.update((value) => value + 1)
    expect(seen).toEqual([2, 3])
    expect(watch.value).toBe(3)
  })

  test('is not called for a value that is identical, NaN included', () => {
    const same = {}
    const watch = new Watch<unknown>(same)
    const seen: unknown[] = []
    watch.subscribe((value) => seen.push(value))
    watch.set(same)
    watch.set(NaN)
    watch.set(NaN)
    watch.set({})
    expect(seen).toEqual([NaN, {}])
  })

  test('is not called after it has unsubscribed, also when that happens inside a notification', () => {
    const watch = new Watch(0)
    const seen: string[] = []
    watch.subscribe((value) => {
      seen.push(`first ${value}`)
      stopSecond()
      stopThird()
    })
    const stopSecond = watch.subscribe((value) => seen.push(`second ${value}`))
    const stopThird = watch.subscribe(
      (value) => seen.push(`third ${value}`),
      () => seen.push('third ended'),
    )
    watch.set(1)
    stopThird()
    watch.set(2)
    watch.end()
    expect(seen).toEqual(['first 1', 'first 2'])
  })

  test('may unsubscribe itself inside a notification, without making others miss it', () => {
    const watch = new Watch(0)
    const seen: string[] = []
    const stop = watch.subscribe((value) => {
      seen.push(`once ${value}`)
      stop()
    })
    watch.subscribe((value) => seen.push(`always ${value}`))
    watch.set(1)
    watch.set(2)
    expect(seen).toEqual(['once 1', 'always 1', 'always 2'])
  })

  test('that joins inside a notification hears of later values only', () => {
    const watch = new Watch(0)
    const seen: string[] = []
    const stop = watch.subscribe(() => {
      stop()
      watch.subscribe((value) => seen.push(`late ${value}`))
    })
    watch.set(1)
    expect(seen).toEqual([])
    watch.set(2)
    expect(seen).toEqual(['late 2'])
  })

  test('may be the same function twice, each with its own subscription', () => {
    const watch = new Watch(0)
    let calls = 0
    const fn = (): void => void calls++
    const stop = watch.subscribe(fn)
    watch.subscribe(fn)
    watch.set(1)
    stop()
    watch.set(2)
    expect(calls).toBe(3)
  })

  test('that sets the value again makes all others see the newest, in one order, and misses nothing itself', () => {
    const watch = new Watch(0)
    const seen: string[] = []
    watch.subscribe((value) => seen.push(`before ${value}`))
    watch.subscribe((value) => {
      seen.push(`setter ${value}`)
      if (value < 3) watch.set(value + 1)
    })
    watch.subscribe((value) => seen.push(`after ${value}`))
    watch.set(1)
    expect(seen).toEqual([
      'before 1',
      'setter 1',
      'after 2',
      'before 2',
      'setter 2',
      'after 3',
      'before 3',
      'setter 3',
    ])
    expect(watch.value).toBe(3)
  })

  test('that answers every change with another is stopped, and the watch works on', () => {
    const watch = new Watch(0)
    const stop = watch.subscribe((value) => watch.set(value + 1))
    expect(() => watch.set(1)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
    stop()
    const seen: number[] = []
    watch.subscribe((value) => seen.push(value))
    watch.set(-1)
    expect(seen).toEqual([-1])
  })
})

describe('a subscriber of a watch that throws', () => {
  const uncaught: unknown[] = []

  beforeEach(() => {
    uncaught.length = 0
    const real = globalThis.queueMicrotask
    jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((fn) =>
      real(() => {
        try {
          fn()
        } catch (error) {
          uncaught.push(error)
        }
      }),
    )
  })
  afterEach(() => {
    jest.restoreAllMocks()
  })

  test('disturbs neither the setter nor the others, and its error surfaces', async () => {
    const watch = new Watch(0)
    const boom = new Error('boom')
    const bang = new Error('bang')
    const seen: unknown[] = []
    watch.subscribe(
      () => {
        throw boom
      },
      () => {
        throw bang
      },
    )
    watch.subscribe(
      (value) => seen.push(value),
      () => seen.push('ended'),
    )
    watch.set(1)
    watch.set(2)
    watch.end()
    expect(seen).toEqual([1, 2, 'ended'])
    await microtasks()
    expect(uncaught).toEqual([boom, boom, bang])
  })
})

describe('the end of a watch', () => {
  test('is told once, with its cause, and nothing changes after it', () => {
    const watch = new Watch(1)
    const cause = new Error('host failed')
    const seen: unknown[] = []
    watch.subscribe(
      (value) => seen.push(value),
      (why) => seen.push(why),
    )
    expect(watch.ended).toBe(false)
    watch.end(cause)
    watch.end('again')
    watch.set(2)
    expect(seen).toEqual([cause])
    expect(watch.value).toBe(1)
    expect(watch.ended).toBe(true)
  })

  test('is told soon, not at once, to those who subscribe after it', async () => {
    const watch = new Watch(1)
    watch.end('why')
    const seen: unknown[] = []
    const stop = watch.subscribe(
      () => seen.push('value'),
      (cause) => {
        seen.push(cause)
        stop()
      },
    )
    const stopSilent = watch.subscribe(
      () => undefined,
      () => seen.push('silent'),
    )
    stopSilent()
    expect(seen).toEqual([])
    await microtasks()
    expect(seen).toEqual(['why'])
  })

  test('inside a notification comes after the last value for everyone', () => {
    const watch = new Watch(0)
    const seen: string[] = []
    watch.subscribe(
      (value) => {
        seen.push(`first ${value}`)
        watch.set(value + 1)
        watch.end()
      },
      () => seen.push('first ended'),
    )
    watch.subscribe(
      (value) => seen.push(`second ${value}`),
      () => seen.push('second ended'),
    )
    watch.set(1)
    expect(seen).toEqual(['first 1', 'second 2', 'first 2', 'first ended', 'second ended'])
    expect(watch.value).toBe(2)
  })
})

describe('the changes of a watch', () => {
  test('begin with the current value and go on with the newest, missing those in between', async () => {
    const watch = new Watch('a')
    const changes = iteratorOf(watch)
    watch.set('b')
    expect(await next(changes)).toEqual({ done: false, value: 'b' })
    watch.set('c')
    watch.set('d')
    expect(await next(changes)).toEqual({ done: false, value: 'd' })
    const pending = next(changes)
    watch.set('e')
    expect(await pending).toEqual({ done: false, value: 'e' })
  })

  test('deliver the last value and then are over, when the watch ends', async () => {
    const watch = new Watch(1)
    const changes = iteratorOf(watch)
    await next(changes)
    watch.set(2)
    watch.end()
    expect(await next(changes)).toEqual({ done: false, value: 2 })
    expect(await next(changes)).toEqual({ done: true, value: undefined })
    expect(await next(changes)).toEqual({ done: true, value: undefined })
  })

  test('deliver the last value and then throw, when the watch ends with a cause', async () => {
    const watch = new Watch(1)
    const changes = iteratorOf(watch)
    await next(changes)
    watch.set(2)
    watch.end(new Error('lost'))
    expect(await next(changes)).toEqual({ done: false, value: 2 })
    await expect(next(changes)).rejects.toThrow('lost')
    expect(await next(changes)).toEqual({ done: true, value: undefined })
  })

  test('of a watch that has ended are its last value', async () => {
    const watch = new Watch(1)
    watch.end()
    const seen: number[] = []
    for await (const value of watch.changes()) seen.push(value)
    expect(seen).toEqual([1])
  })

  test.each([
    ['with a cause', new Error('lost')],
    ['without', undefined],
  ])('that are waited for come to an end with the watch, %s', async (_, cause) => {
    const watch = new Watch(1)
    const changes = iteratorOf(watch)
    await next(changes)
    const pending = next(changes)
    watch.end(cause)
    if (cause) await expect(pending).rejects.toBe(cause)
    else expect(await pending).toEqual({ done: true, value: undefined })
  })

  test('reject with the reason when the signal aborts, waiting or not, and hold on to nothing', async () => {
    const watch = new Watch(1)
    const controller = new AbortController()
    const waiting = iteratorOf(watch, controller.signal)
    const idle = iteratorOf(watch, controller.signal)
    await next(waiting)
    await next(idle)
    watch.set(2)
    await next(waiting)
    const pending = next(waiting)
    const reason = new Error('closing')
    controller.abort(reason)
    await expect(pending).rejects.toBe(reason)
    await expect(next(idle)).rejects.toBe(reason)
    expect(await next(idle)).toEqual({ done: true, value: undefined })
    await expect(next(iteratorOf(watch, controller.signal))).rejects.toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  test('unsubscribe when the loop is left, in any way', async () => {
    const watch = new Watch(1)
    const controller = new AbortController()
    const { signal } = controller
    for await (const _ of watch.changes({ signal })) break
    const failing = (async () => {
      for await (const value of watch.changes({ signal })) throw new Error(`no ${value}`)
    })()
    await expect(failing).rejects.toThrow('no 1')
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('that were left give nothing more, also to a reader that was still waiting', async () => {
    const watch = new Watch(1)
    const changes = iteratorOf(watch)
    await next(changes)
    const pending = next(changes)
    await changes.return?.()
    expect(await pending).toEqual({ done: true, value: undefined })
    watch.set(2)
    expect(await next(changes)).toEqual({ done: true, value: undefined })
  })

  test('can be followed by many independently, with one reader each', async () => {
    const watch = new Watch(1)
    const first = iteratorOf(watch)
    const second = iteratorOf(watch)
    await next(first)
    const pending = next(first)
    await expect(next(first)).rejects.toMatchObject({ code: 'INVARIANT' })
    watch.set(2)
    expect(await pending).toEqual({ done: false, value: 2 })
    expect(await next(second)).toEqual({ done: false, value: 2 })
  })
})

test('given the read-only side of a watch, it shows everything and sets nothing', async () => {
  const watch = new Watch(1)
  const view = watch.asReadonly()
  expect(watch.asReadonly()).toBe(view)
  expect('set' in view || 'end' in view).toBe(false)
  const seen: unknown[] = []
  view.subscribe(
    (value) => seen.push(value),
    (cause) => seen.push(cause),
  )
  watch.set(2)
  expect(view.value).toBe(2)
  expect(await next(iteratorOf(view))).toEqual({ done: false, value: 2 })
  watch.end('over')
  expect(view.ended).toBe(true)
  expect(seen).toEqual([2, 'over'])
})

test('given an iterator of the latest value that is ended twice, the first end counts', async () => {
  const iterator = new LatestIterator<number>((it) => {
    it.put(1)
    it.end()
    it.end(new Error('again'))
    return () => undefined
  })
  expect(await next(iterator)).toEqual({ done: false, value: 1 })
  expect(await next(iterator)).toEqual({ done: true, value: undefined })
})
