/**
 * How much of a stream's window may be free before the other side is told: half of what a yamux stream has at least
 * (256 KiB), so that the other side always has the other half to send into.
 */
const UNTOLD_BYTES_MAX = 128 * 1024

/**
 * What a yamux session has to tell its other side of windows. yamux gives a window back with every frame of data, however
 * short; each time is a record of TLS, a system call and a wakeup at the other side. What is given back is added up here,
 * until it is worth telling. Pure.
 */
export class WindowUpdates {
  /** By stream; what was not told of its window. */
  readonly #untold = new Map<number, number>()

  /**
   * So much of a stream's window is free again.
   *
   * @returns How much to tell the other side now: all that it does not know of, or 0.
   */
  add(streamId: number, byteCount: number): number {
    const untold = (this.#untold.get(streamId) ?? 0) + byteCount
    if (untold < UNTOLD_BYTES_MAX) {
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
