// One of the two processes of the stream benchmark.
import { createLibp2p, type Libp2p } from 'libp2p'
import { multiaddr } from '@multiformats/multiaddr'
import type { Stream } from '@libp2p/interface'
import { digestOf, encode, systemClock } from '#framework/primitives'
import { defaultLimits, Host } from '#framework/network'
import { Discovery, seeds } from '#framework/discovery'
import { stream, Streams, type Producer } from '#framework/streams'
import { z } from 'zod'
import { loadBinding } from '../dist/framework/network/quic/binding.js'
import { quic } from '../dist/framework/network/quic/transport.js'
import type { Measured } from './stream.ts'

export type Mode = 'bare' | 'mosaik'

export type ToPeer =
  | { readonly type: 'receive'; readonly mode: Mode }
  | { readonly type: 'connect'; readonly mode: Mode; readonly addresses: readonly string[] }
  | { readonly type: 'send'; readonly size: number; readonly ms: number }

export type FromPeer =
  | { readonly type: 'ready'; readonly addresses: readonly string[] }
  | { readonly type: 'sent'; readonly measured: Measured }
  | { readonly type: 'failed'; readonly message: string }

const listen = ['/ip4/127.0.0.1/udp/0/quic-v1']
const Datums = stream('bench.datum', z.object({ sequence: z.number(), payload: z.instanceof(Uint8Array) }))

type Send = (size: number, ms: number) => Promise<Measured>
let send: Send | undefined

process.on('message', (order: ToPeer) => {
  handle(order).then(
    (answer) => process.send?.(answer),
    (error: unknown) =>
      process.send?.({ type: 'failed', message: String((error as Error).stack) } satisfies FromPeer),
  )
})

async function handle(order: ToPeer): Promise<FromPeer> {
  switch (order.type) {
    case 'receive':
      return {
        type: 'ready',
        addresses: order.mode === 'bare' ? await receiveBytes() : await receiveDatums(),
      }
    case 'connect':
      send = order.mode === 'bare' ? await byteSender(order.addresses) : await datumSender(order.addresses)
      return { type: 'ready', addresses: [] }
    case 'send':
      if (send === undefined) throw new Error('not connected')
      return { type: 'sent', measured: await send(order.size, order.ms) }
  }
}

// The bare transport: libp2p with our QUIC transport and nothing else.

const protocol = '/bench/bytes/1'

async function bareNode(addresses: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: addresses },
    transports: [quic(await loadBinding(), defaultLimits.quic, systemClock)],
    connectionMonitor: { enabled: false },
  })
}

async function receiveBytes(): Promise<readonly string[]> {
  const node = await bareNode(listen)
  await node.handle(protocol, (incoming) => {
    let count = 0
    incoming.addEventListener('message', ({ data }) => (count += data.byteLength))
    incoming.addEventListener('remoteCloseWrite', () => {
      incoming.send(new TextEncoder().encode(String(count)))
      void incoming.close()
    })
  })
  return node.getMultiaddrs().map(String)
}

async function byteSender(addresses: readonly string[]): Promise<Send> {
  const node = await bareNode([])
  const connection = await node.dial(addresses.map((address) => multiaddr(address)))
  return async (size, ms) => {
    const outgoing = await connection.newStream(protocol)
    const confirmed = firstMessage(outgoing)
    const buffer = new Uint8Array(size)
    const startedAt = performance.now()
    let bytes = 0
    while (performance.now() - startedAt < ms) {
      bytes += size
      if (!outgoing.send(buffer)) await drained(outgoing)
    }
    await outgoing.close()
    const received = Number(new TextDecoder().decode(await confirmed))
    if (received !== bytes) throw new Error(`${received} of ${bytes} bytes arrived`)
    return { count: bytes / size, bytes, seconds: (performance.now() - startedAt) / 1000 }
  }
}

function drained(outgoing: Stream): Promise<void> {
  return new Promise((resolve) =>
    outgoing.addEventListener('drain', () => queueMicrotask(resolve), { once: true }),
  )
}

function firstMessage(outgoing: Stream): Promise<Uint8Array> {
  return new Promise((resolve) =>
    outgoing.addEventListener('message', ({ data }) => resolve(data.subarray()), { once: true }),
  )
}

// The same bytes as datums of a stream.

async function streamsNode(bootstrap: readonly string[]): Promise<{ host: Host; streams: Streams }> {
  const host = await Host.start({ network: digestOf('bench'), listen })
  const discovery = await Discovery.start({ host, bootstrap: [seeds(bootstrap)] })
  return { host, streams: Streams.start({ host, discovery }) }
}

async function receiveDatums(): Promise<readonly string[]> {
  const { host, streams } = await streamsNode([])
  const consumer = streams.consume(Datums)
  void (async () => {
    let expected: number | undefined
    for await (const { sequence } of consumer) {
      if (expected !== undefined && sequence !== 0 && sequence !== expected)
        throw new Error(`got datum ${sequence} instead of ${expected}`)
      expected = sequence + 1
    }
  })()
  return host.addresses.value
}

async function datumSender(addresses: readonly string[]): Promise<Send> {
  const { streams } = await streamsNode(addresses)
  const producer = streams.produce(Datums)
  await producer.when().subscribed()
  return async (size, ms) => {
    const payload = payloadFor(size)
    const startedAt = performance.now()
    const count = await sendFor(producer, payload, startedAt + ms)
    await producer.drain()
    return { count, bytes: count * size, seconds: (performance.now() - startedAt) / 1000 }
  }
}

async function sendFor(
  producer: Producer<z.infer<(typeof Datums)['schema']>>,
  payload: Uint8Array<ArrayBuffer>,
  until: number,
): Promise<number> {
  let sequence = 0
  do {
    for (let n = 0; n < 256; n++) await producer.send({ sequence: sequence++, payload })
  } while (performance.now() < until)
  return sequence
}

/** A payload that makes a datum of `size` bytes; sequence numbers grow by a few bytes, which the middle of their range stands for. */
function payloadFor(size: number): Uint8Array<ArrayBuffer> {
  let length = size
  while (encode({ sequence: 100_000, payload: new Uint8Array(length) }).byteLength > size) length--
  return new Uint8Array(length).fill(7)
}
