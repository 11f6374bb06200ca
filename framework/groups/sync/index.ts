export { DEFAULT_SYNC } from './sync-settings.js'
export { SyncServer } from './sync-server.js'
export { decodeSync, isRequest } from './sync-messages.js'
export { SyncWorker } from './sync-worker.js'
