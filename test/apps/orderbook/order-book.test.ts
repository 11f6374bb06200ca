import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { outcomeCountMax, traderCountMax } from '../../../apps/orderbook/book/numbering.js'
import { OrderBook } from '../../../apps/orderbook/book/order-book.js'
import type { Question } from '../../../apps/orderbook/book/questions.js'
import { requestsOf } from '../../../apps/orderbook/feed.js'
import {
  fillCountMax,
  priceMax,
  quantityMax,
  type Outcome,
  type Request,
  type Side,
} from '../../../apps/orderbook/orders.js'
import { stateMachineCompliance } from '../../groups/machine/compliance.js'
import { PlainBook } from './plain-book.js'

const everything: Question = { type: 'depth', levels: 100 }

/** Numbers requests of one trader, and looks at the whole book after each. */
class Session {
  readonly book = new OrderBook()
  #number = 0

  limit(side: Side, price: number, quantity: number): Outcome {
    return this.#apply({ type: 'limit', trader: 'ann', number: ++this.#number, side, price, quantity })
  }

  cancel(order: number): Outcome {
    return this.#apply({ type: 'cancel', trader: 'ann', number: ++this.#number, order })
  }

  #apply(request: Request): Outcome {
    const outcome = this.book.apply(request)
    expect(this.book.problems()).toEqual([])
    return outcome
  }
}

describe('the order book as a machine of a group', () => {
  stateMachineCompliance(() => new OrderBook(), {
    commands: [...requestsOf('ann', 'compliance', 150), ...requestsOf('bob', 'compliance', 20)],
    queries: [everything, { type: 'audit' }],
  })
})

describe('matching', () => {
  test('given the four orders of the scenario, there is one fill at the resting price, and the rest stands in the book', () => {
    const { book, ...session } = sessionOf()
    session.limit('sell', 300_000, 10)
    session.limit('sell', 301_000, 5)
    session.limit('buy', 299_000, 8)
    expect(session.limit('buy', 300_500, 15)).toEqual({
      status: 'placed',
      fills: [{ number: 1, price: 300_000, quantity: 10, maker: 'ann/1', taker: 'ann/4' }],
      open: 5,
      cancelled: 0,
    })
    expect(book.query(everything)).toEqual({
      type: 'depth',
      sells: [{ price: 301_000, quantity: 5, orders: 1 }],
      buys: [
        { price: 300_500, quantity: 5, orders: 1 },
        { price: 299_000, quantity: 8, orders: 1 },
      ],
    })
  })

  test('given an order that crosses several levels, it trades at the price of each, the oldest order of a level first', () => {
    const session = sessionOf()
    session.limit('buy', 10, 1)
    session.limit('buy', 12, 2)
    session.limit('buy', 12, 3)
    session.limit('buy', 11, 4)
    expect(session.limit('sell', 11, 8)).toEqual({
      status: 'placed',
      fills: [
        { number: 1, price: 12, quantity: 2, maker: 'ann/2', taker: 'ann/5' },
        { number: 2, price: 12, quantity: 3, maker: 'ann/3', taker: 'ann/5' },
        { number: 3, price: 11, quantity: 3, maker: 'ann/4', taker: 'ann/5' },
      ],
      open: 0,
      cancelled: 0,
    })
  })

  test('given a cancelled order, it trades no more; given one that is gone or never was, nothing changes', () => {
    const session = sessionOf()
    session.limit('buy', 10, 1)
    session.limit('buy', 10, 2)
    session.limit('buy', 10, 3)
    expect(session.cancel(2)).toEqual({ status: 'cancelled', quantity: 2 })
    expect(session.cancel(2)).toEqual({ status: 'rejected', reason: 'nothing-open' })
    expect(session.cancel(77)).toEqual({ status: 'rejected', reason: 'nothing-open' })
    expect(session.limit('sell', 10, 9)).toMatchObject({
      fills: [{ maker: 'ann/1' }, { maker: 'ann/3' }],
      open: 5,
    })
  })

  test('given an order that could make more trades than one may, the rest of it is cancelled and the book is not crossed', () => {
    const session = sessionOf()
    for (let order = 0; order < fillCountMax + 5; order++) session.limit('sell', 100, 1)
    const outcome = session.limit('buy', 100, fillCountMax + 3)
    expect(outcome).toMatchObject({ open: 0, cancelled: 3 })
    expect(session.book.audit()).toMatchObject({
      fills: fillCountMax,
      openOrders: 5,
      totals: { traded: 2 * fillCountMax, open: 5, cancelled: 3 },
    })
  })

  test('given an order with exactly as many trades as one may make, what is left of it stays in the book', () => {
    const session = sessionOf()
    for (let order = 0; order < fillCountMax; order++) session.limit('sell', 100, 1)
    expect(session.limit('buy', 100, fillCountMax + 3)).toMatchObject({ open: 3, cancelled: 0 })
  })

  test('the lowest and the highest price trade as any other', () => {
    const session = sessionOf()
    session.limit('sell', priceMax, 1)
    session.limit('buy', 1, 1)
    expect(session.limit('buy', priceMax, 1)).toMatchObject({ fills: [{ price: priceMax }] })
    expect(session.limit('sell', 1, 1)).toMatchObject({ fills: [{ price: 1 }] })
  })

  test('requests beyond the bounds cannot be encoded', () => {
    const { command } = new OrderBook().codecs
    const order: Request = { type: 'limit', trader: 'ann', number: 1, side: 'buy', price: 1, quantity: 1 }
    for (const wrong of [
      { price: 0 },
      { price: 1.5 },
      { price: priceMax + 1 },
      { quantity: 0 },
      { quantity: quantityMax + 1 },
      { number: 0 },
      { trader: 'a/b' },
      { trader: 'a'.repeat(33) },
    ])
      expect(() => command.encode({ ...order, ...wrong })).toThrow()
    expect(command.encode(order)).toBeInstanceOf(Uint8Array)
  })
})

