import { schemaCodec } from 'mosaik'
import { z } from 'zod'
import { outcome, type Outcome } from '../orders.js'
import type { TraderRecord } from './numbering.js'
import { totals } from './questions.js'
import type { RestingOrder } from './side.js'

const count = z.int().min(0)

const restingOrder = z.object({
  id: z.string(),
  side: z.enum(['buy', 'sell']),
  price: count,
  quantity: count,
  open: count,
  arrival: count,
})
type RestingRecord = z.infer<typeof restingOrder>

const head = z.object({
  type: z.literal('head'),
  version: z.literal(1),
  arrivals: count,
  fills: count,
  totals,
  traders: count,
  orders: count,
})

/** A snapshot is a head, its traders, each followed by its outcomes, then its orders. */
const part = z.discriminatedUnion('type', [
  head,
  z.object({ type: z.literal('trader'), trader: z.string(), count }),
  z.object({ type: z.literal('outcomes'), outcomes: z.array(outcome) }),
  z.object({ type: z.literal('orders'), orders: z.array(restingOrder) }),
])
type Part = z.infer<typeof part>

const codec = schemaCodec(part)
const lengthBytes = 4
/** Outcomes hold up to a hundred fills of at most 200 bytes, so that a part is well below the 1 MiB that a piece may have. */
const outcomesPerPart = 16
const ordersPerPart = 2048
const partBytesMax = 1024 * 1024

/** Everything that a book consists of. */
export interface BookState {
  /** How many orders have come into the book. */
  readonly arrivals: number
  readonly fills: number
  readonly totals: z.infer<typeof totals>
  readonly traders: readonly TraderRecord[]
  /** Best price first, oldest first, buys before sells. */
  readonly orders: readonly RestingRecord[]
}

/** What of an order a snapshot keeps: a copy, because the order goes on trading. */
export function recordOf({ id, side, price, quantity, open, arrival }: RestingOrder): RestingRecord {
  return { id, side, price, quantity, open, arrival }
}

/** One piece a part, behind its length (big-endian). The state must not change while they are taken. */
export function* piecesOf(state: BookState): Iterable<Uint8Array> {
  for (const each of partsOf(state)) {
    const bytes = codec.encode(each)
    const piece = Buffer.allocUnsafe(lengthBytes + bytes.byteLength)
    piece.writeUInt32BE(bytes.byteLength)
    piece.set(bytes, lengthBytes)
    yield piece
  }
}

function* partsOf({ traders, orders, ...rest }: BookState): Iterable<Part> {
  yield { type: 'head', version: 1, ...rest, traders: traders.length, orders: orders.length }
  for (const { trader, count: requests, outcomes } of traders) {
    yield { type: 'trader', trader, count: requests }
    for (let first = 0; first < outcomes.length; first += outcomesPerPart)
      yield { type: 'outcomes', outcomes: outcomes.slice(first, first + outcomesPerPart) }
  }
  for (let first = 0; first < orders.length; first += ordersPerPart)
    yield { type: 'orders', orders: orders.slice(first, first + ordersPerPart) }
}

/**
 * Puts a state together again from its bytes, however they are cut.
 *
 * @throws What is wrong with them.
 */
export async function stateFrom(pieces: AsyncIterable<Uint8Array>): Promise<BookState> {
  let begin: z.infer<typeof head> | undefined
  const traders: { readonly trader: string; readonly count: number; readonly outcomes: Outcome[] }[] = []
  const orders: RestingRecord[] = []
  for await (const each of partsIn(pieces)) {
    if ((begin === undefined) !== (each.type === 'head')) throw new Error('a snapshot begins with its head')
    if (each.type === 'head') begin = each
    else if (each.type === 'trader') traders.push({ trader: each.trader, count: each.count, outcomes: [] })
    else if (each.type === 'orders') orders.push(...each.orders)
    else traders.at(-1)?.outcomes.push(...each.outcomes)
  }
  if (begin === undefined || begin.traders !== traders.length || begin.orders !== orders.length)
    throw new Error('a snapshot ends early')
  return { arrivals: begin.arrivals, fills: begin.fills, totals: begin.totals, traders, orders }
}

async function* partsIn(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Part> {
  let buffered: Buffer = Buffer.alloc(0)
  for await (const piece of pieces) {
    buffered = Buffer.concat([buffered, piece])
    while (buffered.byteLength >= lengthBytes) {
      const length = buffered.readUInt32BE()
      if (length > partBytesMax) throw new Error(`a part of a snapshot has ${length} bytes`)
      const end = lengthBytes + length
      if (buffered.byteLength < end) break
      yield codec.decode(buffered.subarray(lengthBytes, end))
      buffered = buffered.subarray(end)
    }
  }
  if (buffered.byteLength > 0) throw new Error('a snapshot ends within a part')
}
