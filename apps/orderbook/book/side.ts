import type { Side } from '../orders.js'
import { priceLimit, PriceSet } from './price-set.js'

/** An order that waits in the book. Only what is open of it changes; the rest of its fields say where it stands. */
export interface RestingOrder {
  readonly id: string
  readonly side: Side
  readonly price: number
  /** What was ordered. */
  readonly quantity: number
  /** What has not traded yet. At least 1. */
  open: number
  /** Counts the orders that came into the book: the order of time within a level. */
  readonly arrival: number
  /** The neighbours in its level. */
  before: RestingOrder | undefined
  after: RestingOrder | undefined
}

/** The orders of one price, the oldest first: a linked list, because orders are cancelled from the middle. */
export interface Level {
  readonly price: number
  first: RestingOrder
  last: RestingOrder
  /** What is open of all of them. */
  quantity: number
  orderCount: number
}

/** One side of the book. Whatever it does takes the same time, however many orders and prices there are. */
export class BookSide {
  readonly #isBuy: boolean
  readonly #levels = new Map<number, Level>()
  readonly #prices = new PriceSet()

  constructor(side: Side) {
    this.#isBuy = side === 'buy'
  }

  /** The level that trades first. */
  get best(): Level | undefined {
    return this.#levelFrom(this.#isBuy ? priceLimit - 1 : 0)
  }

  /** The best first. */
  *levels(): Iterable<Level> {
    for (let level = this.best; level !== undefined; level = this.#levelFrom(this.#worseThan(level.price)))
      yield level
  }

  /** Puts an order behind those of its price. */
  append(order: RestingOrder): void {
    const level = this.#levels.get(order.price)
    if (level === undefined) {
      const { price, open } = order
      this.#levels.set(price, { price, first: order, last: order, quantity: open, orderCount: 1 })
      this.#prices.add(price)
      return
    }
    order.before = level.last
    level.last.after = order
    level.last = order
    level.quantity += order.open
    level.orderCount++
  }

  /** Takes `quantity` off what is open of an order. */
  reduce(order: RestingOrder, quantity: number): void {
    order.open -= quantity
    this.#levels.get(order.price)!.quantity -= quantity
  }

  /** Takes an order out, with whatever is open of it. */
  remove(order: RestingOrder): void {
    const level = this.#levels.get(order.price)!
    level.quantity -= order.open
    level.orderCount--
    const { before, after } = order
    if (before !== undefined) before.after = after
    else if (after !== undefined) level.first = after
    if (after !== undefined) after.before = before
    else if (before !== undefined) level.last = before
    if (level.orderCount > 0) return
    this.#levels.delete(order.price)
    this.#prices.delete(order.price)
  }

  /** The first level at the price or behind it. */
  #levelFrom(price: number): Level | undefined {
    if (price < 0 || price >= priceLimit) return undefined
    const found = this.#isBuy ? this.#prices.atMost(price) : this.#prices.atLeast(price)
    return found === undefined ? undefined : this.#levels.get(found)
  }

  #worseThan(price: number): number {
    return this.#isBuy ? price - 1 : price + 1
  }
}

/** The orders of a level, the oldest first. */
export function* ordersOf(level: Level): Iterable<RestingOrder> {
  for (let order: RestingOrder | undefined = level.first; order !== undefined; order = order.after)
    yield order
}