describe('numbers of requests', () => {
  const order = (number: number, trader = 'ann'): Request => ({
    type: 'limit',
    trader,
    number,
    side: number % 2 === 0 ? 'buy' : 'sell',
    price: 5,
    quantity: 1,
  })

  test('given a request that is submitted again, it has the outcome that it had, and the book is as it was', () => {
    const book = new OrderBook()
    book.apply(order(1))
    const outcome = book.apply(order(2))
    const { digest } = book.audit()
    expect(outcome).toMatchObject({ fills: [{ number: 1, maker: 'ann/1', taker: 'ann/2' }] })
    expect(book.apply(order(2))).toEqual(outcome)
    expect(book.audit().digest).toBe(digest)
  })

  test('given a request before its turn, it is refused without a trace, and carried out when its turn comes', () => {
    const book = new OrderBook()
    const { digest } = book.audit()
    expect(book.apply(order(2))).toEqual({ status: 'refused', reason: 'out-of-turn', next: 1 })
    expect(book.audit().digest).toBe(digest)
    book.apply(order(1))
    expect(book.apply(order(2))).toMatchObject({ status: 'placed' })
  })

  test('outcomes are remembered as far back as is said, and requests before that are still not carried out again', () => {
    const book = new OrderBook()
    const outcomes = Array.from({ length: outcomeCountMax + 2 }, (_, place) => book.apply(order(place + 1)))
    const { digest } = book.audit()
    expect(book.apply(order(2))).toEqual({ status: 'forgotten' })
    expect(book.apply(order(3))).toEqual(outcomes[2])
    expect(book.apply(order(outcomeCountMax + 2))).toEqual(outcomes.at(-1))
    expect(book.audit().digest).toBe(digest)
  })

  test('given as many traders as there may be, one more is refused, and the others go on', () => {
    const book = new OrderBook()
    for (let trader = 0; trader < traderCountMax; trader++) book.apply(order(1, `trader-${trader}`))
    expect(book.apply(order(1, 'late'))).toEqual({ status: 'refused', reason: 'too-many-traders', next: 1 })
    expect(book.apply(order(2, 'trader-0'))).toMatchObject({ status: 'placed' })
  })
})

