import { crc32 } from 'node:zlib'
import { corrupt } from '../storage-error.js'

/** Bytes in front of what a record holds: the checksum. */
export const CHECKSUM_BYTES = 4

/**
 * The checksum of a record (CRC-32, as in zlib and RFC 1952), which covers the place where it is stored too: a whole record
 * in the wrong place is no record. It finds every error of up to 32 bits in a row, and of longer ones all but one in four
 * billion. Against somebody who writes into the file it is no protection.
 */
export function checksumOf(place: Uint8Array, contents: Uint8Array): number {
  return crc32(contents, crc32(place))
}

/** Contents with their checksum in front. */
export function sealRecord(place: Uint8Array, contents: Uint8Array): Uint8Array {
  const record = new Uint8Array(CHECKSUM_BYTES + contents.byteLength)
  record.set(contents, CHECKSUM_BYTES)
  viewOf(record).setUint32(0, checksumOf(place, contents), true)
  return record
}

/**
 * The contents of a record.
 *
 * @param where For the error.
 * @throws GroupStorageError `GROUP_STORAGE_CORRUPT`.
 */
export function openRecord(place: Uint8Array, record: Uint8Array, where: string): Uint8Array {
  if (record.byteLength < CHECKSUM_BYTES) throw corrupt(where, `${record.byteLength} bytes are no record`)
  const contents = record.subarray(CHECKSUM_BYTES)
  if (viewOf(record).getUint32(0, true) !== checksumOf(place, contents)) {
    throw corrupt(where, 'the checksum does not match')
  }
  return contents
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
