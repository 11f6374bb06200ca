import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Link } from '#framework/network'
import { nextTurn } from '#framework/primitives'
import { ByteBudget } from '../../../framework/groups/bond/byte-budget.js'
import { LaneSender } from '../../../framework/groups/bond/lane-sender.js'
import { eventually } from '../../support/eventually.js'

/** A link whose transport has room when it is told so. */
class SlowLink {
  readonly taken: number[] = []
  #room: PromiseWithResolvers<void> | undefined
  isFull = false

  sendFrame(frame: Uint8Array): undefined | Promise<void> {
    this.taken.push(frame.byteLength)
    if (!this.isFull) return undefined
    this.#room = Promise.withResolvers()
    return this.#room.promise
  }

  makeRoom(): void {
    this.#room?.resolve()
  }

  break(): void {
    this.#room?.reject(new Error('broken'))
  }

  asLink(): Link {
    return this as unknown as Link
  }
}

const frame = (byteLength: number): Uint8Array => new Uint8Array(byteLength)

describe('the sending end of a lane', () => {
  test('given a lane that was never used, then it is opened for the first message, and once', async () => {
    let opened = 0
    const link = new SlowLink()
    const open = async (): Promise<Link> => {
      opened++
      return link.asLink()
    }
    const sender = new LaneSender({ link: open, bytesMax: 1_000, onFailed: () => {} })
    expect(sender.link).toBeUndefined()
    expect([sender.send(frame(1)), sender.send(frame(2)), sender.send(frame(3))]).toEqual([
      'sent',
      'sent',
      'sent',
    ])
    await eventually(() => expect(link.taken).toEqual([1, 2, 3]))
    sender.send(frame(4))
    expect(link.taken).toEqual([1, 2, 3, 4])
    expect(opened).toBe(1)
    expect(sender.isIdle).toBe(true)
  })

  test('W-B8: given a network that takes nothing, then what is over the budget is refused, and what was accepted arrives in order', async () => {
    const link = new SlowLink()
    link.isFull = true
    const sender = new LaneSender({ link: link.asLink(), bytesMax: 1_000, onFailed: () => {} })
    const sent = Array.from({ length: 10 }, (_, n) => sender.send(frame(200 + n)))
    expect(sent.filter((result) => result === 'sent')).toHaveLength(3)
    expect(sent.slice(3)).toEqual(Array.from({ length: 7 }, () => 'busy'))
    expect(link.taken).toEqual([200])

    const room = sender.room(200)
    link.isFull = false
    link.makeRoom()
    await room
    await eventually(() => expect(link.taken).toEqual([200, 201, 202]))
    expect(sender.isIdle).toBe(true)
    expect(sender.send(frame(500))).toBe('sent')
  })

  test('given a message that is longer than the budget, then it is taken when nothing else waits', () => {
    const link = new SlowLink()
    link.isFull = true
    const sender = new LaneSender({ link: link.asLink(), bytesMax: 100, onFailed: () => {} })
    expect(sender.send(frame(5_000))).toBe('sent')
    expect(sender.send(frame(1))).toBe('busy')
  })

  test('given a message that is longer than half the budget, then whoever waits for room waits until it fits', async () => {
    const link = new SlowLink()
    link.isFull = true
    const sender = new LaneSender({ link: link.asLink(), bytesMax: 1_000, onFailed: () => {} })
    expect([300, 300, 800].map((bytes) => sender.send(frame(bytes)))).toEqual(['sent', 'sent', 'busy'])
    let hasRoom = false
    const room = sender.room(800).then(() => (hasRoom = true))
    link.makeRoom()
    await eventually(() => link.taken.length === 2)
    await nextTurn()
    expect(hasRoom).toBe(false)
    link.makeRoom()
    await room
    expect(sender.send(frame(800))).toBe('sent')
  })

  test('given a lane that breaks, then that is told once, who waits for room is let go, and nothing is sent any more', async () => {
    const link = new SlowLink()
    link.isFull = true
    const failures: unknown[] = []
    const sender = new LaneSender({
      link: link.asLink(),
      bytesMax: 300,
      onFailed: (cause) => failures.push(cause),
    })
    sender.send(frame(200))
    const room = sender.room(200)
    link.break()
    await room
    expect(failures).toHaveLength(1)
    expect(sender.send(frame(1))).toBe('closed')
  })

  test('given a signal, when it aborts, then the wait for room ends and nothing else', async () => {
    const link = new SlowLink()
    link.isFull = true
    const sender = new LaneSender({ link: link.asLink(), bytesMax: 300, onFailed: () => {} })
    sender.send(frame(200))
    const abort = new AbortController()
    const room = sender.room(200, abort.signal)
    abort.abort(new Error('enough'))
    await expect(room).rejects.toThrow('enough')
    await expect(sender.room(200, abort.signal)).rejects.toThrow('enough')
    link.makeRoom()
    await sender.room(200)
  })
})

test('a budget never holds more than it may, but for one message alone, and is empty when everything was given back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2_000 })), fc.array(fc.nat()), (sizes, order) => {
      const budget = new ByteBudget(1_000)
      const held: number[] = []
      for (const [index, size] of sizes.entries()) {
        if (budget.tryTake(size)) held.push(size)
        if (budget.used > 1_000 && held.length > 1) return false
        if (held.length > budget.messagesMax) return false
        const give = order[index]
        if (give !== undefined && give % 3 === 0 && held.length > 0) budget.giveBack(held.shift()!)
      }
      for (const size of held) budget.giveBack(size)
      return budget.used === 0
    }),
  )
})
