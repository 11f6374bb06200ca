import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { types } from 'node:util'
import type { AbortOptions } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import { GatheredWrites } from './gathered-writes.js'
import type { TcpConnection } from './tcp-connection.js'

/** Whoever sends so much at a time is likely to go on at once. */
const LONG_BYTES_MIN = 32 * 1024

type Sent = Parameters<AbstractMultiaddrConnection['send']>[0]
type SentList = Parameters<AbstractMultiaddrConnection['sendData']>[0]

/**
 * An encrypted TCP connection as libp2p's muxer sees it: one write of the socket at a time, of everything that waits. It
 * holds on to nothing that it is given, so that who sends may use the memory again when `send` has returned.
 *
 * Who closes or aborts does so with the connection below, whose end is the end of this one.
 */
export class TlsConnection extends AbstractMultiaddrConnection {
  readonly #transport: TcpConnection
  readonly #tls: TLSSocket
  readonly #writes: GatheredWrites

  /**
   * @param transport The connection below.
   * @param tls The TLS on its socket, with the handshake behind it.
   */
  constructor(transport: TcpConnection, tls: TLSSocket) {
    const { remoteAddr, direction, log } = transport
    super({ remoteAddr, direction, log: log.newScope('tls') })
    this.#transport = transport
    this.#tls = tls
    // A socket that is not writing has encrypted what it is given when `write` returns, and does not read it again.
    this.#writes = new GatheredWrites((bytes) => {
      this.writableNeedsDrain = true
      tls.write(bytes, this.#onWritten)
    })
    tls.on('data', (bytes) => this.onData(bytes))
    tls.on('error', (error) => transport.abort(error))
    // What was written goes out before the socket does, and not only what TLS has already handed to it.
    transport.sendClose = (options) => this.close(options)
    transport.addEventListener(
      'close',
      ({ error, local }) => {
        if (error === undefined) this.onTransportClosed()
        else if (local === true) this.abort(error)
        else this.onRemoteReset()
      },
      { once: true },
    )
  }

  override send(data: Sent): boolean {
    // A muxer goes on answering what still comes in while it is closed. Nobody reads that any more.
    if (this.writeStatus !== 'writable') return false
    if (this.#canJoin(data)) {
      this.#writes.add(data)
      this.writableNeedsDrain = true
      return false
    }
    // What has to wait for the write that is under way is kept as a copy.
    return super.send(this.writableNeedsDrain ? copyOf(data) : data)
  }

  /** Takes all of it, since the stream below the muxer has no limit of its own. */
  sendData(data: SentList): SendResult {
    const { byteLength } = data
    this.#writes.add(data)
    // "No more for now": while the socket is writing it would keep what it is given instead of encrypting it. Only a long
    // piece is likely to be followed by another one before it is written.
    const canSendMore = byteLength >= LONG_BYTES_MIN && this.#isGathering && this.#writes.room >= byteLength
    return { sentBytes: byteLength, canSendMore }
  }

  sendReset(error: Error): void {
    this.#writes.clear()
    this.#transport.abort(error)
  }

  async sendClose({ signal }: AbortOptions = {}): Promise<void> {
    if (this.#tls.closed) return
    this.#writes.flush()
    const closed = once(this.#tls, 'close', { signal })
    this.#tls.destroySoon()
    await closed
  }

  sendPause(): void {
    this.#tls.pause()
  }

  sendResume(): void {
    this.#tls.resume()
  }

  /** Whether something waits to be written: then no write is under way. */
  get #isGathering(): boolean {
    return this.#writes.byteLength > 0
  }

  /** Whether it can be written with what waits, and overtakes nothing. */
  #canJoin({ byteLength }: Sent): boolean {
    return this.#isGathering && byteLength <= this.#writes.room && this.writeBufferLength === 0
  }

  readonly #onWritten = (error: Error | null | undefined): void => {
    // What failed, the socket tells in its own event.
    if (!(error instanceof Error)) this.safeDispatchEvent('drain')
  }
}

function copyOf(data: Sent): Uint8Array {
  // What a Buffer calls a slice is a view.
  return types.isUint8Array(data) ? new Uint8Array(data) : data.slice()
}
