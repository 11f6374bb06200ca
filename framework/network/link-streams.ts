import type { Connection } from '@libp2p/interface'
import type { ByteStream } from './byte-stream.js'

/** A stream whose opener does not wait for the other side to agree to the protocol, and hears of it with the first answer. */
export interface LinkStream extends ByteStream {
  /** The other side has answered that it does not speak the protocol. */
  readonly isProtocolUnknown: boolean
}

/** Who takes in an inbound stream of one protocol: the stream is its own from then on. */
export type LinkStreamHandler = (stream: LinkStream) => void

/**
 * What becomes of an inbound stream: a handler takes it; libp2p does, which answers for itself; or nobody speaks the
 * protocol.
 */
export type LinkStreamRoute = LinkStreamHandler | 'libp2p' | 'unknown'

/**
 * The streams of one connection that carry links, where the transport can do without libp2p: a link needs none of the
 * events, lists and lookups that each of libp2p's streams costs.
 */
export interface LinkStreams {
  /** How many there are, those included of which nothing was heard yet. */
  readonly count: number

  /**
   * Opens a stream. The other side hears of it with the first bytes.
   *
   * @throws {MosaikError} `CONNECTION_CLOSED`; `STREAMS_EXHAUSTED`; the signal's reason; TIMEOUT after 5 s, while the other
   *   side allows no more streams.
   */
  open(protocol: string, options: { readonly signal: AbortSignal }): Promise<LinkStream>

  /** From now on says of each inbound stream whose opener has not waited for an answer where it goes. */
  serve(routeOf: (protocol: string) => LinkStreamRoute): void
}

/** A connection of a transport, or libp2p's around it, which hides its muxer. What both have is the record of its times. */
type WithTimeline = Pick<Connection, 'timeline'>

const offered = new WeakMap<Connection['timeline'], LinkStreams>()

/** Says that a connection of a transport has streams for links. */
export function offerLinkStreams(connection: WithTimeline, streams: LinkStreams): void {
  offered.set(connection.timeline, streams)
}

/** The streams for links that the transport of a connection offers; nothing when it has none but libp2p's. */
export function linkStreamsOf(connection: WithTimeline): LinkStreams | undefined {
  return offered.get(connection.timeline)
}
