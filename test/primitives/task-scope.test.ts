import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { MosaikError, TaskScope, systemClock } from '#framework/primitives'
import { eventually, within } from '../support/eventually.js'

/** A task that ends when it is told to, by its signal. */
const untilAborted = (signal: AbortSignal): Promise<void> => systemClock.sleep(60_000, { signal })

interface Failure {
  cause: unknown
  task: string
}

const observed = (parent?: AbortSignal): { scope: TaskScope; failures: Failure[] } => {
  const failures: Failure[] = []
  const scope = new TaskScope({
    ...(parent && { parent }),
    onFailure: (cause, task) => void failures.push({ cause, task }),
  })
  return { scope, failures }
}

describe('a task scope', () => {
  test('starts a task at once and counts it while it runs', async () => {
    await using scope = new TaskScope()
    const gate = Promise.withResolvers<void>()
    const steps: string[] = []
    scope.spawn('worker', async () => {
      steps.push('started')
      await gate.promise
      steps.push('ended')
    })
    expect(steps).toEqual(['started'])
    expect(scope.size).toBe(1)
    gate.resolve()
    await eventually(() => scope.size === 0)
    expect(steps).toEqual(['started', 'ended'])
    expect(scope.signal.aborted).toBe(false)
  })

  test('when it closes, aborts every task and waits for all of them', async () => {
    const { scope, failures } = observed()
    const ended: string[] = []
    for (const name of ['a', 'b']) {
      scope.spawn(name, async (signal) => {
        await untilAborted(signal).catch(() => undefined)
        await systemClock.sleep(2)
        ended.push(name)
      })
    }
    await within(1_000, scope.close())
    expect(ended.toSorted()).toEqual(['a', 'b'])
    expect([scope.size, scope.failure]).toEqual([0, undefined])
    expect(failures).toEqual([])
  })

  test('closes once, for the first reason, however often it is asked', async () => {
    const scope = new TaskScope()
    scope.spawn('worker', untilAborted)
    const first = new Error('first')
    const closing = scope.close(first)
    expect(scope.close(new Error('second'))).toBe(closing)
    await within(1_000, Promise.all([closing, scope[Symbol.asyncDispose]()]))
    expect(scope.signal.reason).toBe(first)
  })

  test('closes with an abort error unless told otherwise', async () => {
    const scope = new TaskScope()
    await scope.close()
    expect(scope.signal.reason).toMatchObject({ name: 'AbortError' })
  })

  test('starts nothing any more once it is closing', async () => {
    const scope = new TaskScope()
    const gate = Promise.withResolvers<void>()
    scope.spawn('slow', () => gate.promise)
    const closing = scope.close()
    let started = false
    scope.spawn('late', async () => {
      started = true
    })
    gate.resolve()
    await within(1_000, closing)
    scope.spawn('later', async () => {
      started = true
    })
    expect(started).toBe(false)
  })

  test('waits for tasks that tasks have spawned', async () => {
    const scope = new TaskScope()
    const gate = Promise.withResolvers<void>()
    let innerEnded = false
    scope.spawn('outer', async () => {
      scope.spawn('inner', async () => {
        await gate.promise
        innerEnded = true
      })
      await Promise.resolve()
    })
    const closing = scope.close()
    gate.resolve()
    await within(1_000, closing)
    expect(innerEnded).toBe(true)
  })
})

