/** A buffer is used for what needs at least so much of it; for less, a new one is made. */
const usedPartMin = 0.5

/**
 * Memory of log segments that are not needed any more, to be used again: memory outside the heap is collected late, so
 * that a stream which made new segments all the time would grow by many times what it holds. Bounded in bytes; what is
 * kept longest goes first.
 */
export class SegmentPool {
  readonly #bytesMax: number
  readonly #buffers: Buffer[] = []
  #byteLength = 0

  /** @param bytesMax How much it keeps. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes that it keeps. */
  get byteLength(): number {
    return this.#byteLength
  }

  /** How many buffers that are. */
  get count(): number {
    return this.#buffers.length
  }

  /** A buffer of at least this length, with any content. */
  take(byteLength: number): Buffer {
    const buffers = this.#buffers
    // From the newest on, which the processor's caches know best.
    for (let index = buffers.length - 1; index >= 0; index--) {
      const buffer = buffers[index]!
      if (buffer.byteLength < byteLength || byteLength < buffer.byteLength * usedPartMin) continue
      buffers.splice(index, 1)
      this.#byteLength -= buffer.byteLength
      return buffer
    }
    return Buffer.allocUnsafeSlow(byteLength)
  }

  /** Takes back a buffer that nobody reads or writes any more. */
  give(buffer: Buffer): void {
    // One without memory would count for nothing, and be kept for ever.
    if (buffer.byteLength === 0 || buffer.byteLength > this.#bytesMax) return
    this.#buffers.push(buffer)
    this.#byteLength += buffer.byteLength
    while (this.#byteLength > this.#bytesMax) this.#byteLength -= this.#buffers.shift()!.byteLength
  }
}
