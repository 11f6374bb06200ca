import { MosaikError, releaseMemory } from '#framework/primitives'
import type { ByteStream } from './byte-stream.js'
import { CloseReasons, closeReason, type CloseReason } from './close-reason.js'

/**
 * What a frame carries. A frame on the wire is `length: u32 big-endian | kind: u8 | body`, where the length counts
 * the kind and the body.
 */
export const FrameKind = Object.freeze({
  /** The opener's first frame: version, network, payload. */
  open: 1,
  /** The acceptor's consent: version, network, payload. */
  accept: 2,
  /** One MessagePack value. */
  message: 3,
  /** Bytes whose meaning is the protocol's own. */
  bytes: 4,
  /** The last frame of a direction: why the link ends. */
  close: 5,
})
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind]

/** One frame as it was read, its body not yet interpreted. */
export interface RawFrame {
  readonly kind: FrameKind
  readonly body: Uint8Array
}

const LENGTH_BYTES = 4
/** What a frame adds to its body on the wire. */
export const FRAME_HEADER_BYTES = LENGTH_BYTES + 1

/** The longest frame before a link is open, counted like every frame limit: kind and body. */
export const OPENING_FRAME_BYTES_MAX = 64 * 1024
/** The longest frame of an open link, unless its protocol says otherwise. */
export const FRAME_BYTES_MAX = 1024 * 1024
/** The longest CLOSE, whatever the protocol: a reason always gets through, and is never a burden. */
export const CLOSE_FRAME_BYTES_MAX = 4 * 1024

/** Incoming bytes are not the frames they should be. Carries the reason to close the link with. */
export class FrameError extends MosaikError {
  readonly reason: CloseReason

  constructor(reason: CloseReason) {
    super('FRAME_REFUSED', reason.message ?? reason.name)
    this.reason = reason
  }
}

/** An outgoing frame is longer than the other side would accept. Nothing was sent and the link stays as it was. */
export class FrameTooLargeError extends MosaikError {
  constructor(frameBytes: number, frameBytesMax: number) {
    super('FRAME_TOO_LARGE', `a frame of ${frameBytes} bytes is over the limit of ${frameBytesMax} bytes`, {
      details: { frameBytes, frameBytesMax },
    })
  }
}

/** The length of a frame as limits count it (kind and body). */
export function frameBytes(bodyBytes: number): number {
  return bodyBytes + 1
}

/** Reads the length at the start of a frame. */
export function readFrameLength(header: Uint8Array, offset: number): number {
  // The multiplication keeps lengths of 2 GiB and more positive, which a shift would not.
  return (
    header[offset]! * 0x1000000 +
    ((header[offset + 1]! << 16) | (header[offset + 2]! << 8) | header[offset + 3]!)
  )
}

/** Writes the header of a frame whose body has `bodyBytes` bytes. */
export function writeFrameHeader(target: Uint8Array, kind: FrameKind, bodyBytes: number): void {
  const length = frameBytes(bodyBytes)
  target[0] = length >>> 24
  target[1] = length >>> 16
  target[2] = length >>> 8
  target[3] = length
  target[LENGTH_BYTES] = kind
}

/**
 * One complete frame around a copy of `body`.
 *
 * @throws {FrameTooLargeError} FRAME_TOO_LARGE, before anything is allocated.
 */
export function frameOf(kind: FrameKind, body: Uint8Array, frameBytesMax: number): Uint8Array {
  if (frameBytes(body.byteLength) > frameBytesMax) {
    throw new FrameTooLargeError(frameBytes(body.byteLength), frameBytesMax)
  }
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.byteLength)
  writeFrameHeader(frame, kind, body.byteLength)
  frame.set(body, FRAME_HEADER_BYTES)
  return frame
}

/**
 * A complete BYTES frame with this body, copied, for any number of links whose protocols allow its length.
 *
 * @throws {FrameTooLargeError}
 */
export function bytesFrame(body: Uint8Array, frameBytesMax: number): Uint8Array {
  return frameOf(FrameKind.bytes, body, frameBytesMax)
}

/** Whether the bytes are exactly one frame of the kind, header included. */
export function isWholeFrame(frame: Uint8Array, kind: FrameKind): boolean {
  return (
    frame.byteLength >= FRAME_HEADER_BYTES &&
    frame[LENGTH_BYTES] === kind &&
    readFrameLength(frame, 0) === frame.byteLength - LENGTH_BYTES
  )
}

