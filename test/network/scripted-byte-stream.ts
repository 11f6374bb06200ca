import type { ByteStream, ByteStreamEnd, ByteStreamHandlers } from '../../framework/network/byte-stream.js'
import { FrameReader, type RawFrame } from '../../framework/network/frame.js'

interface PendingWrite {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A byte stream whose other side is the test: it says what arrives, and when there is room. */
export class ScriptedByteStream implements ByteStream {
  readonly buffersReusable = false
  readonly chunksReleasable = false
  readonly written: Uint8Array[] = []
  /** Whether a write finds room for more at once. */
  hasRoom = true
  isPaused = false
  pauseCount = 0
  writeError: Error | undefined
  aborted: Error | undefined
  endWriteSignal: AbortSignal | undefined
  /** Whether ending the write side works at once; otherwise it never does. */
  endsWriting = true
  /** What is delivered synchronously from within the next `resume`. */
  onResume: (() => void) | undefined
  #handlers: ByteStreamHandlers | undefined
  #pending: PendingWrite | undefined

  start(handlers: ByteStreamHandlers): void {
    if (this.#handlers !== undefined) throw new Error('started twice')
    this.#handlers = handlers
  }

  write(bytes: Uint8Array): undefined | Promise<void> {
    if (this.writeError !== undefined) throw this.writeError
    // Recorded first: a second write before there is room shows in what was written, whoever swallows the error.
    this.written.push(bytes)
    if (this.#pending !== undefined) throw new Error('a second write before there was room')
    if (this.hasRoom) return undefined
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
    })
  }

  pause(): void {
    this.isPaused = true
    this.pauseCount++
  }

  resume(): void {
    this.isPaused = false
    const deliver = this.onResume
    this.onResume = undefined
    deliver?.()
  }

  endWrite({ signal }: { signal: AbortSignal }): Promise<void> {
    this.endWriteSignal = signal
    if (this.endsWriting) return Promise.resolve()
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }

  abort(error: Error): void {
    this.aborted = error
  }

  // The test's side

  receive(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.#handlers!.onBytes(chunk)
  }

  end(end: ByteStreamEnd = { clean: true }): void {
    this.#handlers!.onEnd(end)
  }

  /** The transport took what was written and has room again. */
  giveRoom(): void {
    const pending = this.#pending
    this.#pending = undefined
    pending!.resolve()
  }

  failWrite(error: Error): void {
    this.#pending!.reject(error)
  }

  /** The frames among what was written so far. */
  get frames(): RawFrame[] {
    const reader = new FrameReader(16 * 1024 * 1024)
    for (const bytes of this.written) reader.push(bytes)
    const frames: RawFrame[] = []
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame)
    return frames
  }
}
