import { BytesKeeper, type KeptBytes } from './kept-bytes.js'
import type { SegmentPool } from './segment-pool.js'

/** A send that waits for consumers, or for room. */
export interface WaitingSend<T> {
  readonly datum: T
  /** Its own, until it is accepted or rejected. */
  readonly bytes: Uint8Array
}

interface Entry<T> extends WaitingSend<T>, KeptBytes {
  readonly signal: AbortSignal | undefined
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** The sends that one signal withdraws. */
interface SignalledSends<T> {
  readonly entries: Set<Entry<T>>
  readonly onAbort: () => void
}

/** How many sends may wait at a time, and how many bytes they may have together; one may always wait. */
export const waitingSendsMax = 1024
const waitingBytesMax = 64 * 1024 * 1024

/** The sends that a producer could not accept at once: first in, first out, bounded, and each can be withdrawn. */
export class WaitingSends<T> {
  readonly #keeper: BytesKeeper
  readonly #onWithdrawn: () => void
  readonly #entries = new Set<Entry<T>>()
  /** One listener for each signal: a listener of its own would be most of what a waiting send costs. */
  readonly #bySignal = new Map<AbortSignal, SignalledSends<T>>()
  #byteLength = 0

  /**
   * @param pool For the bytes: a producer at full speed has nearly each of its long datums wait.
   * @param onWithdrawn Sends were withdrawn: there may be room for those behind them.
   */
  constructor(pool: SegmentPool, onWithdrawn: () => void) {
    this.#keeper = new BytesKeeper(pool)
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
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { bytes: copy, chunk } = this.#keeper.keep(bytes)
    const entry: Entry<T> = { datum, bytes: copy, chunk, signal, resolve, reject }
    this.#entries.add(entry)
    this.#byteLength += copy.byteLength
    if (signal !== undefined) this.#sendsOf(signal).entries.add(entry)
    return promise
  }

  /** Accepts sends in order, each by `accept`, for as long as the first of them `isReady`. */
  release(isReady: (send: WaitingSend<T>) => boolean, accept: (send: WaitingSend<T>) => void): void {
    for (const entry of this.#entries) {
      if (!isReady(entry)) return
      this.#remove(entry)
      entry.resolve()
      accept(entry)
      this.#keeper.release(entry)
    }
  }

  rejectAll(causeOf: (send: WaitingSend<T>) => unknown): void {
    for (const entry of this.#entries) this.#reject(entry, causeOf(entry))
  }

  #reject(entry: Entry<T>, cause: unknown): void {
    this.#remove(entry)
    entry.reject(cause)
    this.#keeper.release(entry)
  }

  /** Takes a send out of the order. Its bytes are still there. */
  #remove(entry: Entry<T>): void {
    this.#entries.delete(entry)
    this.#byteLength -= entry.bytes.byteLength
    const { signal } = entry
    if (signal === undefined) return
    const { entries, onAbort } = this.#sendsOf(signal)
    entries.delete(entry)
    if (entries.size > 0) return
    this.#bySignal.delete(signal)
    signal.removeEventListener('abort', onAbort)
  }

  #sendsOf(signal: AbortSignal): SignalledSends<T> {
    const known = this.#bySignal.get(signal)
    if (known !== undefined) return known
    const entries = new Set<Entry<T>>()
    const onAbort = (): void => {
      for (const entry of entries) this.#reject(entry, signal.reason)
      this.#onWithdrawn()
    }
    const sends = { entries, onAbort }
    this.#bySignal.set(signal, sends)
    signal.addEventListener('abort', onAbort, { once: true })
    return sends
  }
}