function isFrameKind(value: number): value is FrameKind {
  return value >= FrameKind.open && value <= FrameKind.close
}

// How much is set aside at once for a frame of which less has arrived: what a lying header can make us allocate. The
// usual long frame, 128 KiB and some framing, is assembled without being moved.
const ASSEMBLY_STEP_BYTES = 132 * 1024
/** Bodies from this length on are copied out of chunks that can be given back. */
const COPIED_BYTES_MIN = 16 * 1024
const EMPTY = new Uint8Array(0)
const NO_FRAME = -1

/**
 * Cuts a stream of bytes into frames, whatever chunks it arrives in. Chunks are pushed, frames are pulled, so that
 * the caller can stop between two frames, or change the limit there, while the rest waits unread.
 *
 * A header is judged before any of its body is kept. A body that lies whole inside one chunk is handed out in place,
 * unless it is long and the chunk can be given back; any other is assembled in one buffer that never exceeds the greater
 * of 132 KiB and twice what has arrived. A body with a buffer of exactly its length has that to itself.
 */
export class FrameReader {
  #frameBytesMax: number
  readonly #chunksReleasable: boolean
  readonly #chunks: Uint8Array[] = []
  /** Where the unread part of the first chunk begins. */
  #offset = 0
  /** A frame was handed out that lies in the first chunk. */
  #isViewed = false
  /** A header that came in pieces; made when the first one does. */
  #header: Uint8Array = EMPTY
  #headerFilled = 0
  /** The body length of the frame being read, or NO_FRAME while its header is incomplete. */
  #bodyBytes = NO_FRAME
  #kind: FrameKind = FrameKind.bytes
  #assembly: Uint8Array = EMPTY
  #assembled = 0
  #stopped = false

  /**
   * @param frameBytesMax The longest acceptable frame (kind and body, in bytes) of every kind but CLOSE.
   * @param options.chunksReleasable Whether the memory of chunks that are all of it may be given back when they were read.
   *   Default: false.
   */
  constructor(frameBytesMax: number, options: Partial<Pick<ByteStream, 'chunksReleasable'>> = {}) {
    this.#frameBytesMax = frameBytesMax
    this.#chunksReleasable = options.chunksReleasable ?? false
  }

  /** The longest acceptable frame. A change counts for every frame whose header was not yet read. */
  set frameBytesMax(value: number) {
    this.#frameBytesMax = value
  }

  /** Whether the bytes so far end inside a frame (or frames were not yet pulled). */
  get midFrame(): boolean {
    return this.#headerFilled > 0 || this.#bodyBytes !== NO_FRAME || this.#chunks.length > 0
  }

  /** Bytes set aside for the frame that is being assembled. */
  get assemblyBytes(): number {
    return this.#assembly.byteLength
  }

