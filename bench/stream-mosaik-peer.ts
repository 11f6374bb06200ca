// Datums through a stream of ours: judged and encoded by the producer, decoded and judged by the consumer.
import type { Consumer, Producer } from '#framework/streams'
import { answerCalls } from './calls.ts'
import { mosaikNode } from './mosaik-node.ts'
import { type Trade, Trades, tradesOf } from './record.ts'
import { type Order, sendFor, type StreamPeer } from './stream-peer.ts'

let producer: Producer<Trade> | undefined
let take: Order['take'] = 'each'
/** Sequence numbers of a measurement begin with 0. */
let expected = 0

const peer: StreamPeer = {
  async receive({ transport }) {
    const { host, streams } = await mosaikNode(transport)
    void takeAll(streams.consume(Trades))
    return host.addresses.value
  },

  async connect({ transport }, addresses) {
    const { streams } = await mosaikNode(transport, addresses)
    producer = streams.produce(Trades)
    await producer.when().subscribed()
  },

  prepare(order) {
    take = order.take
    expected = 0
  },

  async send(order) {
    if (producer === undefined) throw new Error('not connected')
    const to = producer
    const tradeOf = tradesOf(order.size)
    const sendMany = async (first: number, count: number): Promise<void> => {
      const end = first + count
      if (order.take === 'batches') {
        const batch: Trade[] = []
        for (let sequence = first; sequence < end; sequence++) batch.push(tradeOf(sequence))
        await to.sendMany(batch)
      } else {
        for (let sequence = first; sequence < end; sequence++) await to.send(tradeOf(sequence))
      }
    }
    return sendFor(order, sendMany, () => to.drain())
  },
}

async function takeAll(consumer: Consumer<Trade>): Promise<void> {
  // What is waited for when the order changes is taken in the way of the order before it: one datum or one batch.
  for (;;) {
    if (take === 'each') {
      for await (const trade of consumer) {
        check(trade)
        if (take !== 'each') break
      }
    } else {
      for await (const batch of consumer.batches()) {
        for (const trade of batch) check(trade)
        if (take !== 'batches') break
      }
    }
  }
}

function check({ sequence }: Trade): void {
  if (sequence !== expected) throw new Error(`got datum ${sequence} instead of ${expected}`)
  expected++
}

answerCalls(peer)
