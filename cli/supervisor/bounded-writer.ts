import type { Writable } from 'node:stream'

/** Output waiting for a reader that does not read. Past this, lines are dropped and counted. */
const waitingBytesMax = 1024 * 1024

/** Writes lines to a stream that may be a slow pipe, without ever holding more than a bounded number of bytes. */
export class BoundedWriter {
  readonly #stream: Writable
  #droppedCount = 0

  constructor(stream: Writable) {
    this.#stream = stream
  }

  /** `noteDropped` makes the line that tells how many were lost before this one. */
  writeLine(line: string, noteDropped: (count: number) => string): void {
    if (this.#stream.writableLength > waitingBytesMax) {
      this.#droppedCount++
      return
    }
    if (this.#droppedCount > 0) {
      this.#stream.write(`${noteDropped(this.#droppedCount)}\n`)
      this.#droppedCount = 0
    }
    this.#stream.write(`${line}\n`)
  }
}
