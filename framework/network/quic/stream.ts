import { AbstractStream, type AbstractStreamInit, type SendResult } from '@libp2p/utils'
import type { AbortOptions } from '@libp2p/interface'
import { nextTurn, type Clock, type Timer } from '#framework/primitives'
import { isResetByPeer, isStoppedByPeer } from './native-error.js'
import { discard, ignoreOutcome, isQuiet, readEnded, WRITE_BYTES_MAX, writeRefused } from './native-stream.js'
import { ReadSize } from './read-size.js'
import type { NativeStream } from './binding.js'

/** How much is read before anybody listens, for instance while a protocol's handler is being looked up. */
const UNHEARD_BYTES_MAX = 128 * 1024
/** How long after a refused write the other side's last words may still come in. */
const LAST_WORDS_MS = 1_000

export interface QuicStreamInit extends Omit<AbstractStreamInit, 'id'> {
  readonly native: NativeStream
  readonly clock: Clock
  /** What was read already. */
  readonly unread?: Uint8Array | undefined
}

/**
 * A QUIC stream as libp2p sees it. What it makes sure of: a paused reader stops the sender at the transport's window; a
 * reset by the other side is never mistaken for the end of the data; at most one native write is under way; after an
 * abort nothing native is left pending for longer than the other side takes to notice.
 */
export class QuicStream extends AbstractStream {
  readonly #native: NativeStream
  readonly #clock: Clock
  readonly #readSize = new ReadSize()
  /** Lets the read loop look again whether it may go on. */
  #wakeReader: (() => void) | undefined
  #lastWords: Timer | undefined

  constructor({ native, clock, unread, ...init }: QuicStreamInit) {
    super({ ...init, id: native.id(), maxMessageSize: WRITE_BYTES_MAX })
    this.#native = native
    this.#clock = clock
    this.addEventListener('close', () => this.#onOver())
    if (unread !== undefined) this.onData(unread)
    void this.#readAll()
  }

  sendData(data: Parameters<AbstractStream['sendData']>[0]): SendResult {
    const bytes = data.subarray()
    this.#native.write(bytes).then(
      () => void this.safeDispatchEvent('drain'),
      (error: unknown) => this.#onWriteRefused(error),
    )
    // "No more for now" until the write is through: this is what keeps a second one from overtaking it.
    return { sentBytes: bytes.byteLength, canSendMore: false }
  }

  sendReset(): void {
    discard(this.#native)
  }

  /** Called when everything written is in the transport's hands. */
  async sendCloseWrite(): Promise<void> {
    await this.#native.finishWrite()
  }

  async sendCloseRead(_options?: AbortOptions): Promise<void> {
    ignoreOutcome(this.#native.stopRead())
    // Whatever still comes is of no interest, and neither is its end.
    this.onRemoteCloseWrite()
  }

  sendPause(): void {
    // The read loop looks at the status before each read.
  }

  sendResume(): void {
    this.#wakeReader?.()
  }

  /** Called when data may go on to whoever listens: when it arrives, and when somebody begins to listen. */
  protected override dispatchReadBuffer(): void {
    super.dispatchReadBuffer()
    this.#wakeReader?.()
  }

  /** Reads to the end, but only while somebody takes what is read; QUIC's windows stop the sender meanwhile. */
  async #readAll(): Promise<void> {
    for (;;) {
      while (this.#mustWait) await new Promise<void>((resolve) => (this.#wakeReader = resolve))
      if (!this.#isReading) return
      const asked = this.#readSize.bytes
      let chunk
      try {
        chunk = await this.#native.read(asked)
      } catch (error) {
        if (this.#isReading) this.#onReadFailed(error)
        return
      }
      if (!this.#isReading) return
      if (chunk === null) {
        this.onRemoteCloseWrite()
        return
      }
      this.#readSize.onRead(chunk.byteLength)
      this.onData(chunk)
      if (isQuiet(chunk.byteLength, asked)) await nextTurn()
    }
  }

  get #isAlive(): boolean {
    return this.status === 'open' || this.status === 'closing'
  }

  /** False as well when our side closed the read direction and wants no more. */
  get #isReading(): boolean {
    return this.#isAlive && this.readStatus !== 'closing' && this.readStatus !== 'closed'
  }

  get #mustWait(): boolean {
    if (!this.#isReading) return false
    if (this.readStatus === 'paused') return true
    return this.readBufferLength >= UNHEARD_BYTES_MAX && this.listenerCount('message') === 0
  }

  #onReadFailed(error: unknown): void {
    if (isResetByPeer(error)) {
      this.onRemoteReset()
      // The other direction is of no use either, and a stream is only forgotten when both are over.
      ignoreOutcome(this.#native.resetWrite())
      return
    }
    this.abort(readEnded(error))
  }

  #onWriteRefused(error: unknown): void {
    if (!this.#isAlive) return
    const failure = writeRefused(error)
    if (!isStoppedByPeer(error)) {
      this.abort(failure)
      return
    }
    // Whoever stops us has given up on the stream and may have said why. Aborting now would throw those words away,
    // so the read side gets a moment to come to its end, which ends the whole stream.
    this.#lastWords ??= this.#clock.after(LAST_WORDS_MS, () => this.abort(failure))
  }

  #onOver(): void {
    this.#lastWords?.cancel()
    this.#wakeReader?.()
  }
}
