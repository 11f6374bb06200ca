import type { AbortOptions, MessageStreamDirection, MultiaddrConnection, Stream } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { messageOf } from '#framework/primitives'

/**
 * A stream through a relay as libp2p sees a connection. The direction is said, not taken from the stream: who asked the
 * relay is the dialler on both ends.
 */
export function streamConnection(
  stream: Stream,
  remoteAddr: Multiaddr,
  direction: MessageStreamDirection,
): MultiaddrConnection {
  return new StreamConnection(stream, remoteAddr, direction)
}

class StreamConnection extends AbstractMultiaddrConnection {
  readonly #stream: Stream

  constructor(stream: Stream, remoteAddr: Multiaddr, direction: MessageStreamDirection) {
    super({ remoteAddr, direction, log: stream.log.newScope('relayed') })
    this.#stream = stream
    stream.addEventListener('message', ({ data }) => this.onData(data))
    stream.addEventListener('drain', () => this.#onDrain())
    stream.addEventListener('close', ({ error }) => this.onTransportClosed(error), { once: true })
    // A connection has no half that is closed alone: when the other end writes no more, it has gone.
    stream.addEventListener(
      'remoteCloseWrite',
      () => void this.close().catch((error: unknown) => this.abort(new Error(messageOf(error)))),
      { once: true },
    )
  }

  sendData(data: Parameters<AbstractMultiaddrConnection['sendData']>[0]): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#stream.send(data) }
  }

  async sendClose(options?: AbortOptions): Promise<void> {
    await this.#stream.close(options)
  }

  sendReset(error: Error): void {
    this.#stream.abort(error)
  }

  sendPause(): void {
    if (this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  sendResume(): void {
    if (this.#stream.readStatus === 'paused') this.#stream.resume()
  }

  /** The stream hands over what is still queued in a microtask; only then it is known whether there is room. */
  #onDrain(): void {
    queueMicrotask(() => {
      if (!this.#stream.writableNeedsDrain) this.safeDispatchEvent('drain')
    })
  }
}
