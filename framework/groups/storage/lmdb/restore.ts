import { nextTurn } from '#framework/primitives'
import type { ChainHasher } from '../../raft/chain-hash.js'
import type { Entry, HardState, Index, SnapshotFacts } from '../../raft/types.js'
import { lastIndexOf } from '../log-bounds.js'
import { corrupt, isCorrupt, type GroupStorageError } from '../storage-error.js'
import { openRecord, placeOf } from '../records/checked-record.js'
import { readEntryRecord } from '../records/entry-record.js'
import { baseRecord, hardStateRecord, snapshotRecord, type SnapshotRecord } from '../records/state-records.js'
import type { JournaledEnvironment } from './journaled-environment.js'
import type { GroupKeys } from './keys.js'

/** What is stored of a group. */
export interface StoredGroup {
  readonly hardState: HardState
  readonly base: SnapshotFacts | undefined
  readonly snapshot: SnapshotRecord | undefined
  readonly entries: readonly Entry[]
}

/** What could be read, and what could not. */
export interface ReadGroup extends StoredGroup {
  readonly damage?: { readonly error: GroupStorageError; readonly from: Index }
}

/** Of a member that has not said anything. */
export const NO_HARD_STATE: HardState = { clusterId: undefined, term: 0, votedFor: undefined }

/** What there is of a group that is new here. */
export const NOTHING_STORED: StoredGroup = {
  hardState: NO_HARD_STATE,
  base: undefined,
  snapshot: undefined,
  entries: [],
}

/** What one look takes from the environment, before others get their turn. */
const RECORDS_PER_TURN = 512
const BYTES_PER_TURN = 1024 * 1024

/**
 * Reads everything of a group and checks all of it: checksums, that no entry is missing, and the chain of hashes from the
 * base to the last entry. Where something is wrong the rest is what can be relied on without it: the entries before, or
 * nothing when it is the hard state, the base or the snapshot.
 */
export async function readGroup(
  environment: JournaledEnvironment,
  keys: GroupKeys,
  hasher: ChainHasher,
): Promise<ReadGroup> {
  let stored
  try {
    stored = await readState(environment, keys)
    if (stored.snapshot) await checkSnapshot(environment, keys, stored.snapshot)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    return { ...NOTHING_STORED, damage: { error, from: 1 } }
  }

  const entries: Entry[] = []
  try {
    await readEntries(environment, keys, hasher, stored.base, entries)
    const last = lastIndexOf({ ...stored, entries })
    const snapshotIndex = stored.snapshot?.facts.index ?? 0
    if (last < snapshotIndex)
      throw corrupt(`entry ${last + 1}`, `it is missing before snapshot ${snapshotIndex}`)
    return { ...stored, entries }
  } catch (error) {
    if (!isCorrupt(error)) throw error
    return { ...stored, entries, damage: { error, from: lastIndexOf({ ...stored, entries }) + 1 } }
  }
}

async function readState(
  environment: JournaledEnvironment,
  keys: GroupKeys,
): Promise<Omit<StoredGroup, 'entries'>> {
  const hardState = await environment.get(keys.hardState)
  const base = await environment.get(keys.base)
  const snapshot = await environment.get(keys.snapshot)
  if (base && !snapshot) throw corrupt('the snapshot', 'it is missing, and the log does not begin at 1')
  return {
    hardState: hardState ? hardStateRecord.open(keys.hardState, hardState) : NO_HARD_STATE,
    base: base && baseRecord.open(keys.base, base),
    snapshot: snapshot && snapshotRecord.open(keys.snapshot, snapshot),
  }
}

/** Adds entries to `entries` until all are there, or one is not what was written. */
async function readEntries(
  environment: JournaledEnvironment,
  keys: GroupKeys,
  hasher: ChainHasher,
  base: SnapshotFacts | undefined,
  entries: Entry[],
): Promise<void> {
  let previous = { index: base?.index ?? 0, hash: base?.hash ?? 0 }
  // From the very first on: one that is compacted and yet there is as wrong as one that is missing.
  let from: Index = 0
  for (;;) {
    const range = { ...keys.entriesFrom(from), limit: RECORDS_PER_TURN, bytesMax: BYTES_PER_TURN }
    const records = await environment.values(range)
    if (records.length === 0) return
    for (const record of records) {
      const where = `entry ${previous.index + 1}`
      const entry = readEntryRecord(keys.entriesPlace, record, where)
      if (entry.index !== previous.index + 1) throw corrupt(where, `entry ${entry.index} is in its place`)
      if (hasher.next(previous.hash, entry) !== entry.hash) throw corrupt(where, 'its hash does not follow')
      entries.push(entry)
      previous = entry
    }
    from = previous.index + 1
    await nextTurn()
  }
}

async function checkSnapshot(
  environment: JournaledEnvironment,
  keys: GroupKeys,
  { facts, number, chunkCount, byteLength }: SnapshotRecord,
): Promise<void> {
  let bytes = 0
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    const contents = await readChunk(environment, keys, number, chunk, facts.index)
    bytes += contents.byteLength
    await nextTurn()
  }
  if (bytes !== byteLength)
    throw corrupt(`snapshot ${facts.index}`, `it has ${bytes} bytes, not ${byteLength}`)
}

/** @throws GroupStorageError `GROUP_STORAGE_CORRUPT`. */
export async function readChunk(
  environment: JournaledEnvironment,
  keys: GroupKeys,
  number: number,
  chunk: number,
  index: Index,
): Promise<Uint8Array> {
  const where = `chunk ${chunk} of snapshot ${index}`
  const key = keys.chunk(number, chunk)
  const record = await environment.get(key)
  if (!record) throw corrupt(where, 'it is missing')
  return openRecord(placeOf(key), record, where)
}
