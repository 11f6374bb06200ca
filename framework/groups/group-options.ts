import type { TicketValidator } from '#framework/discovery'
import type { PeerId } from '#framework/primitives'
import type { GroupKey } from './bond/group-key.js'
import type { GroupTiming } from './bond/group-timing.js'
import type { Consistency } from './group.js'
import type { MachineFactory } from './machine/state-machine.js'
import type { StorageProvider } from './storage/index.js'

/**
 * Where the first configuration comes from (groups.md §20.2).
 *
 * - `declared`: these peers found it, all of them or, after a while, a majority: all members that say the same have the same
 *   founders, so that no partition can found it twice;
 * - `expect`: founded when so many peers that know of no founding have bonds with each other;
 * - `auto`: the same with whoever is there after a while, alone if nobody is; islands that were founded apart merge;
 * - `join-only`: never founds.
 */
export type Founding =
  | { readonly type: 'declared'; readonly founders: readonly PeerId[] }
  | { readonly type: 'expect'; readonly count: number }
  | { readonly type: 'auto' }
  | { readonly type: 'join-only' }

/** What is done when a majority of the voters is gone for good. */
export type QuorumLoss =
  /** Nothing: writes wait for the majority. The default. */
  | { readonly type: 'stall' }
  /**
   * Those that are left go on with what they have, when none of them has seen a leader or a majority for `afterMs`
   * milliseconds: at least twice the election timeout and its jitter, and better longer than any interruption that is
   * to be sat out. Acknowledged commands may be lost; the event `reformed` tells (docs/decisions/0020).
   */
  | { readonly type: 'reform'; readonly afterMs: number }

/** How this node is in a group. */
export interface GroupOptions<C = unknown, R = unknown, Q = unknown, A = unknown> {
  /** The secret that members share. */
  readonly key: GroupKey
  readonly machine: MachineFactory<C, R, Q, A>
  /** Default: the storage that the node has, which is in memory unless it has a data folder. */
  readonly storage?: StorageProvider | undefined
  /** Default `auto`. */
  readonly founding?: Founding | undefined
  /** How many voters there are at most. Default 5. */
  readonly maxVoters?: number | undefined
  /** How long a voter may be unreachable before another takes its place, in milliseconds. Default 30 000. */
  readonly evictAfterMs?: number | undefined
  /** Default `stall`. */
  readonly quorumLoss?: QuorumLoss | undefined
  /** What queries see that do not say. Default `strong`. */
  readonly consistency?: Consistency | undefined
  /** Members must show a ticket that each of these accepts; the order counts. */
  readonly requireTicket?: TicketValidator | readonly TicketValidator[] | undefined
  readonly timing?: Partial<GroupTiming> | undefined
  /** `reader`: receives and applies everything, submits nothing, never counts. Default `member`. */
  readonly role?: 'member' | 'reader' | undefined
  /** `reluctant`: leads only when others do not. Default `normal`. */
  readonly leadership?: 'normal' | 'reluctant' | undefined
}
