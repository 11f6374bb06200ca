import { openRecord, placeOf, sealRecord } from '../records/checked-record.js'
import { GroupStorageError } from '../storage-error.js'
import type { LmdbEnvironment } from './environment.js'
import { VERSION_KEY } from './keys.js'

/** The version of keys and records. Since 2 there is a journal beside them, which an older program would not look for. */
const VERSION = 2
const VERSION_WITHOUT_JOURNAL = 1

/**
 * Makes sure that the records of an environment are of the version that this program knows, and marks a new one, and
 * one of before there was a journal.
 *
 * @throws GroupStorageError `GROUP_STORAGE_VERSION`, `GROUP_STORAGE_CORRUPT`, and what a write throws.
 */
export async function checkFormat(environment: LmdbEnvironment): Promise<void> {
  const record = await environment.get(VERSION_KEY)
  const place = placeOf(VERSION_KEY)
  const version = record && openRecord(place, record, 'the version of the format')[0]
  if (version === undefined || version === VERSION_WITHOUT_JOURNAL) {
    await environment.write([{ key: VERSION_KEY, value: sealRecord(place, Uint8Array.of(VERSION)) }])
  } else if (version !== VERSION) {
    const text = `the records are of version ${version}, and this program knows version ${VERSION}`
    throw new GroupStorageError('GROUP_STORAGE_VERSION', text, { details: { version } })
  }
}
