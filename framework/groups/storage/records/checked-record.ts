import { crc32 } from 'node:zlib'
import { corrupt } from '../storage-error.js'

/** Bytes in front of what a record holds: the checksum. */
export const CHECKSUM_BYTES = 4

/**
 * What of the place of a record goes into its checksum: a whole record in the wrong place is no record.
 *
 * @param key Where the record is stored.
 */
export function placeOf(key: Uint8Array): number {
  return crc32(key)
}

/**
 * The checksum of a record (CRC-32, as in zlib and RFC 1952). It finds every error of up to 32 bits in a row, and of longer
 * ones all but one in four billion. Against somebody who writes into the file it is no protection.
 *
 * @param place See {@link placeOf}.
 */
export function checksumOf(place: number, contents: Uint8Array): number {
  return crc32(contents, place)
}

/** Contents with their checksum in front. */
export function sealRecord(place: number, contents: Uint8Array): Uint8Array {
  const record = new Uint8Array(CHECKSUM_BYTES + contents.byteLength)
  record.set(contents, CHECKSUM_BYTES)
  viewOf(record).setUint32(0, checksumOf(place, contents), true)
  return record
}

/**
 * The contents of a record, a window into it.
 *
 * @param where For the error.
 * @throws GroupStorageError `GROUP_STORAGE_CORRUPT`.
 */
export function openRecord(place: number, record: Uint8Array, where: string): Uint8Array {
  if (record.byteLength < CHECKSUM_BYTES) throw corrupt(where, `${record.byteLength} bytes are no record`)
  const contents = windowOf(record, CHECKSUM_BYTES)
  if (viewOf(record).getUint32(0, true) !== checksumOf(place, contents)) {
    throw corrupt(where, 'the checksum does not match')
  }
  return contents
}

/** What is behind an offset, as a plain array even when it is part of a Buffer, whose `slice` does not copy. */
export function windowOf(bytes: Uint8Array, offset: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, bytes.byteLength - offset)
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
