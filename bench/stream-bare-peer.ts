// Bytes in writes of 64 KiB over the bare transport: what any stream over it can reach at most.
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { setImmediate as turn } from 'node:timers/promises'
import { bareNode, bareProtocol, drained, nextMessage } from './bare-node.ts'
import { answerCalls } from './calls.ts'
import { sendFor, type StreamPeer } from './stream-peer.ts'

let connection: Connection | undefined

const peer: StreamPeer = {
  async receive({ transport }) {
    const node = await bareNode(transport, { listens: true })
    await node.handle(bareProtocol, (incoming) => {
      let count = 0
      incoming.addEventListener('message', ({ data }) => (count += data.byteLength))
      incoming.addEventListener('remoteCloseWrite', () => {
        incoming.send(new TextEncoder().encode(String(count)))
        void incoming.close()
      })
    })
    return node.getMultiaddrs().map(String)
  },

  async connect({ transport }, addresses) {
    const node = await bareNode(transport, { listens: false })
    connection = await node.dial(addresses.map((address) => multiaddr(address)))
  },

  prepare() {},

  async send(order) {
    if (connection === undefined) throw new Error('not connected')
    const outgoing = await connection.newStream(bareProtocol)
    const total = nextMessage(outgoing)
    const buffer = new Uint8Array(order.size)
    const sendMany = async (_first: number, count: number): Promise<void> => {
      for (let n = 0; n < count; n++) if (!outgoing.send(buffer)) await drained(outgoing)
      // A socket that has always room would let nothing else have its turn.
      await turn()
    }
    return sendFor(order, sendMany, async (count) => {
      await outgoing.close()
      const received = Number(new TextDecoder().decode(await total))
      if (received !== count * order.size)
        throw new Error(`${received} of ${count * order.size} bytes arrived`)
    })
  },
}

answerCalls(peer)
