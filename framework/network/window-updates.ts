/** How much of a stream's window may be free before the other side is told, unless a quarter of the window is more. */
const UNTOLD_BYTES_MIN = 128 * 1024
/**
 * The part of a window that may be free and untold. A yamux stream has at least 256 KiB, so that the other side always has
 * half of its window or more to send into.
 */
const UNTOLD_PART = 1 / 4

/**
 * What a yamux session has to tell its other side of windows. yamux gives a window back with every frame of data, however
 * short; each time is a record of TLS, a system call and a wakeup at the other side. What is given back is added up here,
 * until it is worth telling: windows grow while much arrives, and so does what is. Pure.
 */
export class WindowUpdates {
  readonly #windowOf: (streamId: number) => number
  /** By stream; what was not told of its window. */
  readonly #untold = new Map<number, number>()

  /** @param windowOf How large the window of a stream is now, in bytes. Asked only when there is much to tell. */
  constructor(windowOf: (streamId: number) => number) {
    this.#windowOf = windowOf
  }

  /**
   * So much of a stream's window is free again.
   *
   * @returns How much to tell the other side now: all that it does not know of, or 0.
   */
  add(streamId: number, byteCount: number): number {
    const untold = (this.#untold.get(streamId) ?? 0) + byteCount
    if (untold < UNTOLD_BYTES_MIN || untold < UNTOLD_PART * this.#windowOf(streamId)) {
      this.#untold.set(streamId, untold)
      return 0
    }
    this.#untold.delete(streamId)
    return untold
  }

  /** The stream is over. */
  forget(streamId: number): void {
    this.#untold.delete(streamId)
  }

  /** Of how many streams something is untold. */
  get size(): number {
    return this.#untold.size
  }
}
