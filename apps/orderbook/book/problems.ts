import type { Totals } from './questions.js'
import { ordersOf, type BookSide, type RestingOrder } from './side.js'

/** A book as the rules look at it. */
export interface BookParts {
  readonly buys: BookSide
  readonly sells: BookSide
  readonly orders: ReadonlyMap<string, RestingOrder>
  readonly totals: Totals
}

/** More say nothing more. */
const problemCountMax = 16

/** The rules of a book that this one breaks; none, unless there is a bug. Looks at every order. */
export function problemsOf(book: BookParts): string[] {
  const problems = [
    ...crossed(book),
    ...sideProblems('buy', book.buys),
    ...sideProblems('sell', book.sells),
    ...placeProblems(book),
    ...totalsProblems(book),
  ]
  return problems.slice(0, problemCountMax)
}

/** Orders that could trade with each other have done so. */
function* crossed({ buys, sells }: BookParts): Iterable<string> {
  const [buy, sell] = [buys.best?.price, sells.best?.price]
  if (buy !== undefined && sell !== undefined && buy >= sell)
    yield `crossed: ${buy} is offered and ${sell} is asked`
}

function* sideProblems(side: 'buy' | 'sell', levels: BookSide): Iterable<string> {
  let better: number | undefined
  for (const level of levels.levels()) {
    const { price } = level
    if (better !== undefined && (side === 'buy' ? price >= better : price <= better))
      yield `${side} ${price} comes after ${better}`
    better = price
    let quantity = 0
    let orderCount = 0
    let earlier = -1
    for (const order of ordersOf(level)) {
      if (order.side !== side || order.price !== price)
        yield `${order.id} is to ${order.side} at ${order.price}, and stands at ${side} ${price}`
      if (order.open < 1 || order.open > order.quantity)
        yield `${order.id} has ${order.open} of ${order.quantity} open`
      if (order.arrival <= earlier) yield `${order.id} stands behind a later order`
      earlier = order.arrival
      quantity += order.open
      orderCount++
    }
    if (quantity !== level.quantity || orderCount !== level.orderCount)
      yield `${side} ${price} says ${level.quantity} in ${level.orderCount} orders, and has ${quantity} in ${orderCount}`
  }
}

/** Each order has one place, and can be found by its name. */
function* placeProblems({ buys, sells, orders }: BookParts): Iterable<string> {
  const seen = new Set<string>()
  for (const side of [buys, sells]) {
    for (const level of side.levels()) {
      for (const order of ordersOf(level)) {
        if (seen.has(order.id)) yield `${order.id} stands in the book twice`
        seen.add(order.id)
        if (orders.get(order.id) !== order) yield `${order.id} cannot be found by its name`
      }
    }
  }
  if (seen.size !== orders.size) yield `${orders.size} orders have names, and ${seen.size} have places`
}

/** Whatever was ordered has traded, is open, or was cancelled. */
function* totalsProblems({ orders, totals }: BookParts): Iterable<string> {
  let open = 0
  for (const order of orders.values()) open += order.open
  if (open !== totals.open) yield `${totals.open} are said to be open, and ${open} are`
  const { placed, traded, cancelled } = totals
  if (placed !== traded + totals.open + cancelled)
    yield `of ${placed} ordered, ${traded} traded, ${totals.open} are open and ${cancelled} cancelled`
}
