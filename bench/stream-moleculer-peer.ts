// The same through the events of moleculer, over its TCP transporter and in its own encoding, which is JSON.
import { ServiceBroker } from 'moleculer'
import { answerCalls } from './calls.ts'
import { tradesOf } from './record.ts'
import { sendFor, type StreamPeer } from './stream-peer.ts'

const receiverId = 'receiver'
const confirmMsMax = 60_000

let sender: ServiceBroker | undefined
let received = 0
let onReceived = (): void => {}

const peer: StreamPeer = {
  async receive() {
    const broker = brokerOf(receiverId, [])
    broker.createService({
      name: 'sink',
      events: {
        'bench.trade': () => {
          received++
          onReceived()
        },
      },
      actions: {
        received: ({ params: { count } }: { params: { count: number } }) =>
          new Promise<number>((resolve) => {
            onReceived = (): void => void (received >= count && resolve(received))
            onReceived()
          }),
      },
    })
    await broker.start()
    const { port } = broker.registry.nodes.localNode as { port: number }
    return [`127.0.0.1:${port}/${receiverId}`]
  },

  async connect(_options, addresses) {
    sender = brokerOf('sender', addresses)
    await sender.start()
    await sender.waitForServices('sink', confirmMsMax)
  },

  prepare() {
    received = 0
  },

  async send(order) {
    if (sender === undefined) throw new Error('not connected')
    const broker = sender
    const tradeOf = tradesOf(order.size)
    const sendMany = (first: number, count: number): Promise<unknown> =>
      Promise.all(
        Array.from({ length: count }, (_, n) => {
          const { payload, ...trade } = tradeOf(first + n)
          // JSON knows no bytes. As text of the same length it is at its best.
          const params = payload === undefined ? trade : { ...trade, payload: 'x'.repeat(payload.byteLength) }
          return broker.emit('bench.trade', params)
        }),
      )
    return sendFor(order, sendMany, (count) =>
      broker.call('sink.received', { count }, { timeout: confirmMsMax }),
    )
  },
}

function brokerOf(nodeID: string, urls: readonly string[]): ServiceBroker {
  return new ServiceBroker({
    namespace: 'bench',
    nodeID,
    logger: false,
    transporter: {
      type: 'TCP',
      options: { udpDiscovery: false, useHostname: false, gossipPeriod: 1, urls: urls.join(',') },
    },
  })
}

answerCalls(peer)