  /** Adds bytes. The chunk must not change afterwards; frames may be views into it. */
  push(chunk: Uint8Array): void {
    if (chunk.byteLength > 0 && !this.#stopped) this.#chunks.push(chunk)
  }

  /** Ends reading: forgets everything that was pushed and ignores what follows. */
  stop(): void {
    this.#stopped = true
    this.#chunks.length = 0
    this.#assembly = EMPTY
  }

  /**
   * Takes the next complete frame.
   *
   * @returns `undefined` when more bytes are needed.
   * @throws {FrameError} Once, when the bytes cannot be frames: too long (413), no kind or an unknown one (400).
   *   Where the next frame would begin is unknown from then on, so the reader has stopped.
   */
  next(): RawFrame | undefined {
    while (!this.#stopped) {
      if (this.#bodyBytes === NO_FRAME && !this.#readHeader()) return undefined
      if (this.#bodyBytes === 0) return this.#frame(EMPTY)
      const chunk = this.#chunks[0]
      if (chunk === undefined) return undefined
      const available = chunk.byteLength - this.#offset
      const missing = this.#bodyBytes - this.#assembled
      if (this.#assembled === 0 && available >= missing && this.#isLeftInPlace(chunk, missing)) {
        // A plain Uint8Array view even when the transport hands out Buffers.
        const body = new Uint8Array(chunk.buffer, chunk.byteOffset + this.#offset, missing)
        this.#isViewed = true
        this.#advance(chunk, missing)
        return this.#frame(body)
      }
      const taken = Math.min(available, missing)
      this.#reserve(this.#assembled + taken)
      this.#assembly.set(chunk.subarray(this.#offset, this.#offset + taken), this.#assembled)
      this.#assembled += taken
      this.#advance(chunk, taken)
      if (this.#assembled === this.#bodyBytes) return this.#frame(this.#assembly)
    }
    return undefined
  }

  /** Reads as much of a header as there is; true once it is complete and acceptable. */
  #readHeader(): boolean {
    const chunk = this.#chunks[0]
    if (
      chunk !== undefined &&
      this.#headerFilled === 0 &&
      chunk.byteLength - this.#offset >= FRAME_HEADER_BYTES
    ) {
      this.#judgeHeader(chunk, this.#offset)
      this.#headerFilled = FRAME_HEADER_BYTES
      this.#advance(chunk, FRAME_HEADER_BYTES)
      return true
    }
    if (!this.#collectHeader()) return false
    this.#judgeHeader(this.#header, 0)
    return true
  }

  /** Puts a header together that lies in several chunks; true once it is complete. */
  #collectHeader(): boolean {
    if (this.#chunks.length === 0) return false
    if (this.#header === EMPTY) this.#header = new Uint8Array(FRAME_HEADER_BYTES)
    while (this.#headerFilled < FRAME_HEADER_BYTES) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) return false
      this.#header[this.#headerFilled++] = chunk[this.#offset]!
      this.#advance(chunk, 1)
    }
    return true
  }

  #judgeHeader(header: Uint8Array, offset: number): void {
    const length = readFrameLength(header, offset)
    const kind = header[offset + LENGTH_BYTES]!
    if (length === 0) throw this.#fail(closeReason(CloseReasons.ProtocolViolation, 'frame without a kind'))
    if (!isFrameKind(kind)) {
      throw this.#fail(closeReason(CloseReasons.ProtocolViolation, `frame of unknown kind ${kind}`))
    }
    const limit = kind === FrameKind.close ? CLOSE_FRAME_BYTES_MAX : this.#frameBytesMax
    if (length > limit) {
      const message = `frame of ${length} bytes is over the limit of ${limit} bytes`
      throw this.#fail(closeReason(CloseReasons.FrameTooLarge, message))
    }
    this.#kind = kind
    this.#bodyBytes = length - frameBytes(0)
  }

  /**
   * Whether a body that lies whole in a chunk is handed out there. One with all of the memory must be alone in it, which
   * others than releasable chunks may not be. Of those, a long body is copied: then both can be given back, which is worth
   * more than the copy.
   */
  #isLeftInPlace(chunk: Uint8Array, bodyBytes: number): boolean {
    if (bodyBytes === chunk.buffer.byteLength) return this.#chunksReleasable
    return !this.#chunksReleasable || bodyBytes < COPIED_BYTES_MIN || !isWhole(chunk)
  }

  #fail(reason: CloseReason): FrameError {
    this.stop()
    return new FrameError(reason)
  }

  #advance(chunk: Uint8Array, byteCount: number): void {
    this.#offset += byteCount
    if (this.#offset < chunk.byteLength) return
    this.#chunks.shift()
    this.#offset = 0
    if (this.#chunksReleasable && !this.#isViewed && isWhole(chunk)) releaseMemory(chunk)
    this.#isViewed = false
  }

  #reserve(neededBytes: number): void {
    if (neededBytes <= this.#assembly.byteLength) return
    const capacity = Math.min(this.#bodyBytes, Math.max(ASSEMBLY_STEP_BYTES, 2 * neededBytes))
    const grown = new Uint8Array(capacity)
    grown.set(this.#assembly.subarray(0, this.#assembled))
    this.#assembly = grown
  }

  #frame(body: Uint8Array): RawFrame {
    this.#headerFilled = 0
    this.#bodyBytes = NO_FRAME
    this.#assembly = EMPTY
    this.#assembled = 0
    return { kind: this.#kind, body }
  }
}

/** Whether the bytes are all of their memory. */
function isWhole({ byteLength, buffer }: Uint8Array): boolean {
  return byteLength === buffer.byteLength
}
