import { expect, test } from '@jest/globals'
import { problemsOf, type BookParts } from '../../../apps/orderbook/book/problems.js'
import { BookSide, type RestingOrder } from '../../../apps/orderbook/book/side.js'

function order(arrival: number, rest: Partial<RestingOrder> = {}): RestingOrder {
  return {
    id: `ann/${arrival}`,
    side: 'buy',
    price: 10,
    quantity: 5,
    open: 5,
    arrival,
    before: undefined,
    after: undefined,
    ...rest,
  }
}

/** A book of these orders, put where they say in this order. */
function bookOf(...orders: readonly RestingOrder[]): BookParts {
  const [buys, sells] = [new BookSide('buy'), new BookSide('sell')]
  for (const each of orders) (each.side === 'buy' ? buys : sells).append(each)
  const open = orders.reduce((sum, each) => sum + each.open, 0)
  return {
    buys,
    sells,
    orders: new Map(orders.map((each) => [each.id, each])),
    totals: { placed: open, traded: 0, open, cancelled: 0 },
  }
}

test('a book as it must be has no problems', () => {
  const book = bookOf(
    order(1),
    order(2),
    order(3, { price: 9 }),
    order(4, { side: 'sell', price: 11, open: 2 }),
  )
  expect(problemsOf(book)).toEqual([])
})

test.each<[string, BookParts, string]>([
  [
    'orders that could trade',
    bookOf(order(1), order(2, { side: 'sell' })),
    'crossed: 10 is offered and 10 is asked',
  ],
  ['an order before an earlier one', bookOf(order(2), order(1)), 'ann/1 stands behind a later order'],
  ['an order with nothing open', bookOf(order(1, { open: 0 })), 'ann/1 has 0 of 5 open'],
  ['an order with more open than it was for', bookOf(order(1, { open: 6 })), 'ann/1 has 6 of 5 open'],
  ['an order twice', bookOf(order(1), order(2, { id: 'ann/1' })), 'ann/1 stands in the book twice'],
  [
    'an order that cannot be found',
    { ...bookOf(order(1)), orders: new Map() },
    'ann/1 cannot be found by its name',
  ],
  [
    'a name without an order',
    { ...bookOf(order(1)), orders: new Map([...bookOf(order(1)).orders, ['ann/2', order(2)]]) },
    '2 orders have names, and 1 have places',
  ],
  [
    'more open than is said',
    { ...bookOf(order(1)), totals: { placed: 4, traded: 0, open: 4, cancelled: 0 } },
    '4 are said to be open, and 5 are',
  ],
  [
    'quantity that has vanished',
    { ...bookOf(order(1)), totals: { placed: 9, traded: 2, open: 5, cancelled: 1 } },
    'of 9 ordered, 2 traded, 5 are open and 1 cancelled',
  ],
])('%s is a problem', (_, book, problem) => {
  expect(problemsOf(book)).toContain(problem)
})

test('an order on the wrong side or at the wrong price is a problem', () => {
  const book = bookOf(order(1))
  book.sells.append(order(2, { price: 20 }))
  expect(problemsOf(book)).toContain('ann/2 is to buy at 20, and stands at sell 20')
})

test('a level that counts wrong is a problem', () => {
  const book = bookOf(order(1), order(2))
  const level = book.buys.best!
  level.quantity++
  expect(problemsOf(book)).toContain('buy 10 says 11 in 2 orders, and has 10 in 2')
})
