import { isMosaikError, nextTurn, raceSignal } from '#framework/primitives'
import type { ByteStreamEnd, ByteStreamHandlers } from '../byte-stream.js'
import type { LinkStream } from '../link-streams.js'
import { isResetByPeer } from './native-error.js'
import { discard, ignoreOutcome, isQuiet, readEnded, WRITE_BYTES_MAX, writeRefused } from './native-stream.js'
import { ReadSize } from './read-size.js'
import type { NativeStream } from './binding.js'
import type { Answer } from './negotiation.js'

export interface QuicByteStreamInit {
  readonly native: NativeStream
  /** To be said before the first bytes that are written, and in one go with them. */
  readonly preface: Uint8Array
  /** What has to come first; nothing when the other side has said its part. */
  readonly answer?: Answer
  /** What was read already, behind the other side's part. */
  readonly unread?: Uint8Array
  /** Both directions are over. */
  readonly onOver: (stream: QuicByteStream) => void
}

/**
 * A QUIC stream as links see it, with nothing in between. It reads only while somebody takes what is read, so that QUIC's
 * windows stop the sender, and never mistakes a reset by the other side for the end of the data.
 */
export class QuicByteStream implements LinkStream {
  readonly #native: NativeStream
  readonly #onOver: (stream: QuicByteStream) => void
  readonly #readSize = new ReadSize()
  #preface: Uint8Array | undefined
  #answer: Answer | undefined
  #unread: Uint8Array | undefined
  #handlers: ByteStreamHandlers | undefined
  /** Fails the write that is under way. */
  #failWrite: ((error: Error) => void) | undefined
  #isPaused = false
  #isReading = false
  #isReadOver = false
  #isWriteOver = false
  /** What broke the stream. */
  #failure: Error | undefined
  #isProtocolUnknown = false

  constructor({ native, preface, answer, unread, onOver }: QuicByteStreamInit) {
    this.#native = native
    this.#preface = preface
    this.#answer = answer
    this.#unread = unread
    this.#onOver = onOver
  }

  /** Each read brings memory of its own. */
  get chunksReleasable(): boolean {
    return true
  }

  /** A write is through when the bytes are in the transport's own buffer. */
  get buffersReusable(): boolean {
    return true
  }

  get isProtocolUnknown(): boolean {
    return this.#isProtocolUnknown
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#isWriteOver) throw this.#failure ?? new Error('the writing of this stream was ended')
    const preface = this.#preface
    this.#preface = undefined
    const all = preface === undefined ? bytes : Buffer.concat([preface, bytes])
    return new Promise((resolve, reject) => {
      this.#failWrite = reject
      const written = all.byteLength > WRITE_BYTES_MAX ? this.#writeInParts(all) : this.#native.write(all)
      written.then(
        () => {
          this.#failWrite = undefined
          resolve()
        },
        // What the other side may have said before it went can still be read.
        (cause: unknown) => reject(writeRefused(cause)),
      )
    })
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers
    const failure = this.#failure
    if (failure !== undefined) queueMicrotask(() => handlers.onEnd({ clean: false, error: failure }))
    else this.#read()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    if (this.#handlers !== undefined) this.#read()
  }

  async endWrite({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    await raceSignal(this.finish(), signal)
  }

  /** As {@link endWrite}, for as long as it takes. */
  async finish(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isWriteOver) return
    this.#isWriteOver = true
    await this.#native.finishWrite()
    if (this.#isReadOver) this.#onOver(this)
  }

  abort(error: Error): void {
    if (this.#failure !== undefined) return
    discard(this.#native)
    this.#fail(error)
  }

  async #writeInParts(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength && this.#failure === undefined; at += WRITE_BYTES_MAX) {
      await this.#native.write(bytes.subarray(at, at + WRITE_BYTES_MAX))
    }
  }

  /**
   * Asks for more, unless it is paused or there is nothing more. Not an async function that reads on and on, which would hold
   * several times as much while nothing comes: a node may have thousands of streams.
   */
  #read(): void {
    if (this.#isReading || this.#isPaused || this.#isReadOver) return
    this.#isReading = true
    const unread = this.#unread
    this.#unread = undefined
    const read = unread === undefined ? this.#native.read(this.#readSize.bytes) : Promise.resolve(unread)
    read.then(
      (chunk) => this.#onRead(chunk),
      (cause: unknown) => this.#onReadFailed(cause),
    )
  }

  #onRead(chunk: Uint8Array | null): void {
    if (this.#isReadOver) return
    if (chunk === null) return this.#onReadEnded()
    const asked = this.#readSize.bytes
    this.#readSize.onRead(chunk.byteLength)
    this.#deliver(chunk)
    if (isQuiet(chunk.byteLength, asked)) void nextTurn().then(() => this.#readOn())
    else this.#readOn()
  }

  #readOn(): void {
    this.#isReading = false
    this.#read()
  }

  #deliver(chunk: Uint8Array): void {
    const data = this.#answer === undefined ? chunk : this.#readAnswer(this.#answer, chunk)
    if (data.byteLength > 0 && !this.#isReadOver) this.#handlers?.onBytes(data)
  }

  /** @returns What came behind the answer. */
  #readAnswer(answer: Answer, chunk: Uint8Array): Uint8Array {
    try {
      const rest = answer.read(chunk)
      if (answer.isHeard) this.#answer = undefined
      return rest
    } catch (error) {
      this.#isProtocolUnknown = isMosaikError(error, 'PROTOCOL_UNKNOWN')
      this.abort(error as Error)
      return chunk
    }
  }

  #onReadEnded(): void {
    if (this.#answer === undefined) this.#endRead({ clean: true })
    else this.abort(new Error('the other side ended the stream without an answer'))
  }

  #onReadFailed(cause: unknown): void {
    if (this.#failure !== undefined) return
    // The other direction is of no use either, and a stream is only forgotten when both are over.
    ignoreOutcome(this.#native.resetWrite())
    this.#fail(
      isResetByPeer(cause) ? new Error('the other side reset the stream', { cause }) : readEnded(cause),
    )
  }

  #fail(error: Error): void {
    this.#failure = error
    this.#isWriteOver = true
    this.#unread = undefined
    this.#failWrite?.(error)
    this.#endRead({ clean: false, error })
    this.#onOver(this)
  }

  #endRead(end: ByteStreamEnd): void {
    if (this.#isReadOver) return
    this.#isReadOver = true
    this.#handlers?.onEnd(end)
    // The owner may have broken the stream off, being told.
    if (end.clean && this.#isWriteOver && this.#failure === undefined) this.#onOver(this)
  }
}
