import {
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameKind,
  FrameTooLargeError,
  frameBytes,
  writeFrameHeader,
} from './frame.js'

/** The buffer a builder starts with: small, because most links are idle most of the time. */
const BUFFER_BYTES_MIN = 4 * 1024
/** The size up to which buffers are kept and reused: 128 KiB, with room for the framing of one piece of that length. */
const BUFFER_BYTES_KEPT = 132 * 1024
/** How many times larger than its frame needed a buffer may be to be kept. */
const KEPT_SURPLUS = 4

/**
 * How long a frame should become, header included, before it is better sent than filled further. Each frame wakes threads
 * of the transport at both ends, so that shorter ones are slower; one up to this size lives in a buffer that can be reused.
 */
export const FRAME_BYTES_TARGET = 128 * 1024

/**
 * Gathers many small pieces into one BYTES frame, without an allocation per piece or, where buffers come back
 * through {@link recycle}, per frame.
 *
 * ```ts
 * if (!builder.fits(datum.byteLength)) flush()
 * builder.append(datum)
 * …
 * const frame = builder.take()
 * const room = link.sendFrame(frame)
 * if (room === undefined && link.buffersReusable) builder.recycle(frame)
 * ```
 */
export class FrameBuilder {
  readonly #frameBytesMax: number
  #buffer: Uint8Array | undefined
  #spare: Uint8Array | undefined
  #length = FRAME_HEADER_BYTES
  /** What the next buffer should hold at once: the size that the frame before needed. */
  #bufferBytes = BUFFER_BYTES_MIN

  /** @param options.frameBytesMax The longest frame (kind and body) that the protocol allows, 1 MiB by default. */
  constructor(options: { readonly frameBytesMax?: number } = {}) {
    this.#frameBytesMax = options.frameBytesMax ?? FRAME_BYTES_MAX
  }

  /** Bytes of the frame so far, header included. */
  get byteLength(): number {
    return this.#length
  }

  get isEmpty(): boolean {
    return this.#length === FRAME_HEADER_BYTES
  }

  /** Whether `byteCount` more bytes stay within the frame limit. */
  fits(byteCount: number): boolean {
    return frameBytes(this.#length - FRAME_HEADER_BYTES + byteCount) <= this.#frameBytesMax
  }

  /**
   * Makes room for `byteCount` bytes at the end of the frame, for the caller to write into {@link buffer}. Their
   * content is undefined until then.
   *
   * @returns Where they begin in `buffer`. The place stays the same while the frame grows; the buffer may not.
   * @throws {FrameTooLargeError} FRAME_TOO_LARGE, and the frame is as it was.
   */
  reserve(byteCount: number): number {
    if (!this.fits(byteCount)) {
      const bodyBytes = this.#length - FRAME_HEADER_BYTES + byteCount
      throw new FrameTooLargeError(frameBytes(bodyBytes), this.#frameBytesMax)
    }
    const offset = this.#length
    const needed = offset + byteCount
    if (this.#buffer === undefined || needed > this.#buffer.byteLength) this.#grow(needed)
    this.#length = needed
    return offset
  }

  /** Adds a copy of the bytes. Throws like {@link reserve}. */
  append(bytes: Uint8Array): void {
    const offset = this.reserve(bytes.byteLength)
    this.#buffer!.set(bytes, offset)
  }

  /** The buffer with the frame so far; valid until the next `reserve`, `append` or `take`. */
  get buffer(): Uint8Array {
    return (this.#buffer ??= this.#newBuffer(FRAME_HEADER_BYTES))
  }

  /** Hands out the complete frame, header included, and begins an empty one in another buffer. */
  take(): Uint8Array {
    const buffer = this.buffer
    const length = this.#length
    writeFrameHeader(buffer, FrameKind.bytes, length - FRAME_HEADER_BYTES)
    this.#bufferBytes = sizeClass(length)
    this.#buffer = undefined
    this.#length = FRAME_HEADER_BYTES
    return buffer.subarray(0, length)
  }

  /**
   * Gives the buffer of a taken frame back for a later frame. Only for frames that nobody reads any more (see
   * `Link.buffersReusable`). A buffer far larger than what its frame held is dropped, so that a link which has gone
   * quiet goes back to little memory.
   */
  recycle(frame: Uint8Array): void {
    const capacity = frame.buffer.byteLength
    if (capacity > BUFFER_BYTES_KEPT || capacity > KEPT_SURPLUS * sizeClass(frame.byteLength)) return
    this.#spare = new Uint8Array(frame.buffer)
  }

  #grow(needed: number): void {
    const current = this.#buffer
    // Doubling, so that many small pieces do not copy the frame again and again; exact for one large piece.
    const grown = this.#newBuffer(Math.max(needed, Math.min(2 * (current?.byteLength ?? 0), this.#lengthMax)))
    if (current !== undefined) grown.set(current.subarray(0, this.#length))
    this.#buffer = grown
  }

  #newBuffer(needed: number): Uint8Array {
    const spare = this.#spare
    if (spare !== undefined && spare.byteLength >= needed) {
      this.#spare = undefined
      return spare
    }
    return new Uint8Array(Math.max(needed, this.#bufferBytes, sizeClass(needed)))
  }

  get #lengthMax(): number {
    return this.#frameBytesMax - frameBytes(0) + FRAME_HEADER_BYTES
  }
}

/** The smallest power of two from 4 KiB that holds `byteCount`, or the largest kept size; 4 KiB for what is longer. */
function sizeClass(byteCount: number): number {
  if (byteCount > BUFFER_BYTES_KEPT) return BUFFER_BYTES_MIN
  let size = BUFFER_BYTES_MIN
  while (size < byteCount) size *= 2
  return Math.min(size, BUFFER_BYTES_KEPT)
}
