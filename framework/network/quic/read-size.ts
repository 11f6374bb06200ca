/** What an idle stream asks for. A pending read holds a buffer of its size for as long as nothing comes. */
const READ_BYTES_MIN = 1024
/**
 * What a busy stream asks for: the longest usual frame. Each read is a round trip between the JavaScript thread and the
 * native ones, and wakes one of those, so small reads cost most of the throughput.
 */
const READ_BYTES_MAX = 128 * 1024
/** Reads that come back full ask for so many times more. */
const GROWTH = 4
/** A read that comes back with less than this part of what it asked for makes the next one smaller. */
const USED_MIN = 1 / 4

/**
 * How much the next read of a stream asks for, by what the one before has brought: little while little comes, so that a
 * thousand idle streams do not hold 128 KiB each. Pure.
 */
export class ReadSize {
  #bytes = READ_BYTES_MIN

  /** What to ask for now. */
  get bytes(): number {
    return this.#bytes
  }

  /** A read of the size that there was has brought so many bytes. */
  onRead(byteLength: number): void {
    if (byteLength >= this.#bytes) {
      this.#bytes = Math.min(READ_BYTES_MAX, GROWTH * this.#bytes)
    } else if (byteLength < USED_MIN * this.#bytes) {
      // At once to what would have held twice as much: it may be the last read for a long time.
      while (this.#bytes > READ_BYTES_MIN && 4 * byteLength <= this.#bytes) this.#bytes /= 2
    }
  }
}
