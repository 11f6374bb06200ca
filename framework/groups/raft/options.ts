import type { Random } from '#framework/primitives'
import type { ChainHasher } from './chain-hash.js'
import type { CoreFaults } from './faults.js'
import type { MemberId, RestoredState } from './types.js'

/** How a core is made. All times in ticks, whose length the driver decides (50 ms unless it has a reason). */
export interface RaftOptions {
  readonly id: MemberId
  readonly restored: RestoredState
  /** For election timeouts. */
  readonly random: Random
  /** Between the leader's heartbeats. Default 10. */
  readonly heartbeatTicks?: number | undefined
  /** The least that passes without a leader before an election; above `heartbeatTicks`. Default 40. */
  readonly electionTicks?: number | undefined
  /** What is added to it, evenly distributed from 0, drawn anew each time. Default 10. */
  readonly electionJitterTicks?: number | undefined
  /** By how much this member waits longer than others before it stands for election. Default 1; reluctant members 3. */
  readonly electionFactor?: number | undefined
  /**
   * By how much the clocks of two members may differ in speed, as a fraction. A lease of the leader is shorter by so
   * much. Default 0.1.
   */
  readonly clockDriftMax?: number | undefined
  /** How long nothing was asked of a leader before the group may be quiescent. Default: it never is. */
  readonly quiesceAfterTicks?: number | undefined
  /** Default: {@link murmurChain}. */
  readonly hasher?: ChainHasher | undefined
  readonly limits?: Partial<RaftLimits> | undefined
  /** @internal Known bugs, for the simulator to find. */
  readonly faults?: CoreFaults | undefined
}

/** What the core holds and sends at most. */
export interface RaftLimits {
  /** A payload. Default 1 MiB. */
  readonly commandBytesMax: number
  /** Entries of an append. Default 512. */
  readonly appendEntriesMax: number
  /** Payload bytes of an append that has more than one entry. Default 1 MiB. */
  readonly appendBytesMax: number
  /** Appends with entries on their way to a member. Default 8. */
  readonly inFlightMessagesMax: number
  /** Their payload bytes. Default 4 MiB. */
  readonly inFlightBytesMax: number
  /** Proposed and not committed. Default 10 000. */
  readonly uncommittedEntriesMax: number
  /** Their payload bytes. Default 64 MiB. */
  readonly uncommittedBytesMax: number
  /** Reads that wait for confirmation. Default 10 000. */
  readonly pendingReadsMax: number
  /** Entries of a Ready that are to be applied. Default 4096. */
  readonly committedEntriesMax: number
  /** What compaction leaves for members that are a little behind. Default 10 000 entries and 16 MiB, whichever is less. */
  readonly tailEntriesMax: number
  readonly tailBytesMax: number
}

export const DEFAULT_LIMITS: RaftLimits = {
  commandBytesMax: 2 ** 20,
  appendEntriesMax: 512,
  appendBytesMax: 2 ** 20,
  inFlightMessagesMax: 8,
  inFlightBytesMax: 4 * 2 ** 20,
  uncommittedEntriesMax: 10_000,
  uncommittedBytesMax: 64 * 2 ** 20,
  pendingReadsMax: 10_000,
  committedEntriesMax: 4_096,
  tailEntriesMax: 10_000,
  tailBytesMax: 16 * 2 ** 20,
}
