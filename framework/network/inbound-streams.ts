import type { Connection, Stream } from '@libp2p/interface'
import { MosaikError, TokenBucket, messageOf, raceSignal } from '#framework/primitives'
import { CloseReasons, closeReason, type CloseReason } from './close-reason.js'
import type { ByteStream } from './byte-stream.js'
import type { HostContext } from './host-context.js'
import type { ConnectionEntry, PeerConnection } from './peer-connection.js'

export interface InboundStreamsParts {
  readonly context: Pick<HostContext, 'clock' | 'limits' | 'metrics'>
  /** The connection with that id, while it is there. */
  readonly entry: (id: string) => ConnectionEntry | undefined
  readonly isAdmitted: (entry: ConnectionEntry) => boolean
  /** Ends a connection, without being waited for. */
  readonly end: (entry: ConnectionEntry, reason: CloseReason) => void
  /** Aborted when the host closes. */
  readonly signal: AbortSignal
}

/** The gate for streams that the other side of a connection opens: strangers have none, and members not too many. */
export class InboundStreams {
  readonly #parts: InboundStreamsParts

  constructor(parts: InboundStreamsParts) {
    this.#parts = parts
  }

  /**
   * Where an inbound stream comes from. A stream of a stranger is reset, and nothing of it was read. Only where we have
   * dialled may streams of the other side arrive before its welcome does, and a few of them are kept back until then.
   */
  async originOf(
    stream: Stream,
    connection: Connection,
    protocol: string,
  ): Promise<PeerConnection | undefined> {
    const { context, entry, isAdmitted, signal } = this.#parts
    const { metrics, clock, limits } = context
    const origin = entry(connection.id)
    try {
      if (origin === undefined) throw new MosaikError('CONNECTION_CLOSED', 'the connection is gone')
      if (!isAdmitted(origin)) {
        if (origin.direction === 'inbound' || origin.streamCount > limits.unadmittedStreamsMax) {
          throw new MosaikError('UNADMITTED', 'the connection is not admitted')
        }
        stream.pause()
        using patience = clock.deadline(limits.admissionTimeoutMs, signal)
        await raceSignal(origin.admitted, patience.signal)
        if (stream.readStatus === 'paused') stream.resume()
      }
    } catch (error) {
      metrics.linkRefused(protocol, 'unadmitted')
      stream.abort(new Error(messageOf(error)))
      return undefined
    }
    return this.take(origin, stream, protocol) ? origin : undefined
  }

  /**
   * Whether the other side of an admitted connection has not opened too many streams of late. If it has, the stream is
   * reset, and the connection ends.
   */
  take(connection: PeerConnection, stream: Pick<ByteStream, 'abort'>, protocol: string): boolean {
    const { context, end } = this.#parts
    const entry = this.#parts.entry(connection.id)
    if (entry === undefined) {
      stream.abort(new Error('the connection is gone'))
      return false
    }
    const { clock, limits, metrics } = context
    entry.streamRate ??= new TokenBucket(limits.inboundStreams, clock.monotonic())
    if (entry.streamRate.tryTake(clock.monotonic())) return true
    metrics.linkRefused(protocol, 'rate')
    const text = 'too many streams in too short a time'
    stream.abort(new Error(text))
    end(entry, closeReason(CloseReasons.TooManyRequests, text))
    return false
  }
}
