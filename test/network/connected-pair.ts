import type { Connection, Stream } from '@libp2p/interface'
import { silentLogger, systemClock } from '#framework/primitives'
import { Identity, defaultLimits, type NetworkLimits } from '#framework/network'
import { byteStreamOf } from '../../framework/network/libp2p-byte-stream.js'
import { linkStreamsOf } from '../../framework/network/link-streams.js'
import { listenOn as listen } from '../../framework/network/listening.js'
import { startTransports } from '../../framework/network/transports.js'
import type { ByteStream, ByteStreamEnd } from '../../framework/network/byte-stream.js'
import { within } from '../support/eventually.js'

/** Two nodes with nothing above the transports, and a connection between them. */
export interface ConnectedPair extends AsyncDisposable {
  readonly dialler: Connection
  readonly acceptor: Connection
  /** Opens a stream and gives both of its ends. */
  streams(): Promise<[opened: Stream, accepted: Stream]>
  /** The next stream of libp2p's that reaches the other side. */
  arrival(): Promise<Stream>
  /** As `streams`, as links see them: libp2p's, or those of the transport's own where it has some. */
  ends(kind: 'libp2p' | 'links'): Promise<[opened: End, accepted: End]>
}

const PROTOCOL = '/tests/raw/1.0'
/**
 * For each step of connecting. Ample, because a handshake over TCP loads its cipher first, and because a side that gives
 * up just when the other is done would leave that one with a connection that never arrived.
 */
const PATIENCE_MS = 10_000

export async function connectedPair(
  addresses: readonly string[],
  limits: Partial<NetworkLimits> = {},
): Promise<ConnectedPair> {
  const start = () =>
    startTransports({
      identity: Identity.random(),
      limits: {
        ...defaultLimits,
        dialTimeoutMs: PATIENCE_MS,
        admissionTimeoutMs: PATIENCE_MS,
        ...limits,
      },
      clock: systemClock,
      logger: silentLogger,
      knock: () => () => {},
    })
  const [one, two] = await Promise.all([start(), start()])
  const listening = await listen(two, addresses, () => {})
  const accepted = Promise.withResolvers<Connection>()
  two.libp2p.addEventListener('connection:open', ({ detail }) => accepted.resolve(detail))
  const arrivals: ((stream: Stream) => void)[] = []
  await two.libp2p.handle(PROTOCOL, (stream) => arrivals.shift()?.(stream), { maxInboundStreams: 10_000 })
  // Cancelled when it is connected: the socket of a TCP connection stays under the signal that it was dialled with.
  using deadline = systemClock.deadline(PATIENCE_MS)
  const dialler = await one.dial(listening.addresses[0]!, deadline.signal)
  const acceptor = await within(PATIENCE_MS, accepted.promise)
  const signal = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS)
  const arrival = (): Promise<Stream> =>
    within(PATIENCE_MS, new Promise<Stream>((resolve) => arrivals.push(resolve)))
  const streams = async (): Promise<[Stream, Stream]> => {
    const arriving = arrival()
    const options = { signal: signal(), maxOutboundStreams: 10_000 }
    return [await dialler.newStream(PROTOCOL, options), await arriving]
  }
  const linkStreams = async (): Promise<[End, End]> => {
    const arriving = new Promise<ByteStream>((resolve) => {
      linkStreamsOf(acceptor)!.serve(() => resolve)
    })
    const opened = await linkStreamsOf(dialler)!.open(PROTOCOL, { signal: signal() })
    // The other side hears of the stream with its first bytes.
    await opened.write(Buffer.from('.'))
    return [new End(opened), new End(await within(PATIENCE_MS, arriving), 1)]
  }
  return {
    dialler,
    acceptor,
    arrival,
    streams,
    ends: async (kind) => {
      if (kind === 'links') return linkStreams()
      const [opened, other] = await streams()
      return [End.of(opened), End.of(other)]
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(
        [dialler, accepted.promise].map(async (each) => (await each).abort(new Error('over'))),
      )
      await listening.close()
      await one.libp2p.stop()
      await two.libp2p.stop()
    },
  }
}

/** One end of a stream, and what came in on it. */
export class End {
  readonly stream: ByteStream
  byteCount = 0
  readonly chunks: Uint8Array[] = []
  end: ByteStreamEnd | undefined
  /** Called of each chunk, after it was counted. */
  onBytes: () => void = () => {}

  static of(stream: Stream): End {
    return new End(byteStreamOf(stream, { buffersReusable: false, chunksReleasable: false }))
  }

  /** @param skippedBytes How many of the first bytes are not of interest. */
  constructor(stream: ByteStream, skippedBytes = 0) {
    this.stream = stream
    let skipped = 0
    this.stream.start({
      onBytes: (bytes) => {
        const chunk = bytes.subarray(Math.min(bytes.byteLength, skippedBytes - skipped))
        skipped += bytes.byteLength - chunk.byteLength
        if (chunk.byteLength === 0) return
        this.byteCount += chunk.byteLength
        this.chunks.push(chunk)
        this.onBytes()
      },
      onEnd: (end) => (this.end = end),
    })
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }
}
