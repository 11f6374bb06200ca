import { ANSWER_BYTES_MAX, ANSWER_ENTRIES_MAX } from './sync-messages.js'

/** How a member is brought up to date. The same for all members of a group: they are part of its id. */
export interface SyncSettings {
  /** Entries that are asked for at a time. At most, and by default, 4096. */
  readonly batchEntries: number
  /** Their payload, and that of a piece of a snapshot, in bytes. At most, and by default, 1 MiB. */
  readonly batchBytes: number
  /** How long an answer may take before somebody else is asked, in milliseconds. Default 10 000. */
  readonly fetchTimeoutMs: number
  /** How often somebody is asked again what there is, and how long that may take, in milliseconds. Default 1000. */
  readonly askIntervalMs: number
  /** How long there may be no progress before an episode is given up, in milliseconds. Default 30 000. */
  readonly stallTimeoutMs: number
}

export const DEFAULT_SYNC: SyncSettings = {
  batchEntries: ANSWER_ENTRIES_MAX,
  batchBytes: ANSWER_BYTES_MAX,
  fetchTimeoutMs: 10_000,
  askIntervalMs: 1_000,
  stallTimeoutMs: 30_000,
}
