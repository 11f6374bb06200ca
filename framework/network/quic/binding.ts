import { MosaikError } from '#framework/primitives'

/**
 * The native objects of `@chainsafe/libp2p-quic` 2.1.1 (quinn 0.11): every method that returns a promise runs on a
 * thread of the native runtime. None of them takes a signal; what is pending settles when its connection, or its
 * endpoint, is aborted.
 */
export interface NativeBinding {
  readonly QuinnConfig: new (options: NativeOptions) => NativeConfig
  /** @throws When the address cannot be bound. */
  readonly Server: new (config: NativeConfig, ip: string, port: number) => NativeServer
  readonly Client: new (config: NativeConfig, family: SocketFamily) => NativeClient
}

export const SocketFamily = Object.freeze({ ip4: 0, ip6: 1 })
export type SocketFamily = (typeof SocketFamily)[keyof typeof SocketFamily]

/** The settings of an endpoint and its connections, made once per identity. */
export type NativeConfig = Readonly<Record<never, never>>

export interface NativeOptions {
  /** The Ed25519 private key in libp2p's protobuf form. */
  readonly privateKeyProto: Uint8Array
  /** Ignored by the native side: a handshake ends with the idle timeout. */
  readonly handshakeTimeout: number
  readonly maxIdleTimeout: number
  readonly keepAliveInterval: number
  readonly maxConcurrentStreamLimit: number
  readonly maxStreamData: number
  readonly maxConnectionData: number
  readonly receiveBufferSize: number
  readonly sendBufferSize: number
}

export interface NativeServer {
  port(): number
  /**
   * The next connection whose handshake is through; rejects when a handshake fails and when the server is closed. Each
   * call accepts and then waits for one handshake, so a slow one holds up nothing but its own call.
   */
  inboundConnection(): Promise<NativeConnection>
  /** Closes all connections and, when they are drained, the socket. */
  abort(): Promise<void>
}

export interface NativeClient {
  outboundConnection(ip: string, port: number): Promise<NativeConnection>
  /** Closes all connections. The socket goes with the garbage collection of this object. */
  abort(): void
}

export interface NativeConnection {
  id(): string
  /** `/ip4/…/udp/…/quic-v1/p2p/<peer>`, the peer as the TLS handshake proved it. */
  remoteMultiaddr(): string
  inboundStream(): Promise<NativeStream>
  /** Waits, if need be, until the other side allows one more stream. */
  outboundStream(): Promise<NativeStream>
  /** Closes at once: what was written and not delivered is lost. */
  abort(): void
  /** Resolves when the connection is over, for whatever reason. */
  closed(): Promise<void>
  /** Milliseconds. */
  rtt(): number
  stats(): NativeConnectionStats
}

/** Of the many figures, those that we use. They are 32 bits wide and wrap around. */
export interface NativeConnectionStats {
  readonly frameTxStream: number
}

/**
 * One bidirectional stream. Each direction has a lock that a running call holds: `stopRead` waits for a pending
 * `read`, `resetWrite` and `finishWrite` wait for a pending `write`.
 */
export interface NativeStream {
  id(): string
  /** Up to so many bytes, in an array of its own; null at the end of the stream. */
  read(bytesMax: number): Promise<Uint8Array | null>
  /**
   * Resolves when all bytes are in the transport's send buffer; the array may then be reused. Two writes of one stream
   * must never overlap: their order would be open.
   */
  write(bytes: Uint8Array): Promise<void>
  /** The end of writing follows what was written. */
  finishWrite(): Promise<void>
  resetWrite(): Promise<void>
  /** Asks the other side to stop sending. */
  stopRead(): Promise<void>
}

const PACKAGE = '@chainsafe/libp2p-quic'

/**
 * Loads the binding, which lies beside the package's entry without being exported.
 *
 * @throws {MosaikError} `QUIC_UNAVAILABLE`, when there is no binary for this platform or the package has another shape.
 */
export async function loadBinding(): Promise<NativeBinding> {
  try {
    const binding = (await import(
      new URL('./napi.js', import.meta.resolve(PACKAGE)).href
    )) as Partial<NativeBinding>
    const { QuinnConfig, Server, Client } = binding
    if (!QuinnConfig || !Server || !Client) throw new Error('the binding lacks what is expected of it')
    return { QuinnConfig, Server, Client }
  } catch (cause) {
    throw new MosaikError('QUIC_UNAVAILABLE', `the native part of ${PACKAGE} could not be loaded`, { cause })
  }
}
