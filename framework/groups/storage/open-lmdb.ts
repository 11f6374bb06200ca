import { systemClock, systemRandom } from '#framework/primitives'
import { murmurChain } from '../raft/chain-hash.js'
import type { LmdbStoragesOptions } from './lmdb/lmdb-storages.js'
import type { StorageProvider } from './storage.js'

/** As {@link LmdbStoragesOptions}, of which groups need the folder only. */
export type OpenLmdbOptions = Pick<LmdbStoragesOptions, 'folder'> & Partial<LmdbStoragesOptions>

/**
 * Opens a folder in which the groups of a node are stored by LMDB, which is loaded now: that takes a good part of the time
 * in which a command that needs no groups has ended.
 *
 * @throws GroupStorageError `GROUP_STORAGE_IN_USE`, `GROUP_STORAGE_CORRUPT` (all groups are concerned),
 *   `GROUP_STORAGE_VERSION`, `GROUP_STORAGE_FULL`, `GROUP_STORAGE_FAILED`.
 */
export async function openLmdbStorages(options: OpenLmdbOptions): Promise<StorageProvider> {
  const { LmdbStorages } = await import('./lmdb/lmdb-storages.js')
  return LmdbStorages.open({ clock: systemClock, random: systemRandom, hasher: murmurChain, ...options })
}
