import type { Clock, Timer } from '#framework/primitives'
import { memoryBytesOf, type RecordChange } from '../records/record-change.js'
import { GroupStorageError } from '../storage-error.js'
import { explainFailure } from './disk-failure.js'

/** Told once, when a write is durable or has failed. */
export type OnWriteEnded = (failure: GroupStorageError | undefined) => void

interface PendingWrite {
  readonly changes: readonly RecordChange[]
  readonly bytes: number
  readonly onEnded: OnWriteEnded
}

/** What waits to be written at most, in bytes of memory. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024

/** For how long a write that nobody waits for is put off at most, in milliseconds. */
const PUT_OFF_MS = 20

/** How much is put off at most, in bytes of memory. */
const PUT_OFF_BYTES_MAX = 256 * 1024

export interface WriteQueueOptions {
  /** For errors. */
  readonly folder: string
  readonly clock: Pick<Clock, 'after'>
  /** What is committed together at most, in bytes of memory; a single larger write is committed alone. */
  readonly commitBytesMax: number
  /** Makes changes durable, all or none. One at a time. */
  readonly commit: (changes: readonly RecordChange[]) => Promise<void>
}

/**
 * Writes in the order in which they were asked for. Those that arrive while others are being synced share the next commit,
 * and with it one sync (group commit). So do those that nobody waits for, which are put off until somebody does, or for a
 * few milliseconds. With one that fails all fail that wait behind it, because they may build on it.
 */
export class WriteQueue {
  readonly #options: WriteQueueOptions
  readonly #pending: PendingWrite[] = []
  #pendingBytes = 0
  /** Whether what is pending is to be committed now. */
  #isDue = false
  #timer: Timer | undefined
  #committing: Promise<void> | undefined

  constructor(options: WriteQueueOptions) {
    this.#options = options
  }

  /** {@link enqueue} with a promise: it resolves when the changes are durable, and rejects with why they are not. */
  write(changes: readonly RecordChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.enqueue(changes, (failure) => (failure ? reject(failure) : resolve()))
    })
  }

  /**
   * @param mayWait Nobody waits for it.
   * @throws GroupStorageError `GROUP_STORAGE_BUSY`, at once. No other write is concerned.
   */
  enqueue(changes: readonly RecordChange[], onEnded: OnWriteEnded, mayWait = false): void {
    const bytes = memoryBytesOf(changes)
    if (this.#pending.length > 0 && this.#pendingBytes + bytes > PENDING_BYTES_MAX) {
      const text = `${this.#options.folder}: ${this.#pendingBytes} bytes wait to be written already`
      throw new GroupStorageError('GROUP_STORAGE_BUSY', text)
    }
    this.#pending.push({ changes, bytes, onEnded })
    this.#pendingBytes += bytes
    if (mayWait && this.#pendingBytes <= PUT_OFF_BYTES_MAX) this.#putOff()
    else this.hasten()
  }

  /** What was put off is written now. */
  hasten(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#pending.length === 0) return
    this.#isDue = true
    this.#committing ??= this.#commitAll()
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    this.hasten()
    await this.#committing
  }

  #putOff(): void {
    if (this.#isDue) return
    this.#timer ??= this.#options.clock.after(PUT_OFF_MS, () => this.hasten())
  }

  async #commitAll(): Promise<void> {
    while (this.#isDue) {
      // Who has just been told of a commit, and writes again at once, shares the next one.
      await Promise.resolve()
      await this.#commitNext()
    }
    this.#committing = undefined
  }

  async #commitNext(): Promise<void> {
    const { folder, commit } = this.#options
    const writes = this.#takeNext()
    let failure: GroupStorageError | undefined
    try {
      const [first] = writes
      await commit(writes.length === 1 && first ? first.changes : writes.flatMap(({ changes }) => changes))
    } catch (error) {
      failure = await explainFailure(folder, error)
      writes.push(...this.#pending.splice(0))
      this.#pendingBytes = 0
      this.#isDue = false
    }
    for (const { onEnded } of writes) onEnded(failure)
  }

  #takeNext(): PendingWrite[] {
    const { commitBytesMax } = this.#options
    let count = 0
    let bytes = 0
    for (const write of this.#pending) {
      if (count > 0 && bytes + write.bytes > commitBytesMax) break
      count++
      bytes += write.bytes
    }
    this.#pendingBytes -= bytes
    const next = this.#pending.splice(0, count)
    this.#isDue = this.#pending.length > 0
    return next
  }
}
