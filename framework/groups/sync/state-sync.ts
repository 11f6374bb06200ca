import { digestOf, type Digest } from '#framework/primitives'
import type { StateMachine } from '../machine/state-machine.js'
import type { SyncSettings } from './sync-settings.js'

/**
 * How a member that has fallen behind comes to the state of the others.
 *
 * - `snapshot`: from a snapshot and the entries behind it, or from entries alone if there are few. Logs are compacted;
 * - `log-replay`: from all entries since the first one, which every member keeps.
 */
export type StateSync = 'snapshot' | 'log-replay'

/** Follows from whether the machine can give and take snapshots. */
export function stateSyncOf(machine: Pick<StateMachine, 'snapshot' | 'restore'>): StateSync {
  return machine.snapshot !== undefined && machine.restore !== undefined ? 'snapshot' : 'log-replay'
}

/** Stands for the strategy and its settings in the id of a group. */
export function stateSyncSignature(sync: StateSync, settings: SyncSettings): Digest {
  const { batchEntries, batchBytes, fetchTimeoutMs, askIntervalMs, stallTimeoutMs } = settings
  const numbers = [batchEntries, batchBytes, fetchTimeoutMs, askIntervalMs, stallTimeoutMs]
  return digestOf(`mosaik/groups/sync/1 ${sync} ${numbers.join(' ')}`)
}
