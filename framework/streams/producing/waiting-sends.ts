import { BytesKeeper, type KeptBytes } from './kept-bytes.js'
import { LinkedList, type Linked } from '../linked-list.js'
import type { SegmentPool } from './segment-pool.js'

/** A send that waits for consumers, or for room. */
export interface WaitingSend<T> {
  readonly datum: T
  /** Its own, until it is accepted or rejected. */
  readonly bytes: Uint8Array
}

interface Entry<T> extends WaitingSend<T>, KeptBytes, Linked<Entry<T>> {
  readonly withdrawal: Withdrawal | undefined
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** What withdraws sends that came one after the other with the same signal. */
interface Withdrawal {
  readonly signal: AbortSignal
  readonly onAbort: () => void
  /** How many sends it would withdraw. */
  count: number
}

/** How many sends may wait at a time, and how many bytes they may have together; one may always wait. */
export const waitingSendsMax = 1024
const waitingBytesMax = 64 * 1024 * 1024

/** The sends that a producer could not accept at once: first in, first out, bounded, and each can be withdrawn. */
export class WaitingSends<T> {
  readonly #keeper: BytesKeeper
  readonly #onWithdrawn: () => void
  readonly #entries = new LinkedList<Entry<T>>()
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
    return this.#entries.first?.bytes.byteLength
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
    const withdrawal = signal && this.#withdrawalBy(signal)
    if (withdrawal !== undefined) withdrawal.count++
    this.#entries.push({
      datum,
      bytes: copy,
      chunk,
      withdrawal,
      resolve,
      reject,
      previous: undefined,
      next: undefined,
    })
    this.#byteLength += copy.byteLength
    return promise
  }

  /** Accepts sends in order, each by `accept`, for as long as the first of them `isReady`. */
  release(isReady: (send: WaitingSend<T>) => boolean, accept: (send: WaitingSend<T>) => void): void {
    for (let entry = this.#entries.first; entry !== undefined; entry = this.#entries.first) {
      if (!isReady(entry)) return
      this.#remove(entry)
      entry.resolve()
      accept(entry)
      this.#keeper.release(entry)
    }
  }

  rejectAll(causeOf: (send: WaitingSend<T>) => unknown): void {
    for (let entry = this.#entries.first; entry !== undefined; entry = this.#entries.first) {
      this.#reject(entry, causeOf(entry))
    }
  }

  #reject(entry: Entry<T>, cause: unknown): void {
    this.#remove(entry)
    entry.reject(cause)
    this.#keeper.release(entry)
  }

  /** Takes a send out of the order. Its bytes are still there. */
  #remove(entry: Entry<T>): void {
    this.#entries.remove(entry)
    this.#byteLength -= entry.bytes.byteLength
    const { withdrawal } = entry
    if (withdrawal === undefined || --withdrawal.count > 0) return
    withdrawal.signal.removeEventListener('abort', withdrawal.onAbort)
  }

  /** A listener for each send would be most of what it costs: those that come together mostly have the same signal. */
  #withdrawalBy(signal: AbortSignal): Withdrawal {
    const last = this.#entries.last?.withdrawal
    if (last?.signal === signal) return last
    const onAbort = (): void => this.#withdraw(withdrawal)
    const withdrawal: Withdrawal = { signal, onAbort, count: 0 }
    signal.addEventListener('abort', onAbort, { once: true })
    return withdrawal
  }

  #withdraw(withdrawal: Withdrawal): void {
    for (let entry = this.#entries.first; entry !== undefined;) {
      const { next } = entry
      if (entry.withdrawal === withdrawal) this.#reject(entry, withdrawal.signal.reason)
      entry = next
    }
    this.#onWithdrawn()
  }
}
