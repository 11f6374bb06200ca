// What can be asked of a book without changing it.
import { z } from 'zod'

const count = z.int().min(0)

export const question = z.discriminatedUnion('type', [
  /** The best prices of either side. */
  z.object({ type: z.literal('depth'), levels: z.int().min(1).max(100) }),
  /** Whether the book is as it must be, and which one it is. */
  z.object({ type: z.literal('audit') }),
])

const level = z.object({ price: count, quantity: count, orders: count })

export const totals = z.object({
  /** What all orders were for. It is what has traded, what is open and what was cancelled. */
  placed: count,
  /** Both sides of every trade counted. */
  traded: count,
  open: count,
  cancelled: count,
})

export const audit = z.object({
  /** SHA-256 of everything the book consists of: two books with the same one will do the same from now on. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  fills: count,
  openOrders: count,
  totals,
  /** Rules that the book breaks. Any at all is a bug. */
  problems: z.array(z.string()),
})

export const answer = z.discriminatedUnion('type', [
  z.object({ type: z.literal('depth'), buys: z.array(level), sells: z.array(level) }),
  audit.extend({ type: z.literal('audit') }),
])

export type Question = z.infer<typeof question>
export type Answer = z.infer<typeof answer>
export type Totals = z.infer<typeof totals>
export type Audit = z.infer<typeof audit>
