import type { Connection, Stream } from '@libp2p/interface'
import type { PeerId, Timer, TokenBucket } from '#framework/primitives'
import { transportOf, withoutPeer, type TransportKind } from './addresses.js'
import { byteStreamOf } from './libp2p-byte-stream.js'
import { linkStreamsOf, type LinkStreams } from './link-streams.js'
import { TLS_PROTOCOL } from './tls/protocol.js'
import type { ByteStream } from './byte-stream.js'
import type { Link } from './link.js'

/** One connection, and what the host knows of it. */
export interface PeerConnection {
  readonly id: string
  readonly peer: PeerId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: TransportKind
  /** Where it leads, without the peer. */
  readonly address: string
  /** Where the other side says that it sees us, on this connection: a multiaddr without our peer id, not judged. */
  readonly observed: string | undefined
  readonly libp2p: Connection
  /** For streams that carry links; nothing when the transport has none but libp2p's. */
  readonly linkStreams: LinkStreams | undefined
  /** Resolves when both sides have shown the same network; rejects when that failed. */
  readonly admitted: Promise<void>
  /** Resolves when the connection is closed. */
  readonly gone: Promise<void>
}

/** A connection from the side of those who look after it. */
export class ConnectionEntry implements PeerConnection {
  readonly libp2p: Connection
  readonly linkStreams: LinkStreams | undefined
  readonly peer: PeerId
  readonly transport: TransportKind
  readonly address: string
  /** Monotonic milliseconds. */
  readonly openedAt: number
  /** Ends the time for the other side's hello. */
  patience: Timer | undefined
  /** The other side has begun its hello. */
  isGreeted = false
  isRejected = false
  /** The other side was asked to dial us and say nothing. */
  isProbe = false
  /** It is not needed, and goes when the last that uses it has gone. */
  isClosedWhenUnused = false
  /** This side has decided to end it. */
  isEnded = false
  /** How fast the other side may open streams, once it has opened one. */
  streamRate: TokenBucket | undefined
  /** Which start of the peer is at the other end, as far as it has said. */
  instance: string | undefined
  observed: string | undefined
  /** The hello link, once the connection is admitted. */
  control: Link | undefined
  readonly #admitted = Promise.withResolvers<void>()
  readonly #gone = Promise.withResolvers<void>()

  constructor(connection: Connection, peer: PeerId, openedAt: number) {
    this.libp2p = connection
    this.linkStreams = linkStreamsOf(connection)
    this.peer = peer
    this.transport = transportOf(connection.remoteAddr) ?? 'tcp'
    this.address = withoutPeer(connection.remoteAddr)
    this.openedAt = openedAt
    // Not everybody who opens a connection waits for its admission.
    this.#admitted.promise.catch(() => {})
  }

  get id(): string {
    return this.libp2p.id
  }

  /** All streams, whoever they are for. */
  get streamCount(): number {
    return this.libp2p.streams.length + (this.linkStreams?.count ?? 0)
  }

  get direction(): 'inbound' | 'outbound' {
    return this.libp2p.direction
  }

  get admitted(): Promise<void> {
    return this.#admitted.promise
  }

  get gone(): Promise<void> {
    return this.#gone.promise
  }

  onAdmitted(): void {
    this.#admitted.resolve()
  }

  onRejected(cause: unknown): void {
    this.#admitted.reject(cause)
  }

  onGone(): void {
    this.#gone.resolve()
  }
}

/** A libp2p stream of that connection, for a link. */
export function linkStream(connection: PeerConnection, stream: Stream): ByteStream {
  const isOurs = isCopying(connection)
  return byteStreamOf(stream, { buffersReusable: isOurs, chunksReleasable: isOurs })
}

/**
 * Whether what is below streams has copied or encrypted the bytes when it reports room: the QUIC binding has, and so has
 * TLS on a TCP socket. Others, such as the memory transport, may still hold them.
 */
function isCopying({ transport, libp2p }: PeerConnection): boolean {
  if (transport === 'quic') return true
  return transportOf(libp2p.remoteAddr) === 'tcp' && libp2p.encryption === TLS_PROTOCOL
}
