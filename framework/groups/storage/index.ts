export { MemoryStorages } from './memory-storage.js'
export { openLmdbStorages, type OpenLmdbOptions } from './open-lmdb.js'
export { GroupStorageError, type GroupStorageCode } from './storage-error.js'
export type * from './storage.js'
