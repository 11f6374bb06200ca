import type { Connection, Stream } from '@libp2p/interface'
import { bytesOf, encode, silentLogger, systemClock, type NetworkId } from '#framework/primitives'
import { Identity, defaultLimits, type Host } from '#framework/network'
import { parseAddress } from '../../framework/network/addresses.js'
import { startTransports, type Transports } from '../../framework/network/transports.js'

/** Kinds of frames, as they are on the wire. */
export const OPEN = 1
export const MESSAGE = 3
export const CLOSE = 5

/** Somebody who masters the transports, and does above them whatever a test wants. */
export interface Stranger extends AsyncDisposable {
  dial(host: Host): Promise<Connection>
  /** Accepts streams of a protocol, without ever doing anything with them. */
  collect(protocol: string): Promise<readonly Stream[]>
}

export async function startStranger(): Promise<Stranger> {
  const transports: Transports = await startTransports({
    identity: Identity.random(),
    limits: defaultLimits,
    clock: systemClock,
    logger: silentLogger,
    refusesInbound: () => true,
  })
  return {
    dial: (host) => transports.dial(parseAddress(host.addresses.value[0]!), AbortSignal.timeout(5_000)),
    collect: async (protocol) => {
      const streams: Stream[] = []
      await transports.libp2p.handle(protocol, (stream) => void streams.push(stream))
      return streams
    },
    [Symbol.asyncDispose]: async () => transports.libp2p.stop(),
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
export function openFrame(network: NetworkId): Uint8Array {
  return frame(OPEN, encode({ v: 1, network: bytesOf(network) }))
}

/** Does what an honest dialler does first, so that the connection is admitted. */
export async function sayHello(connection: Connection, network: NetworkId): Promise<Stream> {
  const stream = await connection.newStream('/mosaik/hello/1.0', { signal: AbortSignal.timeout(5_000) })
  stream.send(openFrame(network))
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
    const { bytes } = this
    const kinds: number[] = []
    for (let at = 0; at + 5 <= bytes.length; at += 4 + bytes.readUInt32BE(at)) kinds.push(bytes[at + 4]!)
    return kinds
  }
}
