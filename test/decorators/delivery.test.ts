import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Mailbox, ZERO_DIGEST, type PeerId } from '#framework/primitives'
import { deliver } from '../../decorators/delivery.js'
import { eventually, within } from '../support/eventually.js'

/** A consumer with these datums already there; it ends after them unless told to stay. */
function consumerOf<T>(datums: readonly T[], { stays = false } = {}) {
  const mailbox = new Mailbox<T>({ capacity: Math.max(1, datums.length + 10) })
  for (const datum of datums) mailbox.post(datum)
  if (!stays) mailbox.end()
  const acknowledged: number[] = []
  return {
    mailbox,
    tryRecv: () => mailbox.tryTake(),
    recv: (options?: { signal?: AbortSignal | undefined }) => mailbox.take(options),
    async *envelopes(options?: { readonly signal?: AbortSignal | undefined }) {
      for (let sequence = 0; ; sequence++) {
        const datum = await mailbox.take(options)
        if (datum === undefined) return
        yield { datum, producer, epoch: 'epoch', sequence, lostBefore: 0, receivedAtMs: 0 }
      }
    },
    ack: (envelope?: { readonly sequence: number }) =>
      void (envelope && acknowledged.push(envelope.sequence)),
    /** The numbers of the datums that were acknowledged one by one. */
    acknowledged,
  }
}

const producer = ZERO_DIGEST as string as PeerId

const fail = (error: unknown): never => {
  throw error
}
const never = new AbortController().signal

