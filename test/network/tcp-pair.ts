import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { MultiaddrConnection, PrivateKey, StreamMuxerFactory, Upgrader } from '@libp2p/interface'
import { tls } from '@libp2p/tls'
import { silentLogger } from '#framework/primitives'
import { Identity } from '#framework/network'
import { parseAddress } from '../../framework/network/addresses.js'
import { libp2pLogger } from '../../framework/network/libp2p-logger.js'
import { libp2pPrivateKey, toLibp2pPeerId } from '../../framework/network/libp2p-keys.js'
import { SocketTls } from '../../framework/network/tls/encrypter.js'

const logger = libp2pLogger(silentLogger)

/** One TCP connection, from both of its ends. */
export interface TcpPair extends AsyncDisposable {
  /** Sockets, for tests that speak by themselves. */
  readonly dialling: Socket
  readonly accepting: Socket
  /** The same as libp2p has it, and reads it from then on. */
  connectionOf(socket: Socket): MultiaddrConnection
}

export async function tcpPair(): Promise<TcpPair> {
  const { toMultiaddrConnection } = (await import(
    new URL('./socket-to-conn.js', import.meta.resolve('@libp2p/tcp')).href
  )) as { toMultiaddrConnection: (init: object) => MultiaddrConnection }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const dialling = connect(port, '127.0.0.1').on('error', () => {})
  const [accepting] = (await once(server, 'connection')) as [Socket]
  accepting.on('error', () => {})
  if (dialling.connecting) await once(dialling, 'connect')
  return {
    dialling,
    accepting,
    connectionOf: (socket) =>
      toMultiaddrConnection({
        socket,
        remoteAddr: parseAddress(`/ip4/127.0.0.1/tcp/${port}`),
        direction: socket === dialling ? 'outbound' : 'inbound',
        log: logger.forComponent('tests'),
      }),
    [Symbol.asyncDispose]: async () => {
      dialling.destroy()
      accepting.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Somebody with a key, who encrypts in one of two ways. */
export interface Cryptographer {
  readonly peerId: ReturnType<typeof toLibp2pPeerId>
  readonly privateKey: PrivateKey
  readonly ours: SocketTls
  /** `@libp2p/tls` alone. */
  readonly libp2p: ReturnType<ReturnType<typeof tls>>
}

/** @param muxers Those that it offers and accepts by ALPN. */
export function cryptographer(muxers: readonly string[] = []): Cryptographer {
  const identity = Identity.random()
  const privateKey = libp2pPrivateKey(identity)
  const peerId = toLibp2pPeerId(identity.peerId)
  const factories = new Map(muxers.map((protocol) => [protocol, { protocol } as StreamMuxerFactory]))
  const upgrader = { getStreamMuxers: () => factories } as unknown as Upgrader
  const libp2p = tls()({ privateKey, upgrader, logger })
  return { peerId, privateKey, libp2p, ours: new SocketTls({ privateKey, upgrader, otherwise: libp2p }) }
}
