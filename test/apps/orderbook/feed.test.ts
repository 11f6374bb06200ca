import { expect, test } from '@jest/globals'
import { OrderBook } from '../../../apps/orderbook/book/order-book.js'
import { requestsOf } from '../../../apps/orderbook/feed.js'
import { request } from '../../../apps/orderbook/orders.js'

test('a trader asks for the same in the same order for the same seed, and for something else for another', () => {
  const some = [...requestsOf('trader-0', '7', 50)]
  expect([...requestsOf('trader-0', '7', 50)]).toEqual(some)
  // How many there are to be changes nothing about the first.
  expect([...requestsOf('trader-0', '7', 20)]).toEqual(some.slice(0, 20))
  expect([...requestsOf('trader-0', '8', 50)]).not.toEqual(some)
  const other = [...requestsOf('trader-1', '7', 50)]
  expect(other.map((each) => ({ ...each, trader: 'trader-0' }))).not.toEqual(some)
})

test('what traders ask for is numbered from 1, within the bounds, and makes a market', () => {
  const requests = [...requestsOf('trader-0', '1', 2_000)]
  expect(requests.map(({ number }) => number)).toEqual(requests.map((_, place) => place + 1))
  for (const each of requests) expect(request.parse(each)).toEqual(each)
  const book = new OrderBook()
  const statuses = new Set(requests.map((each) => book.apply(each).status))
  expect(statuses).toEqual(new Set(['placed', 'cancelled', 'rejected']))
  expect(book.problems()).toEqual([])
  expect(book.audit().fills).toBeGreaterThan(500)
})
