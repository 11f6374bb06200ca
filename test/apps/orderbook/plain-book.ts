import {
  fillCountMax,
  orderIdOf,
  type Fill,
  type Outcome,
  type Request,
  type Side,
} from '../../../apps/orderbook/orders.js'

interface PlainOrder {
  readonly id: string
  readonly side: Side
  readonly price: number
  open: number
}

/** The same book without any thought of speed: a list in order of arrival, which is searched each time. */
export class PlainBook {
  readonly orders: PlainOrder[] = []
  #fillCount = 0

  apply(request: Request): Outcome {
    if (request.type === 'cancel') {
      const id = orderIdOf({ trader: request.trader, number: request.order })
      const place = this.orders.findIndex((order) => order.id === id)
      if (place < 0) return { status: 'rejected', reason: 'nothing-open' }
      const [{ open } = { open: 0 }] = this.orders.splice(place, 1)
      return { status: 'cancelled', quantity: open }
    }
    const { side, price, quantity } = request
    const taker = orderIdOf(request)
    const fills: Fill[] = []
    let open = quantity
    for (;;) {
      const maker = this.#bestFor(side, price)
      if (open === 0 || maker === undefined) break
      if (fills.length === fillCountMax) return { status: 'placed', fills, open: 0, cancelled: open }
      const traded = Math.min(open, maker.open)
      open -= traded
      maker.open -= traded
      if (maker.open === 0) this.orders.splice(this.orders.indexOf(maker), 1)
      fills.push({ number: ++this.#fillCount, price: maker.price, quantity: traded, maker: maker.id, taker })
    }
    if (open > 0) this.orders.push({ id: taker, side, price, open })
    return { status: 'placed', fills, open, cancelled: 0 }
  }

  depth(side: Side): { price: number; quantity: number; orders: number }[] {
    const prices = [...new Set(this.orders.filter((order) => order.side === side).map(({ price }) => price))]
    prices.sort((a, b) => (side === 'buy' ? b - a : a - b))
    return prices.map((price) => {
      const standing = this.orders.filter((order) => order.side === side && order.price === price)
      return { price, quantity: standing.reduce((sum, { open }) => sum + open, 0), orders: standing.length }
    })
  }

  /** Of those that trade with an order, the one with the best price, and of these the one that was there first. */
  #bestFor(side: Side, price: number): PlainOrder | undefined {
    let best: PlainOrder | undefined
    for (const order of this.orders) {
      if (order.side === side || (side === 'buy' ? order.price > price : order.price < price)) continue
      if (best === undefined || (side === 'buy' ? order.price < best.price : order.price > best.price))
        best = order
    }
    return best
  }
}
