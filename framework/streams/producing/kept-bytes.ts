import type { SegmentPool } from './segment-pool.js'

/** How long a chunk of memory is, unless what it is for is longer. */
const chunkBytes = 16 * 1024

/** Memory in which copies lie one behind the other. */
interface Chunk {
  readonly buffer: Buffer
  /** How much of it copies have taken. */
  used: number
  /** How many of them are still needed. */
  count: number
}

/** A copy of some bytes, in memory that others share. */
export interface KeptBytes {
  readonly bytes: Uint8Array
  readonly chunk: Chunk
}

/**
 * Copies of bytes that are needed for a while, and given up about in the order in which they were made. They leave no
 * garbage: their memory is the pool's, a chunk for many short ones or one long one, and goes back as soon as none in it
 * is needed.
 */
export class BytesKeeper {
  readonly #pool: SegmentPool
  /** Where the next copy goes, if there is room. */
  #last: Chunk | undefined

  constructor(pool: SegmentPool) {
    this.#pool = pool
  }

  keep(bytes: Uint8Array): KeptBytes {
    const { byteLength } = bytes
    const chunk = this.#chunkFor(byteLength)
    const start = chunk.used
    chunk.used += byteLength
    chunk.count++
    const copy = chunk.buffer.subarray(start, chunk.used)
    copy.set(bytes)
    return { bytes: copy, chunk }
  }

  /** Nobody reads the copy any more. Once for each. */
  release({ chunk }: KeptBytes): void {
    chunk.count--
    if (chunk.count > 0) return
    if (chunk === this.#last) this.#last = undefined
    this.#pool.give(chunk.buffer)
  }

  #chunkFor(byteLength: number): Chunk {
    const last = this.#last
    if (last !== undefined && last.buffer.byteLength - last.used >= byteLength) return last
    this.#last = { buffer: this.#pool.take(Math.max(byteLength, chunkBytes)), used: 0, count: 0 }
    return this.#last
  }
}