describe('a task that fails', () => {
  test('aborts the others, and is reported once, with its name, after the abort', async () => {
    const failures: (Failure & { aborted: boolean })[] = []
    const scope: TaskScope = new TaskScope({
      onFailure: (cause, task) => void failures.push({ cause, task, aborted: scope.signal.aborted }),
    })
    const boom = new Error('boom')
    scope.spawn('steady', untilAborted)
    scope.spawn('fragile', async () => {
      await Promise.resolve()
      throw boom
    })
    await eventually(() => scope.size === 0)
    expect(failures).toEqual([{ cause: boom, task: 'fragile', aborted: true }])
    expect(scope.failure).toBe(boom)
    expect(scope.signal.reason).toBe(boom)
    await within(1_000, scope.close())
    expect(failures).toHaveLength(1)
  })

  test('after another has failed is not reported: it may well be a consequence', async () => {
    const { scope, failures } = observed()
    scope.spawn('second', (signal) =>
      untilAborted(signal).catch(() => {
        throw new Error('link closed')
      }),
    )
    scope.spawn('first', () => Promise.reject(new Error('boom')))
    await within(1_000, scope.close())
    await eventually(() => scope.size === 0)
    expect(failures).toEqual([{ cause: new Error('boom'), task: 'first' }])
    expect(scope.failure).toEqual(new Error('boom'))
  })

  test('at once does so after spawn has returned, async or not', async () => {
    const { scope, failures } = observed()
    scope.spawn('eager', () => {
      throw new Error('boom')
    })
    expect(failures).toEqual([])
    await eventually(() => failures.length === 1)
    expect(scope.failure).toMatchObject({ message: 'boom' })
  })

  test('may be answered by closing the scope', async () => {
    const closed = Promise.withResolvers<void>()
    const scope: TaskScope = new TaskScope({ onFailure: () => closed.resolve(scope.close()) })
    scope.spawn('steady', untilAborted)
    scope.spawn('fragile', () => Promise.reject(new Error('boom')))
    await within(1_000, closed.promise)
    expect(scope.size).toBe(0)
  })

  test('with undefined is a failure as well', async () => {
    const { scope, failures } = observed()
    scope.spawn('odd', () => Promise.reject(undefined))
    await eventually(() => failures.length === 1)
    expect(failures).toEqual([{ cause: undefined, task: 'odd' }])
    expect(scope.signal.aborted).toBe(true)
  })

  test('with an abort error fails while the scope is not aborted: nobody asked it to stop', async () => {
    const { scope, failures } = observed()
    scope.spawn('confused', () => Promise.reject(AbortSignal.abort().reason))
    await eventually(() => failures.length === 1)
    expect(scope.signal.aborted).toBe(true)
  })

  test.each([
    ['the reason itself', (signal: AbortSignal) => signal.reason],
    ['an abort error', () => AbortSignal.abort().reason],
    ['an error caused by it', (signal: AbortSignal) => new MosaikError('X', 'x', { cause: signal.reason })],
    [
      'one caused by one',
      (signal: AbortSignal) => new Error('x', { cause: new Error('y', { cause: signal.reason }) }),
    ],
  ])('with %s after the abort has ended, not failed', async (_, errorOf) => {
    const { scope, failures } = observed()
    scope.spawn('obedient', async (signal) => {
      await untilAborted(signal).catch(() => {
        throw errorOf(signal)
      })
    })
    await within(1_000, scope.close(new MosaikError('CLOSING', 'closing')))
    expect(failures).toEqual([])
    expect(scope.failure).toBeUndefined()
  })

  test('for a reason of its own while the scope closes has failed', async () => {
    const { scope, failures } = observed()
    const loop = new Error('loop')
    loop.cause = loop
    scope.spawn('clumsy', (signal) =>
      untilAborted(signal).catch(() => {
        throw loop
      }),
    )
    await within(1_000, scope.close())
    expect(failures).toEqual([{ cause: loop, task: 'clumsy' }])
  })

  describe('and whose report throws', () => {
    afterEach(() => {
      jest.restoreAllMocks()
    })

    test('is aborted and closed all the same, and the error surfaces', async () => {
      const uncaught: unknown[] = []
      jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((fn) => {
        try {
          fn()
        } catch (error) {
          uncaught.push(error)
        }
      })
      const scope = new TaskScope({
        onFailure: () => {
          throw new Error('bad handler')
        },
      })
      scope.spawn('fragile', () => Promise.reject(new Error('boom')))
      await eventually(() => scope.size === 0)
      await within(1_000, scope.close())
      expect(uncaught).toEqual([new Error('bad handler')])
    })
  })
})

describe('a task scope with a parent', () => {
  test('aborts with it and for its reason, without failing, and still waits for its tasks', async () => {
    const parent = new AbortController()
    const { scope, failures } = observed(parent.signal)
    scope.spawn('worker', untilAborted)
    const reason = new Error('parent closing')
    parent.abort(reason)
    expect(scope.signal.reason).toBe(reason)
    await within(1_000, scope.close())
    expect([scope.size, failures.length, scope.failure]).toEqual([0, 0, undefined])
  })

  test('that is aborted already starts nothing', async () => {
    const { scope } = observed(AbortSignal.abort('gone'))
    let started = false
    scope.spawn('worker', async () => {
      started = true
    })
    await within(1_000, scope.close())
    expect([scope.signal.reason, started]).toEqual(['gone', false])
  })

  test('lets go of it when it closes', async () => {
    const parent = new AbortController()
    const { scope } = observed(parent.signal)
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(1)
    await scope.close()
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0)
    parent.abort()
  })
})
