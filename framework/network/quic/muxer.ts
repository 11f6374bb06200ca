import type {
  AbortOptions,
  CreateStreamOptions,
  Logger,
  MessageStream,
  StreamMuxerFactory,
} from '@libp2p/interface'
import { AbstractStreamMuxer } from '@libp2p/utils'
import { MosaikError, messageOf, raceSignal, type Clock } from '#framework/primitives'
import { offerLinkStreams, type LinkStream, type LinkStreamRoute, type LinkStreams } from '../link-streams.js'
import { QuicByteStream, type QuicByteStreamInit } from './byte-stream.js'
import { Answer, proposalOf, readProposal, refusal } from './negotiation.js'
import { discard, ignoreOutcome } from './native-stream.js'
import { QuicStream } from './stream.js'
import type { NativeConnection, NativeStream } from './binding.js'

const NAME = 'quic'
/** How many streams may wait for the other side's permission to open. */
const OPENING_MAX = 1_024
/** How long one waits where nobody says. libp2p passes no signal of its own accord. */
const OPENING_TIMEOUT_MS = 5_000
/** How long an inbound stream may be without its first bytes. */
const FIRST_BYTES_TIMEOUT_MS = 10_000
/** As much as a proposal may have, and the beginning of what follows. */
const FIRST_BYTES_MAX = 1_024

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

class QuicMuxer extends AbstractStreamMuxer<QuicStream> implements LinkStreams {
  readonly #native: NativeConnection
  readonly #clock: Clock
  readonly #linkStreams = new Set<QuicByteStream>()
  /** One for all of them. */
  readonly #onLinkStreamOver = (stream: QuicByteStream): void => void this.#linkStreams.delete(stream)
  #routeOf: ((protocol: string) => LinkStreamRoute) | undefined
  #openingCount = 0
  /** Inbound streams of which nothing was heard yet. */
  #silentCount = 0
  /** Why no more streams come in, once that is known. */
  #lossText: string | undefined

  constructor(connection: MessageStream, { native, clock }: QuicMuxerInit) {
    super(connection, { protocol: NAME, name: NAME })
    this.#native = native
    this.#clock = clock
    offerLinkStreams(connection, this)
    void this.#acceptAll()
  }

  get count(): number {
    return this.#linkStreams.size + this.#silentCount
  }

  async open(protocol: string, { signal }: { readonly signal: AbortSignal }): Promise<LinkStream> {
    const native = await this.#openNative(signal)
    const proposal = proposalOf(protocol)
    return this.#keep({ native, preface: proposal, answer: new Answer(proposal) })
  }

  serve(routeOf: (protocol: string) => LinkStreamRoute): void {
    this.#routeOf = routeOf
  }

  /**
   * Opens a stream. The other side hears of it with the first bytes.
   *
   * @throws The signal's reason, or a TimeoutError after 5 s, while the other side allows no more streams.
   */
  async onCreateStream({ signal }: CreateStreamOptions): Promise<QuicStream> {
    return this.#wrap(await this.#openNative(signal), 'outbound', this.log)
  }

  onData(): void {
    // Bytes travel in streams only.
  }

  /** What was written goes out first, and the other side of each stream sees its end. */
  override async close(options?: AbortOptions): Promise<void> {
    const finishing = Array.from(this.#linkStreams, (stream) => stream.finish())
    await Promise.all([raceSignal(Promise.allSettled(finishing), options?.signal), super.close(options)])
  }

  override abort(error: Error): void {
    super.abort(error)
    this.#abortLinkStreams(error)
  }

  /** A connection that ends takes its streams with it, and that is never their clean end. */
  override onTransportClosed(error?: Error): void {
    const reason = error ?? new Error(`QUIC connection over: ${this.#lossText ?? 'closed'}`)
    this.status = 'closed'
    for (const stream of this.streams.slice()) stream.abort(reason)
    this.#abortLinkStreams(reason)
  }

  async #openNative(signal: AbortSignal | undefined): Promise<NativeStream> {
    if (this.status !== 'open') throw connectionClosed()
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
    if (this.status === 'open') return native
    discard(native)
    throw connectionClosed()
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
      if (this.status !== 'open') discard(native)
      else if (this.#routeOf === undefined) this.#giveToLibp2p(native)
      else void this.#route(native, this.#routeOf)
    }
  }

  /** Looks what an inbound stream is for. */
  async #route(native: NativeStream, routeOf: (protocol: string) => LinkStreamRoute): Promise<void> {
    this.#silentCount++
    let isTooLate = false
    const patience = this.#clock.after(FIRST_BYTES_TIMEOUT_MS, () => {
      isTooLate = true
      discard(native)
    })
    let first
    try {
      first = await native.read(FIRST_BYTES_MAX)
    } catch {
      // It was reset, or the connection is over.
    } finally {
      patience.cancel()
      this.#silentCount--
    }
    if (isTooLate) return
    if (!first || this.status !== 'open') return discard(native)
    const proposal = readProposal(first)
    const route = proposal === undefined ? 'libp2p' : routeOf(proposal.protocol)
    if (proposal === undefined || route === 'libp2p') this.#giveToLibp2p(native, first)
    else if (route === 'unknown') refuse(native)
    else route(this.#keep({ native, preface: proposalOf(proposal.protocol), unread: proposal.rest }))
  }

  #keep(init: Omit<QuicByteStreamInit, 'onOver'>): QuicByteStream {
    const stream = new QuicByteStream({ ...init, onOver: this.#onLinkStreamOver })
    this.#linkStreams.add(stream)
    return stream
  }

  #abortLinkStreams(error: Error): void {
    for (const stream of this.#linkStreams) stream.abort(error)
  }

  #giveToLibp2p(native: NativeStream, unread?: Uint8Array): void {
    this.onRemoteStream(this.#wrap(native, 'inbound', this.log, unread))
  }

  #wrap(
    native: NativeStream,
    direction: 'inbound' | 'outbound',
    log: Logger,
    unread?: Uint8Array,
  ): QuicStream {
    return new QuicStream({ native, direction, log, unread, clock: this.#clock })
  }
}

function connectionClosed(): MosaikError {
  return new MosaikError(
    'CONNECTION_CLOSED',
    'the QUIC connection was closed while a stream was being opened',
  )
}

/** Answers an opener whose protocol nobody speaks. What it has said behind the proposal is of no interest. */
function refuse(native: NativeStream): void {
  ignoreOutcome(native.stopRead())
  ignoreOutcome(native.write(refusal()).then(() => native.finishWrite()))
}
