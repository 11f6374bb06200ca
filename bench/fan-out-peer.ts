// One of the processes of the fan-out benchmark.
import type { Producer } from '#framework/streams'
import { answerCalls } from './calls.ts'
import { mosaikNode } from './mosaik-node.ts'
import { type Trade, Trades, tradesOf } from './record.ts'
import { type Order, sendFor, type Sent } from './stream-peer.ts'

let producer: Producer<Trade> | undefined

const peer = {
  /** Becomes the producer, and says where it is reached. */
  async produce(): Promise<readonly string[]> {
    const { host, streams } = await mosaikNode('quic')
    producer = streams.produce(Trades)
    return host.addresses.value
  },

  /** Becomes a consumer, which takes everything. */
  async consume(addresses: readonly string[]): Promise<void> {
    const { streams } = await mosaikNode('quic', addresses)
    const consumer = streams.consume(Trades)
    void (async () => {
      for await (const batch of consumer.batches()) void batch
    })()
    await consumer.when().subscribed()
  },

  async send(order: Order): Promise<Sent> {
    if (producer === undefined) throw new Error('not a producer')
    const to = producer
    const tradeOf = tradesOf(order.size)
    const sendMany = async (first: number, count: number): Promise<void> => {
      for (let sequence = first; sequence < first + count; sequence++) await to.send(tradeOf(sequence))
    }
    return sendFor(order, sendMany, () => to.drain())
  },
}

export type FanOutPeer = typeof peer

answerCalls<FanOutPeer>(peer)
