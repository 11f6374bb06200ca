// One of the two processes of the latency benchmark.
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Producer } from '#framework/streams'
import { bareNode, bareProtocol } from './bare-node.ts'
import { type Transport } from './transports.ts'
import { answerCalls } from './calls.ts'
import { mosaikNode } from './mosaik-node.ts'
import { type Trade, Trades, tradesOf } from './record.ts'
import { machineMicroseconds, paced, percentilesOf, type Percentiles } from './samples.ts'

const size = 128
const perSecond = 1_000
/** How long what is under way may take to arrive, when the last has been sent. */
const restMs = 200

let stream: Stream | undefined
let producer: Producer<Trade> | undefined
/** Microseconds, as they are observed. */
let samples: number[] = []

const peer = {
  async echo(transport: Transport): Promise<readonly string[]> {
    const node = await bareNode(transport, { listens: true })
    await node.handle(bareProtocol, (incoming) => {
      const observe = observer()
      incoming.addEventListener('message', ({ data }) => {
        const at = machineMicroseconds()
        const bytes = data.subarray()
        incoming.send(bytes)
        // The echo does not wait for the books.
        observe(bytes, at)
      })
    })
    return node.getMultiaddrs().map(String)
  },

  async openEcho(transport: Transport, addresses: readonly string[]): Promise<void> {
    const node = await bareNode(transport, { listens: false })
    stream = await node.dialProtocol(
      addresses.map((address) => multiaddr(address)),
      bareProtocol,
    )
    const observe = observer()
    stream.addEventListener('message', ({ data }) => observe(data.subarray(), machineMicroseconds()))
  },

  /** Round trips of the same number of bytes at the same pace. */
  async measureEcho(ms: number): Promise<Percentiles> {
    const to = stream
    if (to === undefined) throw new Error('not connected')
    samples = []
    await paced(perSecond, ms, () => {
      const bytes = new Uint8Array(size)
      new DataView(bytes.buffer).setFloat64(0, machineMicroseconds())
      to.send(bytes)
    })
    await settled()
    return percentilesOf(samples)
  },

  async consume(transport: Transport): Promise<readonly string[]> {
    const { host, streams } = await mosaikNode(transport)
    const consumer = streams.consume(Trades)
    void (async () => {
      for await (const { at } of consumer) samples.push(machineMicroseconds() - at)
    })()
    return host.addresses.value
  },

  async produce(transport: Transport, addresses: readonly string[]): Promise<void> {
    const { streams } = await mosaikNode(transport, addresses)
    producer = streams.produce(Trades)
    await producer.when().subscribed()
  },

  async measureStream(ms: number): Promise<number> {
    const to = producer
    if (to === undefined) throw new Error('not connected')
    const tradeOf = tradesOf(size)
    const count = await paced(perSecond, ms, (n) => {
      void to.send({ ...tradeOf(n), at: Math.round(machineMicroseconds()) })
    })
    await to.drain()
    return count
  },

  /** What this process has observed since the last time. */
  takeSamples(): Percentiles {
    const taken = percentilesOf(samples)
    samples = []
    return taken
  },
}

export type LatencyPeer = typeof peer

/** Takes the bytes of a stream as they come and when, and observes how old each message was by the stamp it begins with. */
function observer(): (bytes: Uint8Array, at: number) => void {
  let rest = new Uint8Array(0)
  return (bytes, at) => {
    rest = rest.byteLength === 0 ? Uint8Array.from(bytes) : Buffer.concat([rest, bytes])
    for (; rest.byteLength >= size; rest = rest.subarray(size)) {
      samples.push(at - new DataView(rest.buffer, rest.byteOffset).getFloat64(0))
    }
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, restMs))
}

answerCalls<LatencyPeer>(peer)
