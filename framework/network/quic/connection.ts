import type { AbortOptions, Logger, MessageStreamDirection, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { MosaikError, type Clock } from '#framework/primitives'
import type { NativeConnection } from './binding.js'

/** How long closing waits for bytes that are still going out. */
const LINGER_MS = 500
const LINGER_STEP_MS = 5
/** How long nothing may move before it counts as standing still: a busy machine runs nobody for longer than a round trip. */
const STILL_MS_MIN = 40

export interface QuicConnectionInit {
  readonly native: NativeConnection
  readonly direction: MessageStreamDirection
  readonly log: Logger
  readonly clock: Clock
}

/** A QUIC connection as libp2p sees it before and below its streams. */
export class QuicConnection extends AbstractMultiaddrConnection {
  /** As the TLS handshake proved it. */
  readonly remotePeer: PeerId
  readonly #native: NativeConnection
  readonly #clock: Clock

  /** @throws {MosaikError} `PEER_ID_MALFORMED`, when the binding names no peer. */
  constructor({ native, direction, log, clock }: QuicConnectionInit) {
    const remoteAddr = multiaddr(native.remoteMultiaddr())
    super({ remoteAddr, direction, log })
    const peer = remoteAddr.getComponents().find(({ name }) => name === 'p2p')?.value
    if (peer === undefined)
      throw new MosaikError('PEER_ID_MALFORMED', `no peer id in ${remoteAddr.toString()}`)
    this.remotePeer = peerIdFromString(peer)
    this.#native = native
    this.#clock = clock
    // How it ended, the streams find out; here both outcomes only mean that it did.
    const onClosed = (): void => this.onTransportClosed()
    native.closed().then(onClosed, onClosed)
  }

  sendData(): SendResult {
    throw new MosaikError('INVARIANT', 'a QUIC connection carries bytes in streams only')
  }

  sendReset(): void {
    this.#native.abort()
  }

  sendPause(): void {
    // Each stream is paused by itself.
  }

  sendResume(): void {
    // Each stream is resumed by itself.
  }

  /**
   * Closing a QUIC connection drops what is still on its way. The binding cannot say what was acknowledged, but it
   * counts the stream frames sent, and as long as acknowledgements keep coming, a backlog makes that number move:
   * when it stands still for two round trips everything is out, or the other side does not read.
   */
  async sendClose({ signal }: AbortOptions = {}): Promise<void> {
    const until = this.#clock.monotonic() + LINGER_MS
    const quietMs = Math.max(2 * this.#native.rtt(), STILL_MS_MIN)
    let sent = this.#native.stats().frameTxStream
    let stillSince = this.#clock.monotonic()
    for (;;) {
      const now = this.#clock.monotonic()
      const nowSent = this.#native.stats().frameTxStream
      if (nowSent !== sent) {
        sent = nowSent
        stillSince = now
      }
      if (this.status !== 'closing' || signal?.aborted || now >= until || now - stillSince >= quietMs) break
      await this.#clock.sleep(LINGER_STEP_MS)
    }
    this.#native.abort()
  }
}
