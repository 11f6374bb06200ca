import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { AbortOptions, MessageStream, MultiaddrConnection } from '@libp2p/interface'
import { invariant } from '#framework/primitives'
import { transportOf } from '../addresses.js'

/** A connection of `@libp2p/tcp`, with what is taken a hand in: its own type hides that. */
export interface TcpConnection extends MultiaddrConnection {
  readonly socket: Socket
  /** What has arrived and was not taken. */
  readonly readBuffer: { readonly byteLength: number; slice(): Uint8Array; consume(byteCount: number): void }
  /** Ends the connection when everything that was written is on its way. */
  sendClose(options?: AbortOptions): Promise<void>
  /** Ends the connection at once. */
  sendReset(error: Error): void
}

/** Whether it is a TCP connection itself, and not one through a relay or within the process. */
export function isTcpConnection(connection: MessageStream): connection is TcpConnection {
  const { remoteAddr, socket, readBuffer, sendClose, sendReset } = connection as Partial<TcpConnection>
  if (remoteAddr === undefined || transportOf(remoteAddr) !== 'tcp') return false
  const isKnown =
    socket instanceof Socket && readBuffer !== undefined && sendClose !== undefined && sendReset !== undefined
  // Whoever writes to such a connection counts on what is done with buffers here.
  invariant(isKnown, '@libp2p/tcp is another than the one we know')
  return true
}

/**
 * Stops the connection from reading its socket, and puts back what it has read too much: what the other side sent right
 * behind the choice of TLS is already TLS.
 */
export function releaseSocket({ socket, readBuffer }: TcpConnection): Socket {
  socket.pause()
  socket.removeAllListeners('data')
  if (readBuffer.byteLength > 0) {
    socket.unshift(readBuffer.slice())
    readBuffer.consume(readBuffer.byteLength)
  }
  return socket
}

/**
 * Lets the connection be reset although its socket is read and written by TLS.
 *
 * The TLS is not destroyed here but by the end of its socket, in a turn of its own. Destroyed after its socket, it would
 * free at once what OpenSSL or a write may still be using.
 */
export function resetWith(connection: TcpConnection, tls: TLSSocket): void {
  const { socket } = connection
  connection.sendReset = () => {
    if (socket.destroyed) return
    // A socket that is being shut down cannot be reset (libuv answers EINVAL), and Node would lose it, open.
    if (socket.writableEnded || tls.writableEnded) socket.destroy()
    else socket.resetAndDestroy()
  }
}
