import type { Index } from '../../raft/types.js'
import { lastIndexOf } from '../log-bounds.js'
import { baseRecord, hardStateRecord } from '../records/state-records.js'
import type { RecordChange } from '../records/record-change.js'
import type { JournaledEnvironment } from './journaled-environment.js'
import { keyBehind, type GroupKeys, type KeyRange } from './keys.js'
import type { ReadGroup, StoredGroup } from './restore.js'

/** How many records are removed in one transaction. */
const REMOVALS_MAX = 1024

/**
 * Makes what is sound of a damaged group all there is. To be called for a member that has become a new one already, so that
 * a process that ends in the middle of it has not let the old one forget anything.
 *
 * @param from The first entry that is damaged or missing.
 */
export async function keepSoundPart(
  environment: JournaledEnvironment,
  keys: GroupKeys,
  { hardState, base, snapshot, entries }: ReadGroup,
  from: Index,
): Promise<StoredGroup> {
  const kept: StoredGroup = {
    // The vote was somebody else's, who this member is not any more.
    hardState: { ...hardState, votedFor: undefined },
    snapshot,
    // Entries that do not lead up to the snapshot are of no use.
    ...(snapshot && from <= snapshot.facts.index ? { base: snapshot.facts, entries: [] } : { base, entries }),
  }
  const first = lastIndexOf(kept) + 1
  if (kept.entries.length === 0) await removeAll(environment, keys.entriesFrom(0))
  else await removeAll(environment, keys.entriesFrom(first))
  const changes: RecordChange[] = [
    { key: keys.hardState, value: hardStateRecord.seal(keys.hardState, kept.hardState) },
    { key: keys.base, value: kept.base && baseRecord.seal(keys.base, kept.base) },
  ]
  if (!snapshot) changes.push({ key: keys.snapshot, value: undefined })
  await environment.write(changes)
  return kept
}

async function removeAll(environment: JournaledEnvironment, { start, end }: KeyRange): Promise<void> {
  for (let next = start; ;) {
    const keys = await environment.keys({ start: next, end, limit: REMOVALS_MAX })
    const last = keys.at(-1)
    if (!last) return
    await environment.write(keys.map((key) => ({ key, value: undefined })))
    next = keyBehind(last)
  }
}
