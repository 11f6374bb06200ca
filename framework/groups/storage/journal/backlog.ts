import { memoryBytesOf, type RecordChange } from '../records/record-change.js'
import type { Batch } from './batch.js'

interface WaitingBatch extends Batch {
  readonly bytes: number
  readonly writtenAtMs: number
}

interface LatestChange {
  readonly sequence: number
  readonly change: RecordChange
}

/** Batches that are durable in the journal and not in the database yet, in their order. Who reads a record asks here first. */
export class Backlog {
  readonly #batches: WaitingBatch[] = []
  /** By the names of keys. Only where somebody reads: hardly anybody does, and it costs as much as the rest. */
  #latest: Map<string, LatestChange> | undefined
  #isRead = false
  #bytes = 0

  /** What it takes up in memory, about. */
  get bytes(): number {
    return this.#bytes
  }

  /** When the oldest batch was written; undefined when there is none. */
  get oldestMs(): number | undefined {
    return this.#batches[0]?.writtenAtMs
  }

  add({ sequence, changes }: Batch, nowMs: number): void {
    const bytes = memoryBytesOf(changes)
    this.#batches.push({ sequence, changes, bytes, writtenAtMs: nowMs })
    this.#bytes += bytes
    if (this.#latest) index(this.#latest, { sequence, changes })
  }

  /** The last change of a record; undefined when the database has it. */
  find(key: Uint8Array): RecordChange | undefined {
    if (this.#batches.length === 0) return undefined
    this.#isRead = true
    if (!this.#latest) {
      this.#latest = new Map()
      for (const batch of this.#batches) index(this.#latest, batch)
    }
    return this.#latest.get(nameOf(key))?.change
  }

  /** The oldest batches as one, as many as `bytesMax` allow, and at least one; undefined when there is none. */
  oldest(bytesMax: number): Batch | undefined {
    const first = this.#batches[0]
    if (!first) return undefined
    let { sequence, bytes } = first
    const changes = [...first.changes]
    for (let place = 1; place < this.#batches.length; place++) {
      const batch = this.#batches[place]!
      bytes += batch.bytes
      if (bytes > bytesMax) break
      sequence = batch.sequence
      for (const change of batch.changes) changes.push(change)
    }
    return { sequence, changes }
  }

  /** The database has everything up to and including this batch. */
  drop(upTo: number): void {
    if (!this.#isRead) this.#latest = undefined
    this.#isRead = false
    while (this.#batches[0] && this.#batches[0].sequence <= upTo) {
      const { changes, bytes } = this.#batches.shift()!
      this.#bytes -= bytes
      if (this.#latest) unindex(this.#latest, changes, upTo)
    }
  }
}

function index(latest: Map<string, LatestChange>, { sequence, changes }: Batch): void {
  for (const change of changes) latest.set(nameOf(change.key), { sequence, change })
}

function unindex(latest: Map<string, LatestChange>, changes: readonly RecordChange[], upTo: number): void {
  for (const { key } of changes) {
    const name = nameOf(key)
    const found = latest.get(name)
    if (found && found.sequence <= upTo) latest.delete(name)
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
