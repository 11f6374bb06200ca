import { connect, type Socket } from 'node:net'
import type { Logger as Libp2pLogger, MultiaddrConnection, Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { invariant, messageOf, type Clock, type PeerId } from '#framework/primitives'
import { parseAddress, withPeer } from '../addresses.js'
import type { Endpoint } from './address-scope.js'

/** After a refusal: the other side's router answers so until our peer's first packet has gone out through it. */
const RETRY_MS = 40
/** Beyond so many refusals nobody will answer in this round. */
const ATTEMPTS_MAX = 40

export interface PunchOptions {
  readonly peer: PeerId
  /** Where the other side's packets come from, and ours have to go. */
  readonly to: Endpoint
  /** The local port whose mapping the other side knows. */
  readonly localPort: number
  /** Who of the two is the dialler of the connection; the other side is the other one. */
  readonly role: 'inbound' | 'outbound'
  readonly upgrader: Upgrader
  readonly log: Libp2pLogger
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Makes a TCP connection with a peer that does the same at the same time (RFC 9293 §3.5, "simultaneous open"). Each
 * packet that goes out opens the own router to those that come back from there. Resolves when the connection is up and
 * both have proven who they are.
 *
 * @throws The signal's reason, or the last failure.
 */
export async function punch(options: PunchOptions): Promise<void> {
  const { peer, to, role, upgrader, log, signal } = options
  const toMultiaddrConnection = await socketConnections()
  const socket = await connectSimultaneously(options)
  const address = parseAddress(`/ip${to.ip.includes(':') ? 6 : 4}/${to.ip}/tcp/${to.port}`)
  const remoteAddr = parseAddress(withPeer(address, peer))
  const connection = toMultiaddrConnection({ socket, remoteAddr, direction: role, log })
  try {
    if (role === 'inbound') await upgrader.upgradeInbound(connection, { signal })
    else await upgrader.upgradeOutbound(connection, { signal })
  } catch (error) {
    connection.abort(new Error(messageOf(error)))
    throw error
  }
}

async function connectSimultaneously({ to, localPort, clock, signal }: PunchOptions): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    try {
      return await connectOnce(to, localPort, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (attempt >= ATTEMPTS_MAX) throw error
      await clock.sleep(RETRY_MS, { signal })
    }
  }
}

function connectOnce({ ip, port }: Endpoint, localPort: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const localAddress = ip.includes(':') ? '::' : '0.0.0.0'
    const socket = connect({ host: ip, port, localAddress, localPort, noDelay: true, keepAlive: true })
    const onAbort = (): void => {
      socket.destroy()
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', (error) => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      reject(error)
    })
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(socket)
    })
  })
}

type ToMultiaddrConnection = (init: {
  socket: Socket
  remoteAddr: Multiaddr
  direction: 'inbound' | 'outbound'
  log: Libp2pLogger
}) => MultiaddrConnection

const PACKAGE = '@libp2p/tcp'

/** What `@libp2p/tcp` makes its connections with, which lies beside its entry without being exported. */
async function socketConnections(): Promise<ToMultiaddrConnection> {
  const file = new URL('./socket-to-conn.js', import.meta.resolve(PACKAGE)).href
  const { toMultiaddrConnection } = (await import(file)) as {
    toMultiaddrConnection?: ToMultiaddrConnection
  }
  invariant(toMultiaddrConnection !== undefined, `${PACKAGE} is another than the one we know`)
  return toMultiaddrConnection
}
