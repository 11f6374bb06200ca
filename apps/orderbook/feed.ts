import { seededRandom, type Random } from 'mosaik'
import type { Request } from './orders.js'

/** What a trader does in how many of a hundred cases; otherwise it places an order. */
const cancelPercent = 20
/** How far from the reference price an order may be, in ticks. */
const spreadTicks = 12
const startPrice = 10_000

/**
 * The requests of one trader: a market that wanders, orders around it on either side, and some of them cancelled. The
 * same ones, in the same order, for the same seed and name.
 *
 * @param count How many.
 */
export function* requestsOf(trader: string, seed: string, count: number): Iterable<Request> {
  const random = seededRandom(`${seed}/${trader}`)
  let reference = startPrice
  const placed: number[] = []
  for (let number = 1; number <= count; number++) {
    if (placed.length > 0 && random.int(100) < cancelPercent) {
      // Cancelling what has traded already is rejected: that happens to traders.
      yield { type: 'cancel', trader, number, order: takeOne(placed, random) }
      continue
    }
    reference = Math.max(startPrice / 2, reference + random.int(5) - 2)
    placed.push(number)
    yield {
      type: 'limit',
      trader,
      number,
      side: random.int(2) === 0 ? 'buy' : 'sell',
      price: reference + random.int(2 * spreadTicks + 1) - spreadTicks,
      quantity: 1 + random.int(50),
    }
  }
}

/** One of the last few, which nobody takes again. */
function takeOne(placed: number[], random: Random): number {
  const among = Math.min(placed.length, 20)
  return placed.splice(placed.length - among + random.int(among), 1)[0]!
}
