import type { SegmentPool } from './segment-pool.js'

/** A send that waits for consumers, or for room. */
export interface WaitingSend<T> {
  readonly datum: T
  /** Its own, until it is accepted or rejected. */
  readonly bytes: Uint8Array
}

interface Entry<T> extends WaitingSend<T> {
  /** The memory of the bytes, if it is to go back into the pool. */
  readonly pooled: Buffer | undefined
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** How many sends may wait at a time, and how many bytes they may have together; one may always wait. */
export const waitingSendsMax = 1024
const waitingBytesMax = 64 * 1024 * 1024
/** Memory for datums from this length on comes from the pool. For shorter ones, Node has a pool of its own. */
const pooledBytesMin = 4 * 1024

/** The sends that a producer could not accept at once: first in, first out, bounded, and each can be withdrawn. */
export class WaitingSends<T> {
  readonly #pool: SegmentPool
  readonly #onWithdrawn: () => void
  readonly #entries = new Set<Entry<T>>()
  #byteLength = 0

  /**
   * @param pool For the bytes of long datums: a producer at full speed has nearly each of them wait.
   * @param onWithdrawn A send was withdrawn: there may be room for those behind it.
   */
  constructor(pool: SegmentPool, onWithdrawn: () => void) {
    this.#pool = pool
    this.#onWithdrawn = onWithdrawn
  }

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

  /**
   * Puts a send at the end, with a copy of its bytes. Resolves when it is accepted; rejects with the signal's reason, or
   * when all are rejected.
   */
  add(datum: T, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (!this.#remove(entry)) return
        this.#forget(entry)
        reject(signal?.reason as Error)
        this.#onWithdrawn()
      }
      const entry: Entry<T> = {
        datum,
        ...this.#copyOf(bytes),
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
      this.#remove(entry)
      entry.resolve()
      accept(entry)
      this.#forget(entry)
    }
  }

  rejectAll(causeOf: (send: WaitingSend<T>) => unknown): void {
    for (const entry of this.#entries) {
      this.#remove(entry)
      entry.reject(causeOf(entry))
      this.#forget(entry)
    }
  }

  /** Takes a send out. False when it is not there any more. */
  #remove(entry: Entry<T>): boolean {
    if (!this.#entries.delete(entry)) return false
    this.#byteLength -= entry.bytes.byteLength
    return true
  }

  /** Nobody reads the bytes of a send any more. */
  #forget({ pooled }: Entry<T>): void {
    if (pooled !== undefined) this.#pool.give(pooled)
  }

  #copyOf(bytes: Uint8Array): Pick<Entry<T>, 'bytes' | 'pooled'> {
    const { byteLength } = bytes
    if (byteLength < pooledBytesMin) return { bytes: Buffer.from(bytes), pooled: undefined }
    const pooled = this.#pool.take(byteLength)
    pooled.set(bytes)
    return { bytes: pooled.subarray(0, byteLength), pooled }
  }
}
