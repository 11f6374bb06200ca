/** A send that waits for consumers, or for room. */
export interface WaitingSend<T> {
  readonly datum: T
  /** Its own: nobody writes to them while it waits. */
  readonly bytes: Uint8Array
}

interface Entry<T> extends WaitingSend<T> {
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** How many sends may wait at a time, and how many bytes they may have together; one may always wait. */
export const waitingSendsMax = 1024
const waitingBytesMax = 64 * 1024 * 1024

/** The sends that a producer could not accept at once: first in, first out, bounded, and each can be withdrawn. */
export class WaitingSends<T> {
  readonly #entries = new Set<Entry<T>>()
  #byteLength = 0

  get size(): number {
    return this.#entries.size
  }

  /** How long the datum is that is to be accepted next; undefined when none waits. */
  get firstByteLength(): number | undefined {
    const [first] = this.#entries
    return first?.bytes.byteLength
  }

  /** Whether no send may wait as things are, however short. */
  get isFull(): boolean {
    return (
      this.#entries.size > 0 && (this.#entries.size >= waitingSendsMax || this.#byteLength >= waitingBytesMax)
    )
  }

  hasRoomFor(bytes: Uint8Array): boolean {
    if (this.#entries.size === 0) return true
    return this.#entries.size < waitingSendsMax && this.#byteLength + bytes.byteLength <= waitingBytesMax
  }

  /** Puts a send at the end. Resolves when it is accepted; rejects with the signal's reason, or when all are rejected. */
  add(datum: T, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#settle(entry, () => reject(signal?.reason as Error))
      const entry: Entry<T> = {
        datum,
        bytes,
        resolve: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
        reject: (cause) => {
          signal?.removeEventListener('abort', onAbort)
          reject(cause as Error)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#entries.add(entry)
      this.#byteLength += bytes.byteLength
    })
  }

  /** Accepts sends in order, each by `accept`, for as long as the first of them `isReady`. */
  release(isReady: (send: WaitingSend<T>) => boolean, accept: (send: WaitingSend<T>) => void): void {
    for (const entry of this.#entries) {
      if (!isReady(entry)) return
      this.#settle(entry, entry.resolve)
      accept(entry)
    }
  }

  rejectAll(causeOf: (send: WaitingSend<T>) => unknown): void {
    for (const entry of this.#entries) this.#settle(entry, () => entry.reject(causeOf(entry)))
  }

  #settle(entry: Entry<T>, how: () => void): void {
    if (!this.#entries.delete(entry)) return
    this.#byteLength -= entry.bytes.byteLength
    how()
  }
}
