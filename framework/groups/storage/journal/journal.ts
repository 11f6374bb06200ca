import { invariant } from '#framework/primitives'
import { placeOf } from '../records/checked-record.js'
import { corrupt, type GroupStorageError } from '../storage-error.js'
import { BLOCK_BYTES, batchBytes, findBatches, writeBatch, type Batch } from './batch.js'
import { planReplay } from './replay-plan.js'
import {
  makeSegment,
  openSegment,
  readSegment,
  segmentHeader,
  segmentPath,
  syncFolder,
  type JournalShape,
  type OpenFile,
  type SegmentFile,
  type SegmentNumber,
} from './segment.js'

const BOTH: readonly SegmentNumber[] = [0, 1]

/** What a journal had when it was opened. */
export interface JournalContents {
  /** What is to be done again, in this order. */
  readonly batches: readonly Batch[]
  /** Something that was acknowledged is missing behind these batches, or may be. */
  readonly damage?: GroupStorageError | undefined
}

interface Segment {
  readonly file: SegmentFile
  /** What the checksums of its batches cover besides them. */
  readonly place: number
  /** Where the next batch goes. */
  position: number
  /** The last batch that has been written to it; 0 when none has since it was opened. */
  lastSequence: number
}

/**
 * A log of changes that are durable before they are in the database (a write-ahead log): two files of a fixed size that are
 * written in turn, a batch at a time, each with one sync. A file is written from its beginning again when everything in it
 * has been checkpointed, which is the owner's to know.
 */
export class Journal {
  readonly #segmentBytes: number
  readonly #segments: readonly [Segment, Segment]
  #current: SegmentNumber = 0
  /** What a batch is put together in. */
  #buffer = new Uint8Array(BLOCK_BYTES)

  private constructor(shape: JournalShape, segments: readonly [Segment, Segment]) {
    this.#segmentBytes = shape.segmentBytes
    this.#segments = segments
  }

  /**
   * Makes an empty one, in place of the one that may be there. Its files are durable when it resolves.
   *
   * @throws The system's error, ENOSPC when there is no room.
   */
  static async make(folder: string, shape: JournalShape, openWith: OpenFile): Promise<Journal> {
    for (const number of BOTH) await makeSegment(folder, shape, number, openWith)
    await syncFolder(folder)
    return Journal.open(folder, shape, openWith)
  }

  /**
   * What is in the journal above what has been checkpointed.
   *
   * @throws The system's error when it cannot be read.
   */
  static async read(folder: string, shape: JournalShape, checkpointed: number): Promise<JournalContents> {
    const found: Batch[] = []
    let damage: GroupStorageError | undefined
    for (const number of BOTH) {
      const { bytes, damage: damageOfFile } = await readSegment(folder, shape, number)
      damage ??= damageOfFile
      for (const batch of findBatches(bytes, placeOf(segmentHeader(shape, number)), checkpointed))
        found.push(batch)
    }
    const { batches, missing } = planReplay(checkpointed, found)
    if (missing) {
      const why = `batch ${missing.sequence} is not there, or not what was written, and batch ${missing.foundBehind} is there`
      damage ??= corrupt(segmentPath(folder, 0).replace(/\.0$/, ''), why, missing)
    }
    return { batches, damage }
  }

  /** Opens one of which everything has been checkpointed. */
  static async open(folder: string, shape: JournalShape, openWith: OpenFile): Promise<Journal> {
    const first = await openSegment(folder, 0, openWith)
    try {
      const second = await openSegment(folder, 1, openWith)
      return new Journal(shape, [segmentOf(first, shape, 0), segmentOf(second, shape, 1)])
    } catch (error) {
      await first.close()
      throw error
    }
  }

  /** Whether there is room for a batch of so many bytes in the file that is being written. */
  fits(bytes: number): boolean {
    return this.#segments[this.#current].position + bytes <= this.#segmentBytes
  }

  /** The last batch in the other file, which has to be checkpointed before {@link turn}. */
  get lastSequenceOfOther(): number {
    return this.#other.lastSequence
  }

  /** Goes on in the other file, from its beginning. */
  turn(): void {
    this.#current = this.#current === 0 ? 1 : 0
    this.#segments[this.#current].position = BLOCK_BYTES
  }

  /**
   * Appends a batch that fits. Durable when it resolves. After a failure the journal is of no use any more: what the system
   * says of a second sync is not true of what the first one has failed to write.
   *
   * @param isInline This thread writes, and stands still until it has.
   */
  async append(batch: Batch, isInline: boolean): Promise<void> {
    const segment = this.#segments[this.#current]
    const length = batchBytes(batch.changes)
    invariant(this.fits(length), `batch ${batch.sequence} does not fit`)
    if (this.#buffer.byteLength < length) this.#buffer = new Uint8Array(length)
    const bytes = this.#buffer.subarray(0, length)
    writeBatch(bytes, segment.place, batch)
    if (isInline) segment.file.writeInline(bytes, segment.position)
    else await segment.file.write(bytes, segment.position)
    segment.position += length
    segment.lastSequence = batch.sequence
  }

  async close(): Promise<void> {
    for (const { file } of this.#segments) await file.close()
  }

  get #other(): Segment {
    return this.#segments[this.#current === 0 ? 1 : 0]
  }
}

function segmentOf(file: SegmentFile, shape: JournalShape, number: SegmentNumber): Segment {
  return { file, place: placeOf(segmentHeader(shape, number)), position: BLOCK_BYTES, lastSequence: 0 }
}
