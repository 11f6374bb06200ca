// What compiles and what must not, of the types of streams. Nothing here runs. Each `@ts-expect-error` fails the type
// check when the mistake below it goes unnoticed.
import { z } from 'zod'
import {
  nearest,
  stream,
  type Consumer,
  type ConsumerEvent,
  type ConsumerOptions,
  type Criteria,
  type Envelope,
  type Producer,
  type ProducerOptions,
  type Streams,
  type TicketValidator,
} from 'mosaik'

/** Compiles when both are the very same type. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : ['not the same', A, B]
declare function same<A, B>(isSame: Same<A, B>): void

declare const streams: Streams
declare const validator: TicketValidator

const Trades = stream(
  'trades',
  z.object({
    symbol: z.string(),
    side: z.enum(['buy', 'sell']),
    price: z.number(),
    size: z.bigint(),
    at: z.date(),
    note: z.string().optional(),
    tags: z.array(z.string()),
    account: z.object({ id: z.int(), country: z.string() }),
    attempts: z.number().default(1),
  }),
)

interface Trade {
  symbol: string
  side: 'buy' | 'sell'
  price: number
  size: bigint
  at: Date
  note?: string | undefined
  tags: string[]
  account: { id: number; country: string }
  attempts: number
}

declare const trade: Trade

export function producersAndConsumersCarryWhatTheSchemaPutsOut(): void {
  const producer = streams.produce(Trades)
  const consumer = streams.consume(Trades)
  same<typeof producer, Producer<z.output<(typeof Trades)['schema']>>>(true)
  same<typeof consumer, Consumer<z.output<(typeof Trades)['schema']>>>(true)
  const sent: Producer<Trade> = producer
  const taken: Consumer<Trade> = consumer
  void [sent, taken]
}

export async function aDatumHasToFit(producer: Producer<Trade>): Promise<void> {
  await producer.send(trade)
  producer.trySend({ ...trade, note: 'fine' })
  // @ts-expect-error a price is a number
  await producer.send({ ...trade, price: '12' })
  // @ts-expect-error a side is one of two
  producer.trySend({ ...trade, side: 'hold' })
  // @ts-expect-error the symbol is missing
  await producer.send({ ...trade, symbol: undefined })
  // @ts-expect-error nothing like a trade
  producer.trySend(42)
  // @ts-expect-error there is no such field
  producer.trySend({ ...trade, venue: 'XETRA' })
}

export async function whatIsTakenHasItsType(consumer: Consumer<Trade>): Promise<void> {
  const datum = await consumer.recv()
  same<typeof datum, Trade | undefined>(true)
  same<ReturnType<typeof consumer.tryRecv>, Trade | undefined>(true)
  for await (const one of consumer) same<typeof one, Trade>(true)
  for await (const many of consumer.batches()) same<typeof many, readonly Trade[]>(true)
  for await (const envelope of consumer.envelopes()) {
    same<typeof envelope, Envelope<Trade>>(true)
    consumer.ack(envelope)
  }
  // @ts-expect-error datums have no receipt of their own: acknowledge the envelope
  consumer.ack(trade)
  // @ts-expect-error a trade has no such field
  void (await consumer.recv())?.venue
}

export function eventsAreToldApartByTheirType(event: ConsumerEvent): number {
  switch (event.type) {
    case 'gap':
      return event.count
    case 'lagged':
      return event.missed
    case 'failover':
      return event.to === undefined ? 0 : 1
    case 'subscribed':
      return event.resumed ? event.sequence : 0
    case 'unsubscribed':
      return event.reason.code
    case 'epoch':
      // @ts-expect-error a new life has no number of losses: it is not known
      return event.count
  }
}

export function criteriaNameFieldsOfTheDatum(): void {
  const fitting: readonly Criteria<Trade>[] = [
    { symbol: 'BTC' },
    { side: { $in: ['buy', 'sell'] }, price: { $gte: 100, $lt: 200 } },
    { account: { country: 'DE' }, at: { $gt: new Date(0) }, size: { $lte: 10n } },
    { note: { $exists: true }, symbol: { $prefix: 'BT' } },
    { $or: [{ side: 'buy' }, { tags: { $some: { $prefix: 'vip.' } } }], $not: { symbol: 'ETH' } },
  ]
  streams.consume(Trades, { criteria: { account: { id: { $in: [1, 2] } } } })
  // @ts-expect-error there is no such field
  streams.consume(Trades, { criteria: { venue: 'XETRA' } })
  // @ts-expect-error a price is a number
  streams.consume(Trades, { criteria: { price: '12' } })
  // @ts-expect-error a side is one of two
  streams.consume(Trades, { criteria: { side: { $in: ['hold'] } } })
  // @ts-expect-error there is no such operator
  streams.consume(Trades, { criteria: { symbol: { $regex: '^B' } } })
  // @ts-expect-error only text has a prefix
  streams.consume(Trades, { criteria: { price: { $prefix: '1' } } })
  // @ts-expect-error nor is there such a field further in
  streams.consume(Trades, { criteria: { account: { city: 'Berlin' } } })
  void fitting
}

export function optionsHaveToFit(): void {
  const producing: ProducerOptions<Trade> = {
    overflow: 'drop-oldest',
    queue: 16,
    queueBytes: 65_536,
    stallTimeoutMs: Infinity,
    maxConsumers: 4,
    onlineWhen: { min: 2, tags: ['trusted'] },
    require: [({ tags }) => tags.includes('trusted'), ({ rttMs }) => rttMs === undefined || rttMs < 5],
    requireTicket: [validator],
    maxRttMs: 20,
    egress: { bytesPerSecond: 1e6, datumsPerSecond: 1e4 },
    replay: { last: 100, for: 60_000, bytes: 1e6 },
    ack: { holdMs: 1_000 },
    undelivered: ({ symbol }, cause) => void [symbol, cause === 'no-consumer'],
  }
  const consuming: ConsumerOptions<Trade> = {
    windowBytes: 65_536,
    require: ({ labels }) => labels['region'] === 'eu',
    requireTicket: validator,
    maxRttMs: 20,
    prefer: nearest(2),
    local: false,
    criteria: { side: 'buy' },
    start: 'newest',
    ack: 'manual',
    name: 'audit',
    onlineWhen: 1,
    backoff: () => ({ next: () => undefined, reset: () => {} }),
  }
  streams.produce(Trades, producing)
  streams.consume(Trades, consuming)
  // @ts-expect-error there is no such policy
  streams.produce(Trades, { overflow: 'drop' })
  // @ts-expect-error what a consumer is asked for is not asked of a producer
  streams.produce(Trades, { criteria: { side: 'buy' } })
  // @ts-expect-error how datums wait is the producer's business
  streams.consume(Trades, { queue: 16 })
  // @ts-expect-error a preference says more than a number
  streams.consume(Trades, { prefer: 2 })
  // @ts-expect-error there are two ways to begin
  streams.consume(Trades, { start: 'middle' })
  // @ts-expect-error what is not delivered is a trade
  streams.produce(Trades, { undelivered: (text: string) => void text })
}
