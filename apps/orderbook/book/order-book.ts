import { createHash } from 'node:crypto'
import { schemaCodec, type StateMachine } from 'mosaik'
import {
  fillCountMax,
  orderIdOf,
  outcome,
  request,
  type Cancel,
  type Fill,
  type LimitOrder,
  type Outcome,
  type Request,
} from '../orders.js'
import { Numbering } from './numbering.js'
import { problemsOf } from './problems.js'
import { answer, question, type Answer, type Audit, type Question, type Totals } from './questions.js'
import { BookSide, ordersOf, type Level, type RestingOrder } from './side.js'
import { piecesOf, recordOf, stateFrom, type BookState } from './snapshot.js'

/** How many orders the book holds. What does not fit is cancelled. */
const orderCountMax = 100_000

const codecs = {
  command: schemaCodec(request),
  result: schemaCodec(outcome),
  query: schemaCodec(question),
  answer: schemaCodec(answer),
}

/**
 * A limit order book with price-time priority, as a group replicates it: an order trades with the best prices of the other
 * side first, at each price with the oldest order first, always at the price of the order that was there; what is left
 * of it stays in the book.
 *
 * Each request of a trader is carried out once, in the order of the trader's numbers, however often and by whomever it is
 * submitted: see {@link Numbering}.
 */
export class OrderBook implements StateMachine<Request, Outcome, Question, Answer> {
  readonly signature = 'orderbook/1'
  readonly codecs = codecs
  readonly #buys = new BookSide('buy')
  readonly #sells = new BookSide('sell')
  readonly #orders = new Map<string, RestingOrder>()
  readonly #numbering = new Numbering()
  #totals: Totals = { placed: 0, traded: 0, open: 0, cancelled: 0 }
  #arrivals = 0
  #fills = 0

  apply(command: Request): Outcome {
    const answered = this.#numbering.answer(command.trader, command.number)
    if (answered !== undefined) return answered
    const result = command.type === 'limit' ? this.#place(command) : this.#cancel(command)
    this.#numbering.record(command.trader, result)
    return result
  }

  query(asked: Question): Answer {
    if (asked.type === 'audit') return { type: 'audit', ...this.audit() }
    return {
      type: 'depth',
      buys: depthOf(this.#buys, asked.levels),
      sells: depthOf(this.#sells, asked.levels),
    }
  }

  /** Checks the whole book. */
  audit(): Audit {
    const hash = createHash('sha256')
    for (const piece of this.snapshot()) hash.update(piece)
    return {
      digest: hash.digest('hex'),
      fills: this.#fills,
      openOrders: this.#orders.size,
      totals: { ...this.#totals },
      problems: this.problems(),
    }
  }

  /** The rules that the book breaks. */
  problems(): string[] {
    return problemsOf({ buys: this.#buys, sells: this.#sells, orders: this.#orders, totals: this.#totals })
  }

  snapshot(): Iterable<Uint8Array> {
    return piecesOf(this.#state())
  }

  async restore(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const { arrivals, fills, totals, traders, orders } = await stateFrom(pieces)
    this.#arrivals = arrivals
    this.#fills = fills
    this.#totals = totals
    for (const trader of traders) this.#numbering.restore(trader)
    for (const order of orders) this.#rest({ ...order, before: undefined, after: undefined })
    const [problem] = this.problems()
    if (problem !== undefined) throw new Error(`the book of a snapshot breaks a rule: ${problem}`)
  }

  #place({ trader, number, side, price, quantity }: LimitOrder): Outcome {
    const id = orderIdOf({ trader, number })
    const others = side === 'buy' ? this.#sells : this.#buys
    const meets = (level: Level): boolean => (side === 'buy' ? level.price <= price : level.price >= price)
    const fills: Fill[] = []
    let open = quantity
    let level = others.best
    while (open > 0 && level !== undefined && meets(level) && fills.length < fillCountMax) {
      const fill = this.#trade(others, level.first, id, open)
      fills.push(fill)
      open -= fill.quantity
      level = others.best
    }
    // An order that could still trade must not stand in the book.
    const mustLeave = level !== undefined && meets(level)
    const cancelled = mustLeave || this.#orders.size >= orderCountMax ? open : 0
    open -= cancelled
    const traded = quantity - open - cancelled
    this.#count({ placed: quantity, traded, open, cancelled })
    if (open > 0) {
      const arrival = ++this.#arrivals
      this.#rest({ id, side, price, quantity, open, arrival, before: undefined, after: undefined })
    }
    return { status: 'placed', fills, open, cancelled }
  }

  /** Trades as much as possible of `open` with an order of the book. */
  #trade(side: BookSide, maker: RestingOrder, taker: string, open: number): Fill {
    const quantity = Math.min(open, maker.open)
    if (quantity === maker.open) this.#leave(side, maker)
    else side.reduce(maker, quantity)
    this.#count({ traded: quantity, open: -quantity })
    return { number: ++this.#fills, price: maker.price, quantity, maker: maker.id, taker }
  }

  #cancel({ trader, order: number }: Cancel): Outcome {
    const order = this.#orders.get(orderIdOf({ trader, number }))
    if (order === undefined) return { status: 'rejected', reason: 'nothing-open' }
    const quantity = order.open
    this.#leave(order.side === 'buy' ? this.#buys : this.#sells, order)
    this.#count({ open: -quantity, cancelled: quantity })
    return { status: 'cancelled', quantity }
  }

  #rest(order: RestingOrder): void {
    this.#orders.set(order.id, order)
    if (order.side === 'buy') this.#buys.append(order)
    else this.#sells.append(order)
  }

  #leave(side: BookSide, order: RestingOrder): void {
    side.remove(order)
    this.#orders.delete(order.id)
  }

  #count({ placed = 0, traded = 0, open = 0, cancelled = 0 }: Partial<Totals>): void {
    this.#totals.placed += placed
    this.#totals.traded += traded
    this.#totals.open += open
    this.#totals.cancelled += cancelled
  }

  /** A copy, which does not change when the book does. */
  #state(): BookState {
    const orders = [this.#buys, this.#sells].flatMap((side) =>
      [...side.levels()].flatMap((level) => [...ordersOf(level)].map(recordOf)),
    )
    return {
      arrivals: this.#arrivals,
      fills: this.#fills,
      totals: { ...this.#totals },
      traders: this.#numbering.records(),
      orders,
    }
  }
}

function depthOf(side: BookSide, levelCount: number): { price: number; quantity: number; orders: number }[] {
  const levels: { price: number; quantity: number; orders: number }[] = []
  for (const { price, quantity, orderCount } of side.levels()) {
    levels.push({ price, quantity, orders: orderCount })
    if (levels.length === levelCount) break
  }
  return levels
}
