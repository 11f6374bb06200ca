export { LmdbStorages, type LmdbStoragesOptions } from './lmdb/lmdb-storages.js'
export { MemoryStorages } from './memory-storage.js'
export { GroupStorageError, type GroupStorageCode } from './storage-error.js'
export type * from './storage.js'
