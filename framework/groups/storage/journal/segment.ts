import { constants, fdatasyncSync, writeSync } from 'node:fs'
import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, encodeUtf8, fromHex } from '#framework/primitives'
import { viewOf } from '../records/checked-record.js'
import { corrupt, type GroupStorageError } from '../storage-error.js'
import { BLOCK_BYTES } from './batch.js'

/** What the two files of a journal have in common. */
export interface JournalShape {
  /** 8 random bytes as hexadecimal characters, new each time the files are made: what is in others is not taken for theirs. */
  readonly id: string
  /** How long each of the files is, from the beginning to the end of its life. Whole blocks. */
  readonly segmentBytes: number
}

/** Which of the two. */
export type SegmentNumber = 0 | 1

/** How files are opened; replaced where a test wants them to fail. */
export type OpenFile = (path: string, flags: string | number, mode?: number) => Promise<FileHandle>

export const openFile: OpenFile = open

/** What is written at a time when a file is made. */
const FILL_BYTES = 1024 * 1024

const FILE_OWNER_ONLY = 0o600

const MAGIC = encodeUtf8('mosaikWJ')

/**
 * On Linux a write to a file that was opened like this ends when it is durable (O_DSYNC): as fdatasync behind it, and one
 * call of the system, and one turn of a thread, less. Elsewhere that is not what fdatasync is: macOS leaves the bytes in the
 * disk's own memory.
 */
const durableWrites = process.platform === 'linux' ? constants.O_RDWR | constants.O_DSYNC : undefined

/** A segment that is being written. */
export interface SegmentFile {
  /** Durable when it resolves. @throws The system's error. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Durable when it returns; the thread stands still meanwhile. @throws The system's error. */
  writeInline(bytes: Uint8Array, position: number): void
  close(): Promise<void>
}

/** Opens one that is there. @throws The system's error. */
export async function openSegment(
  folder: string,
  number: SegmentNumber,
  openWith: OpenFile,
): Promise<SegmentFile> {
  const handle = await openWith(segmentPath(folder, number), durableWrites ?? 'r+')
  return {
    write: async (bytes, position) => {
      await writeAll(handle, bytes, position)
      if (durableWrites === undefined) await handle.datasync()
    },
    writeInline: (bytes, position) => {
      for (let offset = 0; offset < bytes.byteLength;)
        offset += writeSync(handle.fd, bytes, offset, bytes.byteLength - offset, position + offset)
      if (durableWrites === undefined) fdatasyncSync(handle.fd)
    },
    close: () => handle.close(),
  }
}

/** Where a segment of a journal is. */
export function segmentPath(folder: string, number: SegmentNumber): string {
  return join(folder, `journal.${number}`)
}

/**
 * The first block of a segment. Its checksum is part of that of every batch in the file, so that none of another file, or
 * of another use of this one, counts.
 */
export function segmentHeader({ id, segmentBytes }: JournalShape, number: SegmentNumber): Uint8Array {
  const header = new Uint8Array(BLOCK_BYTES)
  header.set(MAGIC)
  header.set(fromHex(id), 8)
  const view = viewOf(header)
  view.setUint32(16, segmentBytes, true)
  view.setUint32(20, number, true)
  return header
}

/**
 * Makes a segment, in place of one that may be there. All of its bytes are written, so that a later sync has to wait for
 * what is written then, and not for the file system to note down a new size or new places.
 *
 * @throws The system's error, ENOSPC when there is no room.
 */
export async function makeSegment(
  folder: string,
  shape: JournalShape,
  number: SegmentNumber,
  openWith: OpenFile,
): Promise<void> {
  const path = segmentPath(folder, number)
  // First, because there may not be room for both.
  await rm(path, { force: true })
  const handle = await openWith(path, 'wx', FILE_OWNER_ONLY)
  try {
    await writeAll(handle, segmentHeader(shape, number), 0)
    const empty = new Uint8Array(FILL_BYTES)
    for (let at = BLOCK_BYTES; at < shape.segmentBytes; at += FILL_BYTES)
      await writeAll(handle, empty.subarray(0, shape.segmentBytes - at), at)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The bytes of a segment as they are, and what is wrong with the file as a whole. */
export async function readSegment(
  folder: string,
  shape: JournalShape,
  number: SegmentNumber,
): Promise<{ readonly bytes: Uint8Array; readonly damage?: GroupStorageError }> {
  const path = segmentPath(folder, number)
  let bytes
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return { bytes: new Uint8Array(), damage: corrupt(path, 'it is missing') }
  }
  if (bytes.byteLength !== shape.segmentBytes) {
    return { bytes, damage: corrupt(path, `it has ${bytes.byteLength} bytes, not ${shape.segmentBytes}`) }
  }
  const isOurs = bytes.subarray(0, BLOCK_BYTES).equals(segmentHeader(shape, number))
  return isOurs ? { bytes } : { bytes, damage: corrupt(path, 'its first block is not what was written') }
}

/** Moves the segments out of the way, for a person to look at, as far as they are there. Those of an earlier time are replaced. */
export async function setSegmentsAside(folder: string): Promise<void> {
  for (const number of [0, 1] as const) {
    const path = segmentPath(folder, number)
    await rename(path, `${path}.damaged`).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
  }
}

/** Makes the names of files durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes all of it, however little the system takes at a time. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.byteLength - offset, position + offset)
    offset += bytesWritten
  }
}
