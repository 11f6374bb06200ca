import type { CreateStreamOptions, Logger, MessageStream, StreamMuxerFactory } from '@libp2p/interface'
import { AbstractStreamMuxer } from '@libp2p/utils'
import { MosaikError, messageOf, raceSignal, type Clock } from '#framework/primitives'
import { QuicStream } from './stream.js'
import type { NativeConnection, NativeStream } from './binding.js'

const NAME = 'quic'
/** How many streams may wait for the other side's permission to open. */
const OPENING_MAX = 1_024
/** How long one waits where nobody says. libp2p passes no signal of its own accord. */
const OPENING_TIMEOUT_MS = 5_000

export interface QuicMuxerInit {
  readonly native: NativeConnection
  readonly clock: Clock
}

/** Makes the muxer of one connection: QUIC brings its own streams. */
export function quicMuxerFactory(init: QuicMuxerInit): StreamMuxerFactory {
  return {
    protocol: NAME,
    createStreamMuxer: (connection: MessageStream) => new QuicMuxer(connection, init),
  }
}

class QuicMuxer extends AbstractStreamMuxer<QuicStream> {
  readonly #native: NativeConnection
  readonly #clock: Clock
  #openingCount = 0
  /** Why no more streams come in, once that is known. */
  #lossText: string | undefined

  constructor(connection: MessageStream, { native, clock }: QuicMuxerInit) {
    super(connection, { protocol: NAME, name: NAME })
    this.#native = native
    this.#clock = clock
    void this.#acceptAll()
  }

  /**
   * Opens a stream. The other side hears of it with the first bytes.
   *
   * @throws The signal's reason, or a TimeoutError after 5 s, while the other side allows no more streams.
   */
  async onCreateStream({ signal }: CreateStreamOptions): Promise<QuicStream> {
    if (this.#openingCount >= OPENING_MAX) {
      throw new MosaikError('STREAMS_EXHAUSTED', `${OPENING_MAX} streams already wait to be opened`)
    }
    this.#openingCount++
    const opening = this.#native.outboundStream()
    // Counted until the native side is done with it: a stream that nobody waits for any more still takes its place.
    const settle = (): void => void this.#openingCount--
    opening.then(settle, settle)
    using deadline = this.#clock.deadline(OPENING_TIMEOUT_MS, signal)
    const native = await raceSignal(opening, deadline.signal, discard)
    if (this.status !== 'open') {
      discard(native)
      throw new MosaikError(
        'CONNECTION_CLOSED',
        'the QUIC connection was closed while a stream was being opened',
      )
    }
    return this.#wrap(native, 'outbound', this.log)
  }

  onData(): void {
    // Bytes travel in streams only.
  }

  /** A connection that ends takes its streams with it, and that is never their clean end. */
  override onTransportClosed(error?: Error): void {
    const reason = error ?? new Error(`QUIC connection over: ${this.#lossText ?? 'closed'}`)
    this.status = 'closed'
    for (const stream of this.streams.slice()) stream.abort(reason)
  }

  async #acceptAll(): Promise<void> {
    for (;;) {
      let native
      try {
        native = await this.#native.inboundStream()
      } catch (error) {
        // Streams are only refused when the connection is over, and this error is the one that says why.
        this.#lossText = messageOf(error)
        return
      }
      if (this.status === 'open') this.onRemoteStream(this.#wrap(native, 'inbound', this.log))
      else discard(native)
    }
  }

  #wrap(native: NativeStream, direction: 'inbound' | 'outbound', log: Logger): QuicStream {
    return new QuicStream({ native, direction, log, clock: this.#clock })
  }
}

/** Closes a stream that nobody wants. */
function discard(native: NativeStream): void {
  native.resetWrite().catch(() => {})
  native.stopRead().catch(() => {})
}
