import type { SnapshotFacts } from '../../raft/types.js'
import { placeOf, sealRecord } from '../records/checked-record.js'
import type { SnapshotRecord } from '../records/state-records.js'
import { GroupStorageError } from '../storage-error.js'
import type { SnapshotWriter, StagedSnapshot } from '../storage.js'
import type { RecordChange } from '../records/record-change.js'
import type { JournaledEnvironment } from './journaled-environment.js'
import { keyBehind, snapshotNumberOf, type GroupKeys } from './keys.js'

/** How much of a snapshot is one record. */
const CHUNK_BYTES = 256 * 1024

/** How many records are removed in one transaction. */
const REMOVALS_MAX = 1024

/**
 * Snapshots of one group that are being taken in. Their chunks are records under a number of their own; a snapshot comes
 * into force by the one record that names its number, together with everything else in a write. Before and after that nothing
 * tells of them, so they go past the journal.
 */
export class SnapshotChunks {
  readonly #environment: JournaledEnvironment
  readonly #keys: GroupKeys
  /** Complete, and not part of any write. */
  readonly #staged = new Map<number, SnapshotRecord>()
  #lastNumber: number

  private constructor(environment: JournaledEnvironment, keys: GroupKeys, lastNumber: number) {
    this.#environment = environment
    this.#keys = keys
    this.#lastNumber = lastNumber
  }

  /**
   * Removes what an earlier process has begun and not finished.
   *
   * @param inForce The number of the snapshot in force; 0 when there is none.
   */
  static async open(
    environment: JournaledEnvironment,
    keys: GroupKeys,
    inForce: number,
  ): Promise<SnapshotChunks> {
    let { start } = keys.allChunks()
    const { end } = keys.allChunks()
    let lastNumber = inForce
    for (;;) {
      const chunkKeys = await environment.keys({ start, end, limit: REMOVALS_MAX })
      const last = chunkKeys.at(-1)
      if (!last) return new SnapshotChunks(environment, keys, lastNumber)
      start = keyBehind(last)
      lastNumber = Math.max(lastNumber, snapshotNumberOf(last))
      const leftOver = chunkKeys.filter((key) => snapshotNumberOf(key) !== inForce)
      if (leftOver.length > 0)
        await environment.writeAside(leftOver.map((key) => ({ key, value: undefined })))
    }
  }

  stage(facts: SnapshotFacts): SnapshotWriter {
    const number = ++this.#lastNumber
    let chunkCount = 0
    let byteLength = 0
    let isFinished = false
    return {
      write: async (bytes) => {
        for (let offset = 0; offset < bytes.byteLength; offset += CHUNK_BYTES) {
          const part = bytes.subarray(offset, offset + CHUNK_BYTES)
          const key = this.#keys.chunk(number, chunkCount++)
          byteLength += part.byteLength
          await this.#environment.writeAside([{ key, value: sealRecord(placeOf(key), part) }])
        }
      },
      finish: async () => {
        isFinished = true
        this.#staged.set(number, { facts, number, byteLength, chunkCount })
        return { facts, number, byteLength }
      },
      abandon: async () => {
        // Finished and not there any more: a write has it.
        if (isFinished && !this.#staged.delete(number)) return
        await this.#remove(number, chunkCount)
      },
    }
  }

  /**
   * What a write is to store, so that the snapshot is in force.
   *
   * @throws GroupStorageError `GROUP_STORAGE_ABSENT` when this storage has not staged it, or it is part of a write already.
   */
  recordOf({ number, facts }: StagedSnapshot): SnapshotRecord {
    const record = this.#staged.get(number)
    if (record) return record
    throw new GroupStorageError('GROUP_STORAGE_ABSENT', `snapshot ${facts.index} is not staged here`)
  }

  /** It belongs to a write from now on. */
  handOver({ number }: SnapshotRecord): void {
    this.#staged.delete(number)
  }

  /** The write that had it has failed: it is staged again. */
  giveBack(record: SnapshotRecord): void {
    this.#staged.set(record.number, record)
  }

  /** What removes a snapshot that is not in force any more. */
  removalOf({ number, chunkCount }: SnapshotRecord): RecordChange[] {
    return Array.from({ length: chunkCount }, (_, chunk) => ({
      key: this.#keys.chunk(number, chunk),
      value: undefined,
    }))
  }

  async #remove(number: number, chunkCount: number): Promise<void> {
    for (let first = 0; first < chunkCount; first += REMOVALS_MAX) {
      const length = Math.min(REMOVALS_MAX, chunkCount - first)
      await this.#environment.writeAside(
        Array.from({ length }, (_, chunk) => ({
          key: this.#keys.chunk(number, first + chunk),
          value: undefined,
        })),
      )
    }
  }
}
