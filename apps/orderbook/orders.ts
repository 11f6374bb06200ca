// What traders ask for, and what comes of it: what the streams carry and the book is changed by.
import { z } from 'zod'

/** Prices are whole ticks from 1 to this. */
export const priceMax = 2 ** 20 - 1
/** Quantities are whole units from 1 to this: nine billion orders of it still add up exactly. */
export const quantityMax = 1_000_000
/** How many trades one order makes at most. What is open then is cancelled, so that no outcome is without bound. */
export const fillCountMax = 100

const price = z.int().min(1).max(priceMax)
const quantity = z.int().min(1).max(quantityMax)
const count = z.int().min(0)
/** Counts what a trader asks for, from 1: with the trader's name it is the same request, however often it is submitted. */
const number = z.int().min(1)
const trader = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/)
/** `<trader>/<number>` of the request that placed the order. */
const orderId = z.string().max(48)

const limit = z.object({
  type: z.literal('limit'),
  trader,
  number,
  side: z.enum(['buy', 'sell']),
  /** The highest price to buy at, or the lowest to sell at. */
  price,
  quantity,
})

const cancel = z.object({
  type: z.literal('cancel'),
  trader,
  number,
  /** The number of the trader's request that placed the order. */
  order: number,
})

const fill = z.object({
  /** Counts the trades of the book from 1. */
  number,
  /** That of the order that was there first. */
  price,
  quantity,
  /** The order that was there first. */
  maker: orderId,
  /** The order that came and met it. */
  taker: orderId,
})

export const request = z.discriminatedUnion('type', [limit, cancel])

export const outcome = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('placed'),
    fills: z.array(fill).max(fillCountMax),
    /** What stays in the book. */
    open: count,
    /** What could neither trade nor stay: the order has made too many trades, or the book is full. */
    cancelled: count,
  }),
  /** The order is out of the book, with so much of it open. */
  z.object({ status: z.literal('cancelled'), quantity }),
  /** There was nothing to cancel: the number is used up nevertheless. */
  z.object({ status: z.literal('rejected'), reason: z.literal('nothing-open') }),
  /** Was carried out before, so long ago that what came of it is not remembered. */
  z.object({ status: z.literal('forgotten') }),
  /** Nothing was done: the request that the trader has to make first is that with number `next`, or there are too many traders. */
  z.object({
    status: z.literal('refused'),
    reason: z.enum(['out-of-turn', 'too-many-traders']),
    next: number,
  }),
])

export type LimitOrder = z.infer<typeof limit>
export type Cancel = z.infer<typeof cancel>
export type Request = z.infer<typeof request>
export type Side = LimitOrder['side']
export type Fill = z.infer<typeof fill>
export type Outcome = z.infer<typeof outcome>

/** How an order is called in fills. */
export function orderIdOf({ trader, number }: { readonly trader: string; readonly number: number }): string {
  return `${trader}/${number}`
}
