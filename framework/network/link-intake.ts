import { messageOf, Ring } from '#framework/primitives'
import type { ByteStream, ByteStreamEnd, ByteStreamHandlers } from './byte-stream.js'
import type { CloseReason } from './close-reason.js'
import { FRAME_HEADER_BYTES, FrameError, FrameReader, type RawFrame } from './frame.js'

/** What hears of what an intake reads. */
export interface IntakeOwner {
  /** Bytes have arrived. */
  onBytes(byteCount: number): void
  /** The next frame of the stream: to be dealt with or given to {@link LinkIntake.keep}. May throw FrameError. */
  onFrame(frame: RawFrame): void
  /** What arrived cannot be accepted; nothing more is read. */
  onRefused(reason: CloseReason): void
  /** The stream's read side is over, after all frames. `detail` says in words how. */
  onReadEnd(clean: boolean, detail: string): void
}

export interface IntakeOptions {
  readonly stream: ByteStream
  /** Itself, not a function for each of the four: a node may have thousands of links. */
  readonly owner: IntakeOwner
  /** The longest acceptable frame to begin with. */
  readonly frameBytesMax: number
  /** Frames, and bytes in frames, that may be kept before the stream is paused. */
  readonly keptFramesMax: number
  readonly keptBytesMax: number
}

/**
 * The way in of a link: reads frames off the stream as they arrive, keeps those that nobody waits for, and pauses the
 * stream while it keeps too many. Reading ahead is what lets a link notice the other side's CLOSE while its owner does
 * something else.
 */
export class LinkIntake implements ByteStreamHandlers {
  readonly #options: IntakeOptions
  readonly #reader: FrameReader
  // The limits are kept by pausing. When the stream has ended, the little that was left unread comes on top of them.
  readonly #kept = new Ring<RawFrame>(Number.MAX_SAFE_INTEGER)
  #keptBytes = 0
  #isPaused = false
  #isStopped = false

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#reader = new FrameReader(options.frameBytesMax, options.stream)
  }

  start(): void {
    this.#options.stream.start(this)
  }

  /** From the stream. */
  onBytes(chunk: Uint8Array): void {
    this.#options.owner.onBytes(chunk.byteLength)
    this.#reader.push(chunk)
    this.#read()
  }

  /** From the stream. Nothing is left to hold back, and what is unread may be the other side's reason: reads it all. */
  onEnd(end: ByteStreamEnd): void {
    while (this.#readFrame());
    const detail = this.#describe(end)
    this.#isStopped = true
    this.#options.owner.onReadEnd(end.clean, detail)
  }

  /** Counts from the next frame on. */
  set frameBytesMax(value: number) {
    this.#reader.frameBytesMax = value
  }

  keep(frame: RawFrame): void {
    this.#kept.pushBack(frame)
    this.#keptBytes += cost(frame)
  }

  /** Takes the oldest kept frame, and reads on where that made room. */
  take(): RawFrame | undefined {
    const frame = this.#kept.popFront()
    if (frame === undefined) return undefined
    this.#keptBytes -= cost(frame)
    this.#read()
    return frame
  }

  /** Drops the kept frames. */
  clear(): void {
    this.#kept.clear()
    this.#keptBytes = 0
  }

  /** Reads no more frames. Bytes are let through and dropped from now on, so that the end can be seen. */
  stop(): void {
    this.#isStopped = true
    this.#reader.stop()
    this.#resume()
  }

  /** Reads as far as there are bytes and room. Safe to re-enter: a stream may deliver from within `resume`. */
  #read(): void {
    while (!this.#isFull && this.#readFrame());
    this.#regulate()
  }

  /** Deals with the next frame; false when there is none, because bytes are missing or reading has stopped. */
  #readFrame(): boolean {
    try {
      const frame = this.#reader.next()
      if (frame !== undefined) this.#options.owner.onFrame(frame)
      return frame !== undefined
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#options.owner.onRefused(error.reason)
      return false
    }
  }

  /** Pauses or resumes the stream as the kept frames demand. */
  #regulate(): void {
    if (this.#isStopped) return
    if (this.#isPaused) {
      if (this.#isHalfEmpty) this.#resume()
    } else if (this.#isFull) {
      this.#isPaused = true
      this.#options.stream.pause()
    }
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#options.stream.resume()
  }

  get #isFull(): boolean {
    const { keptFramesMax, keptBytesMax } = this.#options
    return this.#kept.length >= keptFramesMax || this.#keptBytes >= keptBytesMax
  }

  get #isHalfEmpty(): boolean {
    const { keptFramesMax, keptBytesMax } = this.#options
    return this.#kept.length <= keptFramesMax / 2 && this.#keptBytes <= keptBytesMax / 2
  }

  #describe({ clean, error }: ByteStreamEnd): string {
    if (!clean) return `the stream broke: ${messageOf(error)}`
    return this.#reader.midFrame ? 'the stream ended inside a frame' : 'the stream ended without a reason'
  }
}

function cost(frame: RawFrame): number {
  return frame.body.byteLength + FRAME_HEADER_BYTES
}
