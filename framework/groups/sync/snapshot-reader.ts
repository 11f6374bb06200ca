import type { StoredSnapshot } from '../storage/index.js'

/**
 * Reads a stored snapshot piece by piece. A storage reads snapshots from their beginning, so pieces that are asked for one
 * after the other cost one reading in all; the same piece once more, because it was lost on its way, is kept.
 */
export class SnapshotReader {
  readonly snapshot: StoredSnapshot
  readonly #pieceBytes: number
  #chunks: AsyncIterator<Uint8Array> | undefined
  /** What was read and not handed out, and where it begins. */
  #left: Uint8Array = new Uint8Array(0)
  #leftOffset = 0
  #last: { readonly offset: number; readonly bytes: Uint8Array } | undefined

  constructor(snapshot: StoredSnapshot, pieceBytes: number) {
    this.snapshot = snapshot
    this.#pieceBytes = pieceBytes
  }

  /**
   * The piece that begins there; shorter at the end of the snapshot, and behind it empty.
   *
   * @throws What reading the snapshot throws.
   */
  async read(offset: number): Promise<Uint8Array> {
    if (this.#last?.offset === offset) return this.#last.bytes
    if (this.#chunks === undefined || offset < this.#leftOffset) await this.#restart()
    await this.#skipTo(offset)
    const bytes = await this.#take(this.#pieceBytes)
    this.#last = { offset, bytes }
    return bytes
  }

  async close(): Promise<void> {
    await this.#chunks?.return?.()
    this.#chunks = undefined
  }

  async #restart(): Promise<void> {
    await this.close()
    this.#chunks = this.snapshot[Symbol.asyncIterator]()
    this.#left = new Uint8Array(0)
    this.#leftOffset = 0
  }

  async #skipTo(offset: number): Promise<void> {
    while (this.#leftOffset < offset) {
      if (this.#left.byteLength === 0 && !(await this.#fill())) return
      this.#advance(Math.min(this.#left.byteLength, offset - this.#leftOffset))
    }
  }

  async #take(byteLength: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(byteLength)
    let length = 0
    while (length < byteLength) {
      if (this.#left.byteLength === 0 && !(await this.#fill())) break
      const part = this.#left.subarray(0, byteLength - length)
      bytes.set(part, length)
      length += part.byteLength
      this.#advance(part.byteLength)
    }
    return bytes.subarray(0, length)
  }

  async #fill(): Promise<boolean> {
    const next = await this.#chunks?.next()
    if (next === undefined || next.done === true) return false
    this.#left = next.value
    return true
  }

  #advance(byteLength: number): void {
    this.#left = this.#left.subarray(byteLength)
    this.#leftOffset += byteLength
  }
}