test('given a handler that takes its time, each datum waits for the one before', async () => {
  const trace: string[] = []
  await deliver(
    consumerOf(['a', 'b', 'c']),
    async (datum) => {
      trace.push(`${datum} begins`)
      await new Promise(setImmediate)
      trace.push(`${datum} ends`)
    },
    { concurrency: 1, onError: fail, signal: never },
  )
  expect(trace).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

test('given a concurrency of n, n calls overlap and no more, and they begin in order', async () => {
  let running = 0
  let most = 0
  const begun: number[] = []
  const datums = Array.from({ length: 20 }, (_, index) => index)
  await deliver(
    consumerOf(datums),
    async (datum) => {
      begun.push(datum)
      most = Math.max(most, ++running)
      for (let turn = 0; turn < (datum * 7) % 4; turn++) await new Promise(setImmediate)
      running--
    },
    { concurrency: 3, onError: fail, signal: never },
  )
  expect(begun).toEqual(datums)
  expect(most).toBe(3)
  expect(running).toBe(0)
})

describe('given calls that overlap', () => {
  test('each datum is acknowledged when its own call has ended, in whatever order that is', async () => {
    const consumer = consumerOf(['a', 'b', 'c'], { stays: true })
    const finish: (() => void)[] = []
    const stop = new AbortController()
    const delivery = deliver(consumer, () => new Promise<void>((resolve) => finish.push(resolve)), {
      concurrency: 3,
      onError: fail,
      signal: stop.signal,
    })
    await eventually(() => finish.length === 3)
    finish[2]!()
    await eventually(() => expect(consumer.acknowledged).toEqual([2]))
    finish[0]!()
    await eventually(() => expect(consumer.acknowledged).toEqual([2, 0]))
    stop.abort(new Error('stopping'))
    finish[1]!()
    await expect(delivery).rejects.toThrow('stopping')
    expect(consumer.acknowledged).toEqual([2, 0, 1])
  })

  test.each([
    ['skipped is acknowledged', () => undefined, [0, 1, 2]],
    ['failed for good is not', fail, [0]],
  ])('a datum that was %s', async (_what, onError, acknowledged) => {
    const consumer = consumerOf(['a', 'b', 'c'])
    const delivery = deliver(consumer, (datum) => (datum === 'b' ? fail(new Error('no')) : undefined), {
      concurrency: 2,
      onError,
      signal: never,
    })
    await delivery.catch(() => undefined)
    expect(consumer.acknowledged).toEqual(acknowledged)
  })
})

test('datums that are falsy are datums', async () => {
  const handled: unknown[] = []
  await deliver(consumerOf<unknown>([0, '', false, null]), (datum) => handled.push(datum), {
    concurrency: 1,
    onError: fail,
    signal: never,
  })
  expect(handled).toEqual([0, '', false, null])
})

describe('when a call fails', () => {
  test.each([
    ['throws', (datum: number) => fail(new Error(`no ${datum}`))],
    ['rejects', (datum: number) => Promise.reject(new Error(`no ${datum}`))],
  ])('for good (it %s), nothing more is taken and the error is handed on', async (_how, handler) => {
    const consumer = consumerOf([1, 2, 3])
    const handled: number[] = []
    const delivery = deliver(
      consumer,
      (datum) => {
        handled.push(datum)
        return datum === 2 ? handler(datum) : undefined
      },
      { concurrency: 1, onError: fail, signal: never },
    )
    await expect(delivery).rejects.toThrow('no 2')
    expect(handled).toEqual([1, 2])
    expect(consumer.mailbox.length).toBe(1)
  })

  test('and is skipped, the next one follows', async () => {
    const errors: unknown[] = []
    const handled: number[] = []
    await deliver(
      consumerOf([1, 2, 3]),
      async (datum) => {
        if (datum === 2) throw new Error('no')
        handled.push(datum)
      },
      { concurrency: 1, onError: (error) => errors.push(error), signal: never },
    )
    expect(handled).toEqual([1, 3])
    expect(errors).toEqual([new Error('no')])
  })

  test('while another waits for a datum that does not come, the wait ends, and the calls in flight are waited for', async () => {
    const consumer = consumerOf([1, 2], { stays: true })
    let finishFirst = (): void => undefined
    let failSecond = (): void => undefined
    let settled = false
    const delivery = deliver(
      consumer,
      (datum) =>
        new Promise<void>((resolve, reject) => {
          if (datum === 1) finishFirst = resolve
          else failSecond = () => reject(new Error('no'))
        }),
      { concurrency: 5, onError: fail, signal: never },
    ).finally(() => {
      settled = true
    })
    const expected = expect(delivery).rejects.toThrow('no')
    await eventually(() => consumer.mailbox.length === 0)
    failSecond()
    await new Promise(setImmediate)
    expect(settled).toBe(false)
    finishFirst()
    await within(1000, expected)
  })
})

describe('when the signal aborts', () => {
  test('a wait ends with the reason', async () => {
    const stop = new AbortController()
    const delivery = deliver(consumerOf([], { stays: true }), () => undefined, {
      concurrency: 1,
      onError: fail,
      signal: stop.signal,
    })
    stop.abort(new Error('stopping'))
    await expect(within(1000, delivery)).rejects.toThrow('stopping')
  })

  test('nothing more is taken, and the call in flight ends first', async () => {
    const stop = new AbortController()
    const consumer = consumerOf([1, 2])
    let finish = (): void => undefined
    let ended = false
    const delivery = deliver(
      consumer,
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
      { concurrency: 1, onError: fail, signal: stop.signal },
    ).finally(() => {
      ended = true
    })
    const expected = expect(delivery).rejects.toThrow('stopping')
    stop.abort(new Error('stopping'))
    await new Promise(setImmediate)
    expect(ended).toBe(false)
    finish()
    await within(1000, expected)
    expect(consumer.mailbox.length).toBe(1)
  })

  test('a call that fails because of something else is what there is to report', async () => {
    const stop = new AbortController()
    const delivery = deliver(
      consumerOf([1]),
      async () => {
        stop.abort(new Error('stopping'))
        await Promise.resolve()
        throw new Error('a real failure')
      },
      { concurrency: 1, onError: fail, signal: stop.signal },
    )
    await expect(delivery).rejects.toThrow('a real failure')
  })

  test('before the first datum, none is taken', async () => {
    const consumer = consumerOf([1])
    const delivery = deliver(consumer, () => undefined, {
      concurrency: 1,
      onError: fail,
      signal: AbortSignal.abort(new Error('stopping')),
    })
    await expect(delivery).rejects.toThrow('stopping')
    expect(consumer.mailbox.length).toBe(1)
  })
})

test('property: whatever the calls do, every datum is handled once and begins in order', async () => {
  const calls = fc.array(fc.record({ turns: fc.nat(3), fails: fc.boolean(), sync: fc.boolean() }), {
    maxLength: 30,
  })
  await fc.assert(
    fc.asyncProperty(calls, fc.integer({ min: 1, max: 4 }), async (plans, concurrency) => {
      const begun: number[] = []
      let failedCount = 0
      await deliver(
        consumerOf(plans.map((plan, index) => ({ ...plan, index }))),
        ({ index, turns, fails, sync }) => {
          begun.push(index)
          if (sync) return fails ? fail(new Error('no')) : undefined
          return (async () => {
            for (let turn = 0; turn < turns; turn++) await Promise.resolve()
            if (fails) throw new Error('no')
          })()
        },
        { concurrency, onError: () => failedCount++, signal: never },
      )
      expect(begun).toEqual(plans.map((_, index) => index))
      expect(failedCount).toBe(plans.filter(({ fails }) => fails).length)
    }),
    { numRuns: 100 },
  )
})
