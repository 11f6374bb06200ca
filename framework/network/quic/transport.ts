import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import {
  serviceCapabilities,
  transportSymbol,
  type ComponentLogger,
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type Logger,
  type MessageStreamDirection,
  type PrivateKey,
  type Transport,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MosaikError, raceSignal, type Clock } from '#framework/primitives'
import { isQuicAddress, resolveUdpAddress, type UdpAddress } from './address.js'
import { QuicConnection } from './connection.js'
import { QuicListener } from './listener.js'
import { quicMuxerFactory } from './muxer.js'
import type { NativeBinding, NativeClient, NativeConfig, NativeConnection, SocketFamily } from './binding.js'

/** Figures of the QUIC connections of one node. All of them hold for both directions. */
export interface QuicOptions {
  /** A connection over which nothing came for so long is lost. Milliseconds. */
  readonly idleTimeoutMs: number
  /** An idle connection is kept alive by a packet this often, without waking JavaScript. Milliseconds. */
  readonly keepAliveIntervalMs: number
  /** Streams that the other side may have open at once. */
  readonly streamsMax: number
  /** What the other side may send on one stream before it is read. Bytes. */
  readonly streamWindowBytes: number
  /** What the other side may send on all streams before it is read. Bytes. */
  readonly connectionWindowBytes: number
  /** Of each dialling socket; the system may grant less. A listening socket has the system's default. Bytes. */
  readonly socketBufferBytes: number
}

interface Components {
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
}

/** A libp2p transport over quinn, made for one node. */
export function quic(
  binding: NativeBinding,
  options: QuicOptions,
  clock: Clock,
): (components: Components) => Transport {
  return (components) => new QuicTransport(binding, options, clock, components)
}

class QuicTransport implements Transport {
  readonly [transportSymbol] = true
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport']
  readonly #binding: NativeBinding
  readonly #config: NativeConfig
  readonly #clock: Clock
  readonly #log: Logger
  /** Made on the first dial, so that a node which never dials opens no sockets for it. */
  readonly #clients = new Map<SocketFamily, NativeClient>()
  #stopped = false

  constructor(
    binding: NativeBinding,
    options: QuicOptions,
    clock: Clock,
    { privateKey, logger }: Components,
  ) {
    this.#binding = binding
    this.#clock = clock
    this.#log = logger.forComponent('mosaik:quic')
    this.#config = new binding.QuinnConfig({
      privateKeyProto: privateKeyToProtobuf(privateKey),
      handshakeTimeout: options.idleTimeoutMs,
      maxIdleTimeout: options.idleTimeoutMs,
      keepAliveInterval: options.keepAliveIntervalMs,
      maxConcurrentStreamLimit: options.streamsMax,
      maxStreamData: options.streamWindowBytes,
      maxConnectionData: options.connectionWindowBytes,
      receiveBufferSize: options.socketBufferBytes,
      sendBufferSize: options.socketBufferBytes,
    })
  }

  get [Symbol.toStringTag](): string {
    return 'mosaik-quic'
  }

  listenFilter = (addresses: Multiaddr[]): Multiaddr[] => addresses.filter(isQuicAddress)

  dialFilter = (addresses: Multiaddr[]): Multiaddr[] => addresses.filter(isQuicAddress)

  /**
   * Rejects with the signal's reason as soon as it aborts; a connection that comes about later is closed.
   *
   * @throws {MosaikError} `PEER_UNEXPECTED`, when another peer than the address names answers.
   */
  async dial(address: Multiaddr, { signal, upgrader }: DialTransportOptions): Promise<Connection> {
    signal.throwIfAborted()
    const target = await raceSignal(resolveUdpAddress(address), signal)
    const dialling = this.#client(target).outboundConnection(target.ip, target.port)
    const native = await raceSignal(dialling, signal, (late) => late.abort())
    try {
      const connection = this.#wrap(native, 'outbound')
      const expected = address.getComponents().find(({ name }) => name === 'p2p')?.value
      if (expected !== undefined && expected !== connection.remotePeer.toString()) {
        throw new MosaikError('PEER_UNEXPECTED', `another peer answers: ${connection.remotePeer.toString()}`)
      }
      return await upgrader.upgradeOutbound(connection, this.#upgradeOptions(native, connection, signal))
    } catch (error) {
      native.abort()
      throw error
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    return new QuicListener({
      binding: this.#binding,
      config: this.#config,
      clock: this.#clock,
      upgrader,
      upgrade: async (native, to, signal) => {
        const connection = this.#wrap(native, 'inbound')
        await to.upgradeInbound(connection, this.#upgradeOptions(native, connection, signal))
      },
    })
  }

  /** libp2p calls these two around the transport's life. */
  start(): void {
    this.#stopped = false
  }

  stop(): void {
    this.#stopped = true
    for (const client of this.#clients.values()) client.abort()
    this.#clients.clear()
  }

  #client({ family }: UdpAddress): NativeClient {
    if (this.#stopped) throw new MosaikError('TRANSPORT_STOPPED', 'the QUIC transport was stopped')
    let client = this.#clients.get(family)
    if (client === undefined) {
      client = new this.#binding.Client(this.#config, family)
      this.#clients.set(family, client)
    }
    return client
  }

  #wrap(native: NativeConnection, direction: MessageStreamDirection): QuicConnection {
    return new QuicConnection({ native, direction, log: this.#log, clock: this.#clock })
  }

  #upgradeOptions(native: NativeConnection, connection: QuicConnection, signal: AbortSignal) {
    return {
      skipEncryption: true,
      skipProtection: true,
      remotePeer: connection.remotePeer,
      muxerFactory: quicMuxerFactory({ native, clock: this.#clock }),
      signal,
    } as const
  }
}