describe('snapshots', () => {
  test('a snapshot of a large book is in pieces that a group can carry, and brings all of it', async () => {
    const book = new OrderBook()
    for (let trader = 0; trader < 3; trader++)
      for (const request of requestsOf(`trader-${trader}`, 'large', 3_000)) book.apply(request)
    const pieces = [...book.snapshot()]
    expect(Math.max(...pieces.map(({ byteLength }) => byteLength))).toBeLessThanOrEqual(2 ** 20)
    const restored = new OrderBook()
    await restored.restore(streamOf(pieces))
    expect(restored.audit()).toEqual(book.audit())
    // Whether the requests before were carried out is remembered too.
    const [first] = requestsOf('trader-0', 'large', 1)
    expect(restored.apply(first!)).toEqual({ status: 'forgotten' })
    expect(restored.audit()).toEqual(book.audit())
  })

  test('a snapshot that ends early, or goes on, is refused', async () => {
    const book = new OrderBook()
    for (const request of requestsOf('ann', 'torn', 50)) book.apply(request)
    const pieces = [...book.snapshot()]
    const bytes = Buffer.concat(pieces)
    const broken = [
      [],
      pieces.slice(0, -1),
      [bytes.subarray(0, -1)],
      [bytes, Uint8Array.of(0)],
      [...pieces, pieces.at(-1)!],
    ]
    for (const wrong of broken) await expect(new OrderBook().restore(streamOf(wrong))).rejects.toThrow()
  })

  test('a snapshot of a book that breaks a rule is refused', async () => {
    const crossed = new OrderBook()
    crossed.apply({ type: 'limit', trader: 'ann', number: 1, side: 'buy', price: 9, quantity: 1 })
    crossed.apply({ type: 'limit', trader: 'ann', number: 2, side: 'sell', price: 10, quantity: 1 })
    // The price of the buy is one byte of the snapshot: nine, then made eleven.
    const bytes = Buffer.concat([...crossed.snapshot()])
    const at = bytes.lastIndexOf(Buffer.from('a57072696365', 'hex'), bytes.lastIndexOf('sell')) + 6
    expect(bytes[at]).toBe(9)
    bytes[at] = 11
    await expect(new OrderBook().restore(streamOf([bytes]))).rejects.toThrow('crossed')
  })
})

describe('property: the book does what a plain list does', () => {
  const limit = fc.record({
    type: fc.constant('limit' as const),
    side: fc.constantFrom<Side>('buy', 'sell'),
    // Few prices, so that there are many trades and many orders of one price; the limits, too.
    price: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 95, max: 105 }) },
      { weight: 1, arbitrary: fc.constantFrom(1, 31, 32, 1024, priceMax) },
    ),
    quantity: fc.integer({ min: 1, max: 12 }),
  })
  const cancel = fc.record({ type: fc.constant('cancel' as const), order: fc.integer({ min: 1, max: 60 }) })
  const asked = fc.oneof({ weight: 4, arbitrary: limit }, { weight: 1, arbitrary: cancel })

  test('the same outcomes, the same levels, and no broken rule after any request', () => {
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 120 }), (all) => {
        const book = new OrderBook()
        const plain = new PlainBook()
        all.forEach((one, place) => {
          const request: Request = { ...one, trader: 'ann', number: place + 1 }
          expect(book.apply(request)).toEqual(plain.apply(request))
          expect(book.problems()).toEqual([])
        })
        expect(book.query(everything)).toEqual({
          type: 'depth',
          buys: plain.depth('buy'),
          sells: plain.depth('sell'),
        })
      }),
      { numRuns: 150 },
    )
  })

  test('however requests are repeated and put before their turn, the book is that of each once in order', () => {
    fc.assert(
      fc.property(
        fc.array(asked, { minLength: 1, maxLength: 40 }),
        fc.array(fc.nat({ max: 39 }), { maxLength: 150 }),
        (all, submissions) => {
          const requests = all.map((one, place): Request => ({ ...one, trader: 'ann', number: place + 1 }))
          const book = new OrderBook()
          for (const place of submissions) if (requests[place] !== undefined) book.apply(requests[place])
          for (const request of requests) book.apply(request)
          const once = new OrderBook()
          for (const request of requests) once.apply(request)
          expect(book.audit()).toEqual(once.audit())
        },
      ),
      { numRuns: 100 },
    )
  })
})

function sessionOf(): { book: OrderBook; limit: Session['limit']; cancel: Session['cancel'] } {
  const session = new Session()
  return {
    book: session.book,
    limit: (...args) => session.limit(...args),
    cancel: (...args) => session.cancel(...args),
  }
}

async function* streamOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield piece
}
