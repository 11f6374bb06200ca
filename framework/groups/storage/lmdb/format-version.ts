import { openRecord, placeOf, sealRecord } from '../records/checked-record.js'
import { GroupStorageError } from '../storage-error.js'
import type { LmdbEnvironment } from './environment.js'
import { VERSION_KEY } from './keys.js'

/** The version of keys and records. */
const VERSION = 1

/**
 * Makes sure that the records of an environment are of the version that this program knows, and marks a new one.
 *
 * @throws GroupStorageError `GROUP_STORAGE_VERSION`, `GROUP_STORAGE_CORRUPT`, and what a write throws.
 */
export async function checkFormat(environment: LmdbEnvironment): Promise<void> {
  const record = await environment.get(VERSION_KEY)
  if (!record) {
    await environment.write([
      { key: VERSION_KEY, value: sealRecord(placeOf(VERSION_KEY), Uint8Array.of(VERSION)) },
    ])
    return
  }
  const [version] = openRecord(placeOf(VERSION_KEY), record, 'the version of the format')
  if (version !== VERSION) {
    const text = `the records are of version ${version}, and this program knows version ${VERSION}`
    throw new GroupStorageError('GROUP_STORAGE_VERSION', text, { details: { version } })
  }
}
