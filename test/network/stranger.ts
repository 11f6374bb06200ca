import type { Connection, Stream } from '@libp2p/interface'
import {
  bytesOf,
  decode,
  encode,
  silentLogger,
  systemClock,
  systemRandom,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import { Identity, NetworkKey, defaultLimits, peerIdFromLibp2p, type Host } from '#framework/network'
import { parseAddress, withPeer } from '../../framework/network/addresses.js'
import { DiallerGreeting } from '../../framework/network/greeting.js'
import { listenOn, type Listening } from '../../framework/network/listening.js'
import { startTransports, type Transports } from '../../framework/network/transports.js'
import { eventually } from '../support/eventually.js'

/** Kinds of frames, as they are on the wire. */
export const OPEN = 1
export const ACCEPT = 2
export const MESSAGE = 3
export const CLOSE = 5

/** Somebody who masters the transports, and does above them whatever a test wants. */
export interface Stranger extends AsyncDisposable {
  readonly peerId: PeerId
  dial(host: Host): Promise<Connection>
  dialTo(address: string): Promise<Connection>
  /** Does what an honest dialler does first, so that the connection is admitted. */
  sayHello(connection: Connection, network: NetworkId, secret?: string): Promise<Stream>
  /** Lets itself be dialled at the address that it returns. */
  listen(at?: string): Promise<string>
  /** Hears of each stream of a protocol. */
  serve(protocol: string, onStream: (stream: Stream) => void): Promise<void>
  /** Accepts streams of a protocol, without ever doing anything with them. */
  collect(protocol: string): Promise<readonly Stream[]>
}

export async function startStranger(
  identity = Identity.random(),
  { accepts = false } = {},
): Promise<Stranger> {
  const transports: Transports = await startTransports({
    identity,
    limits: defaultLimits,
    clock: systemClock,
    logger: silentLogger,
    knock: () => (accepts ? () => {} : undefined),
  })
  const { peerId } = identity
  const listening: Listening[] = []
  return {
    peerId,
    sayHello: (connection, network, secret) => sayHello(peerId, connection, new NetworkKey(network, secret)),
    dial: (host) => transports.dial(parseAddress(host.addresses.value[0]!), AbortSignal.timeout(5_000)),
    dialTo: (address) => transports.dial(parseAddress(address), AbortSignal.timeout(5_000)),
    listen: async (at = '/ip4/127.0.0.1/udp/0/quic-v1') => {
      const opened = await listenOn(transports, [at], () => {})
      listening.push(opened)
      return withPeer(opened.addresses[0]!, peerId)
    },
    serve: async (protocol, onStream) => {
      await transports.libp2p.handle(protocol, (stream) => onStream(stream))
    },
    collect: async (protocol) => {
      const streams: Stream[] = []
      await transports.libp2p.handle(protocol, (stream) => void streams.push(stream))
      return streams
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(listening.map((each) => each.close()))
      // A stranger goes without a word: libp2p would wait a second for what the other side does not end.
      for (const connection of transports.libp2p.getConnections()) connection.abort(new Error('gone'))
      await transports.libp2p.stop()
    },
  }
}

/** A frame: `length: u32 | kind: u8 | body`. */
export function frame(kind: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(5 + body.byteLength)
  bytes.writeUInt32BE(1 + body.byteLength)
  bytes[4] = kind
  bytes.set(body, 5)
  return bytes
}

/** The first frame of whoever opens a link. */
export function openFrame(network: NetworkId, payload?: unknown): Uint8Array {
  return frame(OPEN, encode({ v: 1, network: bytesOf(network), ...(payload !== undefined && { payload }) }))
}

/** The first frame of a hello from one peer to another. */
export function helloFrame(
  key: NetworkKey,
  dialler: PeerId,
  acceptor: PeerId,
  nonce = systemRandom.bytes(32),
): Uint8Array {
  return openFrame(key.greetingId(dialler, acceptor), { nonce })
}

async function sayHello(self: PeerId, connection: Connection, key: NetworkKey): Promise<Stream> {
  const stream = await connection.newStream('/mosaik/hello/1.0', { signal: AbortSignal.timeout(5_000) })
  const received = new Received(stream)
  const peer = peerIdFromLibp2p(connection.remotePeer.toString())
  const nonce = systemRandom.bytes(32)
  const greeting = new DiallerGreeting({ key, self, peer, nonce })
  stream.send(helloFrame(key, self, peer, nonce))
  await eventually(() => received.kinds.length > 0)
  const { payload } = received.bodies[0] as { payload: unknown }
  greeting.hear(payload)
  stream.send(frame(MESSAGE, encode(greeting.confirmation({ instance: 'stranger' }))))
  await eventually(() => received.kinds.length > 1)
  return stream
}

/** Everything that comes in on a stream, until it ends. */
export class Received {
  readonly #chunks: Uint8Array[] = []
  /** `end`, or the name of what broke it. */
  outcome: string | undefined

  constructor(stream: Stream) {
    stream.addEventListener('message', ({ data }) => this.#chunks.push(data.subarray()))
    stream.addEventListener('end', () => (this.outcome ??= stream.status === 'open' ? 'end' : stream.status))
    stream.addEventListener('close', ({ error }) => (this.outcome ??= error?.name ?? 'closed'))
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** The kinds of the frames that have come in completely. */
  get kinds(): number[] {
    return this.#frames.map((each) => each[0]!)
  }

  /** What they hold, decoded. */
  get bodies(): unknown[] {
    return this.#frames.map((each) => decode(each.subarray(1)))
  }

  /** Kind and body of each. */
  get #frames(): Buffer[] {
    const { bytes } = this
    const frames: Buffer[] = []
    for (let at = 0; at + 5 <= bytes.length;) {
      const end = at + 4 + bytes.readUInt32BE(at)
      if (end > bytes.length) break
      frames.push(bytes.subarray(at + 4, end))
      at = end
    }
    return frames
  }
}
