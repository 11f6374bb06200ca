import { entryKindCodes, entryKindOf } from '../../raft/entry-kinds.js'
import type { Entry } from '../../raft/types.js'
import { corrupt } from '../storage-error.js'
import { CHECKSUM_BYTES, checksumOf, openRecord, viewOf, windowOf } from './checked-record.js'
import type { RecordSpace } from './record-memory.js'

// After the checksum, little-endian:
//   u8  kind
//   u32 commandCount
//   f64 index, term, applicationIndex, timestampMs, hash: safe integers, which a double holds exactly
//   payload, to the end
const HEADER_BYTES = CHECKSUM_BYTES + 1 + 4 + 5 * 8

/** How long the record of an entry is. */
export function entryRecordBytes(entry: Entry): number {
  return HEADER_BYTES + entry.payload.byteLength
}

/**
 * Writes the record of an entry into a piece of memory, which has as many bytes left as {@link entryRecordBytes} says. The
 * index is part of the record, so the place of all entries of a log may be one.
 */
export function writeEntryRecord(place: number, entry: Entry, { bytes, view, offset }: RecordSpace): void {
  view.setUint8(offset + 4, entryKindCodes[entry.kind])
  view.setUint32(offset + 5, entry.commandCount, true)
  view.setFloat64(offset + 9, entry.index, true)
  view.setFloat64(offset + 17, entry.term, true)
  view.setFloat64(offset + 25, entry.applicationIndex, true)
  view.setFloat64(offset + 33, entry.timestampMs, true)
  view.setFloat64(offset + 41, entry.hash, true)
  bytes.set(entry.payload, offset + HEADER_BYTES)
  const contents = bytes.subarray(offset + CHECKSUM_BYTES, offset + entryRecordBytes(entry))
  view.setUint32(offset, checksumOf(place, contents), true)
}

/**
 * The entry that a record holds; its payload is a window into the record.
 *
 * @throws GroupStorageError `GROUP_STORAGE_CORRUPT`.
 */
export function readEntryRecord(place: number, record: Uint8Array, where: string): Entry {
  openRecord(place, record, where)
  if (record.byteLength < HEADER_BYTES) throw corrupt(where, `${record.byteLength} bytes are no entry`)
  const view = viewOf(record)
  const kind = entryKindOf(view.getUint8(4))
  if (kind === undefined) throw corrupt(where, `there is no kind ${view.getUint8(4)} of entries`)
  return {
    index: view.getFloat64(9, true),
    term: view.getFloat64(17, true),
    kind,
    commandCount: view.getUint32(5, true),
    applicationIndex: view.getFloat64(25, true),
    timestampMs: view.getFloat64(33, true),
    payload: windowOf(record, HEADER_BYTES),
    hash: view.getFloat64(41, true),
  }
}
