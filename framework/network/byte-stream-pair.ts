import { invariant, MosaikError, nextTurn, Ring } from '#framework/primitives'
import type { ByteStream, ByteStreamHandlers } from './byte-stream.js'

export interface ByteStreamPairOptions {
  /** Bytes that may be on their way in one direction before its writer has to wait. 256 KiB by default. */
  readonly bufferedBytesMax?: number
  /**
   * Whether each side gets its own copy of what the other writes, so that writers may reuse their buffers. By default
   * a chunk is passed on as it is, which costs nothing.
   */
  readonly copies?: boolean
}

/**
 * Two byte streams that are each other's other side, within one process. Delivery is asynchronous, in a microtask,
 * and the event loop gets its turn after at most 1 MiB or 256 chunks.
 */
export function byteStreamPair(options: ByteStreamPairOptions = {}): [ByteStream, ByteStream] {
  const { bufferedBytesMax = 256 * 1024, copies = false } = options
  const there = new Pipe(bufferedBytesMax, copies)
  const back = new Pipe(bufferedBytesMax, copies)
  return [new PipedByteStream(back, there, copies), new PipedByteStream(there, back, copies)]
}

class PipedByteStream implements ByteStream {
  /** What one side has written, it may still hold. */
  readonly chunksReleasable = false
  readonly buffersReusable: boolean
  readonly #inbound: Pipe
  readonly #outbound: Pipe

  constructor(inbound: Pipe, outbound: Pipe, buffersReusable: boolean) {
    this.#inbound = inbound
    this.#outbound = outbound
    this.buffersReusable = buffersReusable
  }

  start(handlers: ByteStreamHandlers): void {
    this.#inbound.start(handlers)
  }

  write(bytes: Uint8Array): undefined | Promise<void> {
    return this.#outbound.write(bytes)
  }

  pause(): void {
    this.#inbound.pause()
  }

  resume(): void {
    this.#inbound.resume()
  }

  endWrite(options: { signal: AbortSignal }): Promise<void> {
    return this.#outbound.end(options.signal)
  }

  abort(error: Error): void {
    this.#outbound.breakOff(error)
    this.#inbound.abandon(error)
  }
}

/** What one turn of the event loop may deliver, where every chunk counts for at least CHUNK_COST_MIN. */
const TURN_BYTES_MAX = 1024 * 1024
const CHUNK_COST_MIN = 4096

/** One direction. */
class Pipe {
  readonly #bufferedBytesMax: number
  readonly #copies: boolean
  readonly #chunks = new Ring<Uint8Array>(Number.MAX_SAFE_INTEGER)
  #bufferedBytes = 0
  #state: 'flowing' | 'ended' | 'broken' = 'flowing'
  #error: Error | undefined
  /** The writer that waits for room, and the one that waits for the end to be delivered. */
  #room: PromiseWithResolvers<void> | undefined
  #flushed: PromiseWithResolvers<void> | undefined
  #reader: ByteStreamHandlers | undefined
  #isPaused = false
  #isScheduled = false
  #isEndTold = false
  #turnBytes = 0

  constructor(bufferedBytesMax: number, copies: boolean) {
    this.#bufferedBytesMax = bufferedBytesMax
    this.#copies = copies
  }

  // The writer's side

  write(bytes: Uint8Array): undefined | Promise<void> {
    if (this.#state !== 'flowing') {
      throw this.#error ?? new MosaikError('STREAM_ENDED', 'the write side of the stream has ended')
    }
    invariant(this.#room === undefined, 'one write at a time')
    this.#chunks.pushBack(this.#copies ? bytes.slice() : bytes)
    this.#bufferedBytes += bytes.byteLength
    this.#schedule()
    if (this.#bufferedBytes < this.#bufferedBytesMax) return undefined
    this.#room = Promise.withResolvers<void>()
    return this.#room.promise
  }

  async end(signal: AbortSignal): Promise<void> {
    if (this.#error !== undefined) throw this.#error
    signal.throwIfAborted()
    this.#state = 'ended'
    if (this.#isEndTold) return
    this.#flushed ??= Promise.withResolvers<void>()
    const { promise, reject } = this.#flushed
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#schedule()
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** The writer resets. A flowing reader first gets what was written before, a paused one never will. */
  breakOff(error: Error): void {
    if (this.#isEndTold || this.#state === 'broken') return
    this.#fail(error)
    if (this.#isPaused) this.#drop()
    this.#schedule()
  }

  // The reader's side

  start(reader: ByteStreamHandlers): void {
    invariant(this.#reader === undefined, 'a stream is started once')
    this.#reader = reader
    this.#schedule()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#schedule()
  }

  /** The reader resets: it hears nothing more, and the writer's next write fails. */
  abandon(error: Error): void {
    this.#drop()
    if (this.#isEndTold) return
    this.#isEndTold = true
    this.#fail(error)
  }

  // In between

  #fail(error: Error): void {
    this.#state = 'broken'
    this.#error = error
    this.#room?.reject(error)
    this.#flushed?.reject(error)
  }

  #drop(): void {
    this.#chunks.clear()
    this.#bufferedBytes = 0
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    if (this.#turnBytes < TURN_BYTES_MAX) {
      queueMicrotask(() => this.#deliver())
      return
    }
    this.#turnBytes = 0
    void nextTurn().then(() => this.#deliver())
  }

  #deliver(): void {
    this.#isScheduled = false
    const reader = this.#reader
    if (reader === undefined || this.#isEndTold) return
    while (!this.#isPaused && this.#turnBytes < TURN_BYTES_MAX) {
      const chunk = this.#chunks.popFront()
      if (chunk === undefined) break
      this.#bufferedBytes -= chunk.byteLength
      this.#turnBytes += Math.max(chunk.byteLength, CHUNK_COST_MIN)
      reader.onBytes(chunk)
    }
    // The reader may have reset the stream over what it just got.
    if (this.#isEndTold) return
    if (this.#bufferedBytes < this.#bufferedBytesMax) {
      this.#room?.resolve()
      this.#room = undefined
    }
    if (this.#chunks.length > 0) {
      if (!this.#isPaused) this.#schedule()
    } else if (this.#state !== 'flowing') {
      this.#isEndTold = true
      this.#flushed?.resolve()
      reader.onEnd(this.#error === undefined ? { clean: true } : { clean: false, error: this.#error })
    }
  }
}
