import { bytesOf, digestFromRaw, type GroupId } from '#framework/primitives'
import type { Index } from '../../raft/types.js'
import { placeOf } from '../records/checked-record.js'

// Keys are bytes in the order of what they stand for, numbers big-endian:
//   0                                     the version of the format
//   0 1                                   which journal belongs to it, and how much of that is in here
//   1 group id (32)                       its identity: the number of the group in all other keys, and the incarnation
//   2 group (4) part (1) …                with part
//     1                                   hard state
//     2                                   base of the log
//     3                                   snapshot
//     4 index (8)                         entry
//     5 snapshot number (8) chunk (4)     chunk of a snapshot

const PART = { hardState: 1, base: 2, snapshot: 3, entries: 4, chunks: 5 } as const

const PART_OFFSET = 5
const INDEX_OFFSET = 6
const ENTRY_KEY_BYTES = 14
const CHUNK_OFFSET = 14
const CHUNK_KEY_BYTES = 18

/** The version of the format of everything in an environment. */
export const VERSION_KEY = Uint8Array.of(0)

/** The position in the journal. */
export const JOURNAL_KEY = Uint8Array.of(0, 1)

export function identityKey(group: GroupId): Uint8Array {
  const key = new Uint8Array(33)
  key[0] = 1
  key.set(bytesOf(group), 1)
  return key
}

/** Whose identity is stored under a key. */
export function groupOf(identity: Uint8Array): GroupId {
  return digestFromRaw(identity.subarray(1)) as GroupId
}

/** The keys from `start` on, in front of `end`. */
export interface KeyRange {
  readonly start: Uint8Array
  readonly end: Uint8Array
}

/** All identities. */
export const IDENTITIES: KeyRange = { start: Uint8Array.of(1), end: Uint8Array.of(2) }

/** The records of all groups. */
export const GROUPS: KeyRange = { start: Uint8Array.of(2), end: Uint8Array.of(3) }

/** Which group's number a record's key begins with. */
export function groupNumberOf(key: Uint8Array): number {
  return readUint32(key, 1)
}

/** The keys of one group's records. */
export class GroupKeys {
  readonly hardState: Uint8Array
  readonly base: Uint8Array
  readonly snapshot: Uint8Array
  /** The place of all entries, for their checksums: which entry a record is, it says itself. */
  readonly entriesPlace: number
  readonly #group: number

  constructor(group: number) {
    this.#group = group
    this.hardState = this.#part(PART.hardState)
    this.base = this.#part(PART.base)
    this.snapshot = this.#part(PART.snapshot)
    this.entriesPlace = placeOf(this.#part(PART.entries))
  }

  entry(index: Index): Uint8Array {
    const key = this.#part(PART.entries, ENTRY_KEY_BYTES)
    writeUint64(key, INDEX_OFFSET, index)
    return key
  }

  chunk(snapshot: number, chunk: number): Uint8Array {
    const key = this.#part(PART.chunks, CHUNK_KEY_BYTES)
    writeUint64(key, INDEX_OFFSET, snapshot)
    writeUint32(key, CHUNK_OFFSET, chunk)
    return key
  }

  /** The entries from one to another, both included. */
  *entries(from: Index, to: Index): Generator<Uint8Array> {
    for (let index = from; index <= to; index++) yield this.entry(index)
  }

  /** All entries from an index on. */
  entriesFrom(index: Index): KeyRange {
    return { start: this.entry(index), end: this.#part(PART.entries + 1) }
  }

  /** The chunks of all snapshots. */
  allChunks(): KeyRange {
    return { start: this.#part(PART.chunks), end: this.#part(PART.chunks + 1) }
  }

  /** Everything of the group. */
  all(): KeyRange {
    return { start: this.#part(0), end: this.#part(0xff) }
  }

  #part(part: number, length: number = PART_OFFSET + 1): Uint8Array {
    const key = new Uint8Array(length)
    key[0] = 2
    writeUint32(key, 1, this.#group)
    key[PART_OFFSET] = part
    return key
  }
}

/** Which snapshot a chunk's key is of. */
export function snapshotNumberOf(chunkKey: Uint8Array): number {
  return readUint32(chunkKey, INDEX_OFFSET) * 2 ** 32 + readUint32(chunkKey, INDEX_OFFSET + 4)
}

/** The first key behind one. */
export function keyBehind(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.byteLength + 1)
  next.set(key)
  return next
}

function writeUint64(target: Uint8Array, offset: number, value: number): void {
  writeUint32(target, offset, Math.floor(value / 2 ** 32))
  writeUint32(target, offset + 4, value % 2 ** 32)
}

function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24
  target[offset + 1] = value >>> 16
  target[offset + 2] = value >>> 8
  target[offset + 3] = value
}

function readUint32(source: Uint8Array, offset: number): number {
  return new DataView(source.buffer, source.byteOffset).getUint32(offset)
}
