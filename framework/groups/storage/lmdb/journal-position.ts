import type { RecordChange } from '../records/record-change.js'
import { journalRecord, type JournalPosition } from '../records/state-records.js'
import { JOURNAL_KEY } from './keys.js'
import type { LmdbEnvironment } from './environment.js'

/**
 * The position as it is stored; undefined when no journal counts: files that may be there are of no use any more.
 *
 * @throws GroupStorageError `GROUP_STORAGE_CORRUPT`.
 */
export async function readPosition(environment: LmdbEnvironment): Promise<JournalPosition | undefined> {
  const record = await environment.get(JOURNAL_KEY)
  return record && journalRecord.open(JOURNAL_KEY, record)
}

/** What stores a position, or that no journal counts. */
export function positionChange(position: JournalPosition | undefined): RecordChange {
  return { key: JOURNAL_KEY, value: position && journalRecord.seal(JOURNAL_KEY, position) }
}
