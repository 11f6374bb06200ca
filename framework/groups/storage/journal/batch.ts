import { checksumOf, viewOf } from '../records/checked-record.js'
import type { RecordChange } from '../records/record-change.js'
import { corrupt } from '../storage-error.js'

// A batch, little-endian, from the beginning of a block on:
//   u32 checksum of all that follows
//   u32 length of the batch, without what fills its last block up
//   f64 sequence number
//   for each change: u16 length of the key, u32 length of the value (REMOVED: none), key, value
const HEADER_BYTES = 16
const CHANGE_HEADER_BYTES = 6
const REMOVED = 0xffff_ffff

/**
 * What a batch begins at a multiple of. A whole block of the disk, so that no write touches one in which something is
 * that has been acknowledged.
 */
export const BLOCK_BYTES = 4096

/** Changes that became durable by one sync: all of them are there, or none. */
export interface Batch {
  /** One more than that of the batch before it. */
  readonly sequence: number
  readonly changes: readonly RecordChange[]
}

/** How many bytes a batch of these changes takes up in a file: whole blocks. */
export function batchBytes(changes: readonly RecordChange[]): number {
  return wholeBlocks(lengthOf(changes))
}

/**
 * Writes a batch to the beginning of `target`, which has at least {@link batchBytes}.
 *
 * @param place What the checksum covers besides the batch: see `placeOf`.
 */
export function writeBatch(target: Uint8Array, place: number, { sequence, changes }: Batch): void {
  const length = lengthOf(changes)
  const view = viewOf(target)
  view.setUint32(4, length, true)
  view.setFloat64(8, sequence, true)
  let offset = HEADER_BYTES
  for (const { key, value } of changes) {
    view.setUint16(offset, key.byteLength, true)
    view.setUint32(offset + 2, value?.byteLength ?? REMOVED, true)
    offset += CHANGE_HEADER_BYTES
    target.set(key, offset)
    offset += key.byteLength
    if (value) target.set(value, offset)
    offset += value?.byteLength ?? 0
  }
  view.setUint32(0, checksumOf(place, target.subarray(4, length)), true)
  target.fill(0, length, wholeBlocks(length))
}

/**
 * The batches in the bytes of a file that have been written there completely, wherever they are, with a sequence number
 * above `after`: others are what an earlier use of the file has left.
 *
 * @param place As it was for {@link writeBatch}.
 * @throws GroupStorageError `GROUP_STORAGE_CORRUPT` when a batch with the right checksum is none.
 */
export function findBatches(file: Uint8Array, place: number, after: number): Batch[] {
  const view = viewOf(file)
  const found: Batch[] = []
  for (let offset = 0; offset + HEADER_BYTES <= file.byteLength;) {
    const length = view.getUint32(offset + 4, true)
    const sequence = view.getFloat64(offset + 8, true)
    // The cheap questions first: most blocks are empty, old, or inside of a batch that is damaged.
    const isLikely =
      length >= HEADER_BYTES &&
      length <= file.byteLength - offset &&
      sequence > after &&
      Number.isSafeInteger(sequence)
    const isBatch =
      isLikely &&
      view.getUint32(offset, true) === checksumOf(place, file.subarray(offset + 4, offset + length))
    if (isBatch) found.push({ sequence, changes: changesIn(file, offset + HEADER_BYTES, offset + length) })
    offset += isBatch ? wholeBlocks(length) : BLOCK_BYTES
  }
  return found
}

/** The values are windows into the file. */
function changesIn(file: Uint8Array, start: number, end: number): RecordChange[] {
  const view = viewOf(file)
  const changes: RecordChange[] = []
  let offset = start
  while (offset < end) {
    if (offset + CHANGE_HEADER_BYTES > end) throw noBatch(offset)
    const keyBytes = view.getUint16(offset, true)
    const valueBytes = view.getUint32(offset + 2, true)
    const keyAt = offset + CHANGE_HEADER_BYTES
    const valueAt = keyAt + keyBytes
    offset = valueAt + (valueBytes === REMOVED ? 0 : valueBytes)
    if (offset > end) throw noBatch(keyAt)
    changes.push({
      key: windowBetween(file, keyAt, valueAt),
      value: valueBytes === REMOVED ? undefined : windowBetween(file, valueAt, offset),
    })
  }
  return changes
}

function noBatch(offset: number): Error {
  return corrupt('the journal', `what begins at byte ${offset} is no change, though its checksum is right`)
}

function windowBetween(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from)
}

function lengthOf(changes: readonly RecordChange[]): number {
  let bytes = HEADER_BYTES
  for (const { key, value } of changes)
    bytes += CHANGE_HEADER_BYTES + key.byteLength + (value?.byteLength ?? 0)
  return bytes
}

function wholeBlocks(length: number): number {
  return Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES
}
