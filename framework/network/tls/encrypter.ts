import {
  InvalidCryptoExchangeError,
  type ConnectionEncrypter,
  type MessageStream,
  type PrivateKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  type StreamMuxerFactory,
  type Upgrader,
} from '@libp2p/interface'
import { generateCertificate, verifyPeerCertificate } from '@libp2p/tls/utils'
import { TlsConnection } from './connection.js'
import { ask, established, handshakeClosed, serve } from './handshake.js'
import { TLS_PROTOCOL } from './protocol.js'
import { isTcpConnection, releaseSocket, resetWith, type TcpConnection } from './tcp-connection.js'

export interface SocketTlsInit {
  readonly privateKey: PrivateKey
  /** Knows which muxers there are. */
  readonly upgrader: Upgrader
  /** For connections that are not TCP sockets. */
  readonly otherwise: ConnectionEncrypter
}

/**
 * TLS 1.3 as libp2p uses it (libp2p specs, tls/tls.md), by Node and straight on the socket. libp2p's own encrypter gives
 * Node a stream written in JavaScript to encrypt, through which every record goes both encrypted and not: that takes more
 * of the processor than the encryption. Certificates are made and judged by the functions of that encrypter.
 */
export class SocketTls implements ConnectionEncrypter {
  readonly protocol = TLS_PROTOCOL
  readonly #privateKey: PrivateKey
  readonly #upgrader: Upgrader
  readonly #otherwise: ConnectionEncrypter

  constructor({ privateKey, upgrader, otherwise }: SocketTlsInit) {
    this.#privateKey = privateKey
    this.#upgrader = upgrader
    this.#otherwise = otherwise
  }

  async secureInbound(
    connection: MessageStream,
    options: SecureConnectionOptions = {},
  ): Promise<SecuredConnection> {
    if (!isTcpConnection(connection)) return this.#otherwise.secureInbound(connection, options)
    return this.#secure(connection, options, serve)
  }

  async secureOutbound(
    connection: MessageStream,
    options: SecureConnectionOptions = {},
  ): Promise<SecuredConnection> {
    if (!isTcpConnection(connection)) return this.#otherwise.secureOutbound(connection, options)
    return this.#secure(connection, options, ask)
  }

  /** @throws When there is no connection in the end; then the one below is aborted. */
  async #secure(
    connection: TcpConnection,
    { remotePeer: expected, signal, skipStreamMuxerNegotiation }: SecureConnectionOptions,
    begin: typeof serve,
  ): Promise<SecuredConnection> {
    const muxers: ReadonlyMap<string, StreamMuxerFactory> =
      skipStreamMuxerNegotiation === true ? new Map() : this.#upgrader.getStreamMuxers()
    try {
      const socket = releaseSocket(connection)
      const ours = await generateCertificate(this.#privateKey, signal && { signal })
      if (connection.status !== 'open') throw handshakeClosed()
      const tls = begin(socket, ours, [...muxers.keys()])
      resetWith(connection, tls)
      const { certificate, muxer } = await established(tls, signal)
      const remotePeer = await verifyPeerCertificate(certificate, expected, connection.log)
      const streamMuxer = muxer === undefined ? undefined : muxers.get(muxer)
      if (muxer !== undefined && streamMuxer === undefined) {
        throw new InvalidCryptoExchangeError(`the other side chose ${muxer}, which was not offered`)
      }
      if (connection.status !== 'open') throw handshakeClosed()
      return {
        remotePeer,
        connection: new TlsConnection(connection, tls),
        ...(streamMuxer !== undefined && { streamMuxer }),
      }
    } catch (error) {
      connection.abort(error instanceof Error ? error : handshakeClosed())
      throw error
    }
  }
}
