// The same through NATS and its client for Node: opaque bytes of the same length, or datums of our codec.
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { answerCalls } from './calls.ts'
import { encodedTrade, Trades, tradesOf } from './record.ts'
import { sendFor, type StreamPeer } from './stream-peer.ts'

const subject = 'bench.trades'
const countSubject = 'bench.count'
/** What may be under way to the broker. */
const aheadBytesMax = 1024 * 1024
const confirmMsMax = 60_000

let connection: NatsConnection | undefined
let isEncoded = false
let received = 0
let onReceived = (): void => {}

const peer: StreamPeer = {
  async receive({ broker }) {
    const nats = await connect({ servers: broker })
    void receiveAll(nats)
    nats.subscribe(countSubject, {
      callback: (_error, message) => {
        const count = Number(message.string())
        onReceived = (): void => {
          if (received < count) return
          onReceived = (): void => {}
          message.respond(String(received))
        }
        onReceived()
      },
    })
    await nats.flush()
    return []
  },

  async connect({ broker }) {
    connection = await connect({ servers: broker })
  },

  prepare({ encoded }) {
    isEncoded = encoded
    received = 0
  },

  async send(order) {
    if (connection === undefined) throw new Error('not connected')
    const nats = connection
    const tradeOf = tradesOf(order.size)
    const opaque = encodedTrade(tradeOf(0))
    // A flush is a round trip to the broker: the next bytes are published while one is under way.
    let flushed = Promise.resolve()
    let aheadBytes = 0
    const sendMany = async (first: number, count: number): Promise<void> => {
      for (let sequence = first; sequence < first + count; sequence++) {
        nats.publish(subject, order.encoded ? encodedTrade(tradeOf(sequence)) : opaque)
      }
      aheadBytes += count * order.size
      if (aheadBytes < aheadBytesMax / 2) return
      aheadBytes = 0
      await flushed
      flushed = nats.flush()
    }
    return sendFor(order, sendMany, (count) =>
      nats.request(countSubject, String(count), { timeout: confirmMsMax }),
    )
  },
}

async function receiveAll(nats: NatsConnection): Promise<void> {
  for await (const { data } of nats.subscribe(subject)) {
    if (isEncoded) Trades.codec.decode(data, 0, data.byteLength)
    received++
    onReceived()
  }
}

answerCalls(peer)
