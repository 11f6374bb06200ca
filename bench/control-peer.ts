// One of the two processes of the control benchmark.
import type { Host, Link, LinkProtocol } from '#framework/network'
import type { Producer } from '#framework/streams'
import type { Transport } from './transports.ts'
import { answerCalls } from './calls.ts'
import { mosaikNode } from './mosaik-node.ts'
import { type Trade, Trades, tradesOf } from './record.ts'
import { percentilesOf, type Percentiles } from './samples.ts'

const protocol: LinkProtocol = { id: '/bench/control/1.0', frameBytesMax: 64 * 1024 }
const size = 1024
/** Datums that are sent between two looks at whether to go on. */
const stride = 256
/** Between an answer and the next request: so that requests are no load. */
const requestPauseMs = 5

let host: Host | undefined
let link: Link | undefined
let producer: Producer<Trade> | undefined
let saturating: Promise<number> | undefined
let isSaturated = false

const peer = {
  /** Answers requests, and takes all datums. */
  async serve(transport: Transport): Promise<readonly string[]> {
    const node = await mosaikNode(transport)
    node.host.handle(protocol, async (incoming, accept) => {
      await accept()
      for (;;) {
        const frame = await incoming.recv()
        if (frame.kind === 'message') await incoming.send(frame.value)
      }
    })
    const consumer = node.streams.consume(Trades)
    void (async () => {
      for await (const batch of consumer.batches()) void batch
    })()
    return node.host.addresses.value
  },

  async connect(transport: Transport, addresses: readonly string[]): Promise<void> {
    const node = await mosaikNode(transport, addresses)
    host = node.host
    producer = node.streams.produce(Trades)
    const [consumer] = await producer.when().subscribed()
    link = await host.open({ peer: consumer!.consumer }, protocol)
  },

  saturate(): void {
    isSaturated = true
    saturating = sendWhileSaturated()
  },

  /** @returns How many bytes of datums were sent meanwhile. */
  async rest(): Promise<number> {
    isSaturated = false
    return (await saturating) ?? 0
  },

  /** Round trips in milliseconds, one request at a time. */
  async ask(ms: number): Promise<Percentiles> {
    if (link === undefined) throw new Error('not connected')
    const samples: number[] = []
    const until = performance.now() + ms
    while (performance.now() < until) {
      const askedAt = performance.now()
      await link.send({ id: samples.length })
      await link.recvMessage({ parse: (value) => value })
      samples.push(performance.now() - askedAt)
      await new Promise((resolve) => setTimeout(resolve, requestPauseMs))
    }
    return percentilesOf(samples)
  },

  connectionCount(): number {
    return host?.metrics.value('mosaik_connections', { state: 'admitted' }) ?? 0
  },
}

export type ControlPeer = typeof peer

async function sendWhileSaturated(): Promise<number> {
  if (producer === undefined) throw new Error('not connected')
  const tradeOf = tradesOf(size)
  let count = 0
  while (isSaturated) {
    for (let n = 0; n < stride; n++) await producer.send(tradeOf(count++))
  }
  await producer.drain()
  return count * size
}

answerCalls<ControlPeer>(peer)
