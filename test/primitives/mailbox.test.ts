import { getEventListeners } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Mailbox } from '#framework/primitives'
import { within } from '../support/eventually.js'

const filled = (overflow: 'drop-oldest' | 'drop-newest' | 'reject'): Mailbox<number> => {
  const mailbox = new Mailbox<number>({ capacity: 2, overflow })
  mailbox.post(1)
  mailbox.post(2)
  return mailbox
}

const drain = (mailbox: Mailbox<number>): number[] => {
  const items: number[] = []
  for (let item = mailbox.tryTake(); item !== undefined; item = mailbox.tryTake()) items.push(item)
  return items
}

describe('a mailbox that is full', () => {
  test.each([
    ['reject', false, [1, 2], 0],
    ['drop-newest', false, [1, 2], 1],
    ['drop-oldest', true, [2, 3], 1],
  ] as const)(
    'given %p, accepts: %p, then holds %p and counts %p lost',
    (overflow, accepted, items, lost) => {
      const mailbox = filled(overflow)
      expect(mailbox.post(3)).toBe(accepted)
      expect(mailbox.length).toBe(2)
      expect(mailbox.droppedCount).toBe(lost)
      expect(drain(mailbox)).toEqual(items)
    },
  )

  test('rejects unless told otherwise', () => {
    const mailbox = new Mailbox<number>({ capacity: 1 })
    expect([mailbox.post(1), mailbox.post(2), mailbox.droppedCount]).toEqual([true, false, 0])
  })

  test('loses nothing without counting it, whatever is posted and taken', () => {
    const policies = fc.constantFrom('drop-oldest', 'drop-newest', 'reject')
    fc.assert(
      fc.property(
        policies,
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.boolean()),
        (overflow, capacity, script) => {
          const mailbox = new Mailbox<number>({ capacity, overflow })
          const taken: number[] = []
          let [accepted, refused, posted] = [0, 0, 0]
          for (const posting of script) {
            if (posting) {
              if (mailbox.post(++posted)) accepted++
              else refused++
            } else {
              const item = mailbox.tryTake()
              if (item !== undefined) taken.push(item)
            }
          }
          taken.push(...drain(mailbox))
          const lost = overflow === 'drop-oldest' ? accepted - taken.length : refused
          expect(mailbox.droppedCount).toBe(overflow === 'reject' ? 0 : lost)
          expect(accepted + refused).toBe(posted)
          expect(taken).toEqual(taken.toSorted((a, b) => a - b))
        },
      ),
    )
  })
})

describe('the reader of a mailbox', () => {
  test('gets what waits, in order, and waits for what comes', async () => {
    const mailbox = filled('reject')
    expect(await within(1_000, mailbox.take())).toBe(1)
    expect(await within(1_000, mailbox.take())).toBe(2)
    const pending = mailbox.take()
    expect(mailbox.post(3)).toBe(true)
    expect(mailbox.length).toBe(0)
    expect(await within(1_000, pending)).toBe(3)
  })

  test('gets items that are falsy', async () => {
    const mailbox = new Mailbox<number | null | string>({ capacity: 3 })
    const seen: unknown[] = []
    for (const item of [0, null, '']) mailbox.post(item)
    mailbox.end()
    for await (const item of mailbox) seen.push(item)
    expect(seen).toEqual([0, null, ''])
  })

  test('gets what was accepted before the end, and then that it is over', async () => {
    const mailbox = filled('reject')
    mailbox.end()
    expect(mailbox.post(3)).toBe(false)
    expect(await within(1_000, mailbox.take())).toBe(1)
    expect(await within(1_000, mailbox.take())).toBe(2)
    expect(await within(1_000, mailbox.take())).toBeUndefined()
    expect(await within(1_000, mailbox.take())).toBeUndefined()
    expect(mailbox.tryTake()).toBeUndefined()
  })

  test('gets nothing that was posted after the end, though there was room', async () => {
    const mailbox = new Mailbox<number>({ capacity: 2 })
    mailbox.end()
    expect([mailbox.post(1), mailbox.length, mailbox.droppedCount]).toEqual([false, 0, 0])
    expect(await within(1_000, mailbox.take())).toBeUndefined()
  })

  test('gets the cause of the end as an error, after the items, and only the first cause', async () => {
    const mailbox = filled('reject')
    mailbox.end(new Error('lost'))
    mailbox.end(new Error('again'))
    const seen: number[] = []
    const reading = (async () => {
      for await (const item of mailbox) seen.push(item)
    })()
    await expect(within(1_000, reading)).rejects.toThrow('lost')
    expect(seen).toEqual([1, 2])
  })

  test.each([
    ['without a cause', undefined],
    ['with one', new Error('lost')],
  ])('that waits is told of the end, %s', async (_, cause) => {
    const mailbox = new Mailbox<number>({ capacity: 1 })
    const pending = mailbox.take()
    mailbox.end(cause)
    if (cause) await expect(within(1_000, pending)).rejects.toBe(cause)
    else expect(await within(1_000, pending)).toBeUndefined()
  })

  test('that stops waiting takes nothing with it, and may come back', async () => {
    const mailbox = new Mailbox<number>({ capacity: 1 })
    const controller = new AbortController()
    const reason = new Error('closing')
    const pending = mailbox.take({ signal: controller.signal })
    controller.abort(reason)
    await expect(within(1_000, pending)).rejects.toBe(reason)
    mailbox.post(1)
    await expect(within(1_000, mailbox.take({ signal: controller.signal }))).rejects.toBe(reason)
    expect(mailbox.length).toBe(1)
    expect(await within(1_000, mailbox.take())).toBe(1)
  })

  test('that was given an item keeps it when its signal aborts in the same turn', async () => {
    const mailbox = new Mailbox<number>({ capacity: 1 })
    const controller = new AbortController()
    const pending = mailbox.take({ signal: controller.signal })
    mailbox.post(1)
    controller.abort()
    expect(await within(1_000, pending)).toBe(1)
  })

  test('that has its item is not in the way of the next when the signal aborts late', async () => {
    const mailbox = new Mailbox<number>({ capacity: 1 })
    const controller = new AbortController()
    const first = mailbox.take({ signal: controller.signal })
    mailbox.post(1)
    const second = mailbox.take()
    controller.abort()
    mailbox.post(2)
    expect(await within(1_000, Promise.all([first, second]))).toEqual([1, 2])
  })

  test('leaves no listener on its signal', async () => {
    const mailbox = filled('reject')
    const { signal } = new AbortController()
    await within(1_000, mailbox.take({ signal }))
    await within(1_000, mailbox.take({ signal }))
    const pending = mailbox.take({ signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    mailbox.post(3)
    await within(1_000, pending)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('is alone: a second one is refused and does not disturb the first', async () => {
    const mailbox = new Mailbox<number>({ capacity: 1 })
    const first = mailbox.take()
    await expect(within(1_000, mailbox.take())).rejects.toMatchObject({ code: 'INVARIANT' })
    mailbox.post(1)
    expect(await within(1_000, first)).toBe(1)
  })

  test('that leaves the loop finds the rest when it returns', async () => {
    const mailbox = filled('reject')
    for await (const item of mailbox) {
      expect(item).toBe(1)
      break
    }
    mailbox.end()
    const rest: number[] = []
    for await (const item of mailbox) rest.push(item)
    expect(rest).toEqual([2])
  })
})
