/** Where a record goes. */
export interface RecordSpace {
  /** The piece of memory that it is in. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Where it begins in there. */
  readonly offset: number
}

/** A record that is larger has a piece of its own. */
const PIECE_BYTES = 64 * 1024

/**
 * Memory for records that are written soon and then forgotten, in pieces that many share: a piece costs the garbage
 * collector, and the native code that it is handed to, as much as a small record alone would. A piece goes when no record
 * of it is in use any more.
 */
export class RecordMemory {
  #bytes = new Uint8Array(0)
  #view = new DataView(this.#bytes.buffer)
  #used = 0

  take(length: number): RecordSpace {
    if (this.#used + length > this.#bytes.byteLength) {
      this.#bytes = new Uint8Array(Math.max(PIECE_BYTES, length))
      this.#view = new DataView(this.#bytes.buffer)
      this.#used = 0
    }
    const offset = this.#used
    this.#used += length
    return { bytes: this.#bytes, view: this.#view, offset }
  }
}
