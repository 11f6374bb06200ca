import { types } from 'node:util'
import type { Stream, StreamCloseEvent } from '@libp2p/interface'
import { messageOf } from '#framework/primitives'
import type { ByteStream, ByteStreamHandlers } from './byte-stream.js'

/**
 * Any libp2p stream, QUIC's, yamux's or another muxer's, as links want it.
 *
 * @param memory What this transport does with memory; see {@link ByteStream}.
 */
export function byteStreamOf(stream: Stream, memory: StreamMemory): ByteStream {
  return new Libp2pByteStream(stream, memory)
}

export type StreamMemory = Pick<ByteStream, 'buffersReusable' | 'chunksReleasable'>

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

class Libp2pByteStream implements ByteStream {
  readonly buffersReusable: boolean
  readonly chunksReleasable: boolean
  readonly #stream: Stream
  #handlers: ByteStreamHandlers | undefined
  /** The write that waits for room. */
  #waiting: Waiting | undefined
  /** The other side finished writing, as opposed to having gone. */
  #finishedByPeer: boolean
  #isClosed = false
  #closeError: Error | undefined
  #isEndTold = false
  #isResuming = false
  /** What the reader asked for last. */
  #isPauseWanted = false

  constructor(stream: Stream, { buffersReusable, chunksReleasable }: StreamMemory) {
    this.#stream = stream
    this.buffersReusable = buffersReusable
    this.chunksReleasable = chunksReleasable
    // Before anybody could listen the other side may have finished already: then its data is there, and nothing else
    // that closes a stream leaves it open for us.
    this.#finishedByPeer = stream.status === 'open' && stream.remoteWriteStatus === 'closed'
    stream.addEventListener('remoteCloseWrite', () => void (this.#finishedByPeer = true), { once: true })
    stream.addEventListener('drain', this.#onDrain)
    stream.addEventListener('close', this.#onClose, { once: true })
  }

  write(bytes: Uint8Array): undefined | Promise<void> {
    if (this.#stream.send(bytes)) return undefined
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      // The send itself may have broken the stream, and then nothing more will be heard of it.
      if (this.#isClosed || this.#isBroken) this.#rejectWaiting()
    })
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers
    this.#stream.addEventListener('end', this.#onEnd)
    this.#stream.addEventListener('message', ({ data }) => {
      if (types.isUint8Array(data)) handlers.onBytes(data)
      else for (const chunk of data) handlers.onBytes(chunk)
    })
    if (this.#stream.readableEnded) queueMicrotask(() => this.#tellEnd())
  }

  pause(): void {
    this.#isPauseWanted = true
    if (!this.#isResuming && this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  /**
   * A stream first delivers what had waited and then tells its muxer that it takes more. A pause between the two would
   * be forgotten by the muxer: the other side would go on until the buffer overflows and the stream is reset. So a
   * pause that is asked for meanwhile comes afterwards.
   */
  resume(): void {
    this.#isPauseWanted = false
    if (this.#isResuming || this.#stream.readStatus !== 'paused') return
    this.#isResuming = true
    try {
      this.#stream.resume()
    } catch {
      // A muxer's stream says that it takes more; when the connection below has just gone, it finds nobody to say it to.
      // That the stream is over is told by its own events.
    } finally {
      this.#isResuming = false
    }
    if (this.#isPauseWanted) this.pause()
  }

  async endWrite({ signal }: { signal: AbortSignal }): Promise<void> {
    try {
      await this.#stream.close({ signal })
    } catch {
      // libp2p rejects with an event when the stream breaks meanwhile; what broke it is known here.
      signal.throwIfAborted()
      throw this.#failure()
    }
    if (this.#isBroken) throw this.#failure()
  }

  abort(error: Error): void {
    this.#stream.abort(error)
  }

  get #isBroken(): boolean {
    return this.#stream.status === 'reset' || this.#stream.status === 'aborted'
  }

  /**
   * The stream's own listener came first and hands over what is still queued in a microtask; only then it is known
   * whether there is room.
   */
  readonly #onDrain = (): void => {
    if (this.#waiting === undefined) return
    queueMicrotask(() => {
      if (
        this.#waiting === undefined ||
        this.#stream.writableNeedsDrain ||
        this.#stream.writeBufferLength > 0
      )
        return
      const { resolve } = this.#waiting
      this.#waiting = undefined
      resolve()
    })
  }

  readonly #onClose = ({ error }: StreamCloseEvent): void => {
    this.#isClosed = true
    this.#closeError = error
    this.#rejectWaiting()
    // A stream that its reader had paused may still hold data; its end is told when that was delivered.
    if (this.#stream.readBufferLength === 0) this.#tellEnd()
  }

  readonly #onEnd = (): void => {
    // The end of a broken stream is announced before the event that says what broke it.
    if (this.#isClosed || !this.#isBroken) this.#tellEnd()
  }

  #tellEnd(): void {
    if (this.#isEndTold || this.#handlers === undefined) return
    this.#isEndTold = true
    if (this.#finishedByPeer && !this.#isBroken) this.#handlers.onEnd({ clean: true })
    else this.#handlers.onEnd({ clean: false, error: this.#failure() })
  }

  #rejectWaiting(): void {
    this.#waiting?.reject(this.#failure())
    this.#waiting = undefined
  }

  #failure(): Error {
    const { status } = this.#stream
    const known = this.#closeError === undefined ? '' : `: ${messageOf(this.#closeError)}`
    const text = status === 'reset' ? 'the other side reset the stream' : `the stream is over${known}`
    return new Error(text, { cause: this.#closeError })
  }
}
