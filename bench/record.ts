// What the benchmarks of streams carry: a trade, made as long as is wanted.
import { stream } from '#framework/streams'
import { z } from 'zod'

/** Long text and long bytes are different work for a codec; what is longer than a message usually is, is bytes. */
const textBytesMax = 512

const tradeSchema = z.object({
  sequence: z.int().min(0),
  symbol: z.string().max(16),
  side: z.enum(['buy', 'sell']),
  price: z.number().positive(),
  quantity: z.int().min(1).max(1_000_000),
  at: z.int(),
  client: z.string().max(32),
  note: z.string(),
  payload: z.instanceof(Uint8Array).optional(),
})
export type Trade = z.infer<typeof tradeSchema>

export const Trades = stream('bench.trades', tradeSchema)

/** Trades that differ in their numbers, each a new object, as those of an application are. */
export type TradeMaker = (sequence: number) => Trade

const makers = new Map<number, TradeMaker>()

/** @param size Of the encoded trade in bytes, with a sequence number in the middle of what a benchmark sends. */
export function tradesOf(size: number): TradeMaker {
  // Finding the filler leaves many buffers behind, of which the garbage collector is not to remind each measurement.
  const maker = makers.get(size) ?? newMaker(size)
  makers.set(size, maker)
  return maker
}

function newMaker(size: number): TradeMaker {
  let fillerBytes = size
  while (encodedTrade(trade(100_000, fillerOf(size, fillerBytes))).byteLength > size) fillerBytes--
  const filler = fillerOf(size, fillerBytes)
  return (sequence) => trade(sequence, filler)
}

/** In bytes of its own. */
export function encodedTrade(trade: Trade): Uint8Array {
  for (let room = 256; ; room *= 2) {
    const target = Buffer.allocUnsafe(room)
    const end = Trades.codec.encode(trade, target, 0)
    if (end >= 0) return target.subarray(0, end)
  }
}

type Filler = Pick<Trade, 'note' | 'payload'>

function fillerOf(size: number, byteCount: number): Filler {
  if (size <= textBytesMax) return { note: 'x'.repeat(byteCount) }
  return { note: 'partial fill', payload: new Uint8Array(byteCount).fill(7) }
}

function trade(sequence: number, filler: Filler): Trade {
  const trade = {
    sequence,
    symbol: 'MSK-EUR',
    side: sequence % 2 === 0 ? ('buy' as const) : ('sell' as const),
    price: 101.25 + (sequence % 100) / 8,
    quantity: 1 + (sequence % 500),
    at: 1_800_000_000_000 + sequence,
    client: 'C-20481-77',
    note: filler.note,
  }
  // A member that is undefined is not the same as one that is not there, to some codecs.
  return filler.payload === undefined ? trade : { ...trade, payload: filler.payload }
}
