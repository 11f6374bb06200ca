import { invariant, type Random } from '#framework/primitives'
import { murmurChain, type ChainHasher } from './chain-hash.js'
import type { CoreFaults } from './faults.js'
import { DEFAULT_LIMITS, type RaftLimits, type RaftOptions } from './options.js'
import type { MemberId } from './types.js'

/** {@link RaftOptions} with every default in its place. */
export interface Settings {
  readonly id: MemberId
  readonly random: Random
  readonly heartbeatTicks: number
  readonly electionTicks: number
  readonly electionJitterTicks: number
  readonly electionFactor: number
  /** How long after the beginning of a confirmed round no other leader can be elected, by the slowest of the clocks. */
  readonly leaseTicks: number
  readonly quiesceAfterTicks: number
  readonly hasher: ChainHasher
  readonly limits: RaftLimits
  readonly faults: CoreFaults
}

/** @throws InvariantError for numbers that make no sense. */
export function settingsOf(options: RaftOptions): Settings {
  const { heartbeatTicks = 10, electionTicks = 40, electionJitterTicks = 10 } = options
  const { electionFactor = 1, clockDriftMax = 0.1, quiesceAfterTicks = Infinity } = options
  invariant(isPositive(heartbeatTicks), 'heartbeatTicks is a whole number above 0')
  invariant(
    isPositive(electionTicks) && electionTicks > heartbeatTicks,
    'electionTicks is a whole number above heartbeatTicks',
  )
  invariant(
    Number.isSafeInteger(electionJitterTicks) && electionJitterTicks >= 0,
    'electionJitterTicks is 0 or more',
  )
  invariant(isPositive(quiesceAfterTicks) || quiesceAfterTicks === Infinity, 'quiesceAfterTicks is above 0')
  invariant(electionFactor >= 1, 'electionFactor is 1 or more')
  invariant(clockDriftMax >= 0 && clockDriftMax < 1, 'clockDriftMax is a fraction')
  return {
    id: options.id,
    random: options.random,
    heartbeatTicks,
    electionTicks,
    electionJitterTicks,
    electionFactor,
    // The first tick of a follower after it has heard the leader may come at once: one less counts.
    leaseTicks: Math.floor((electionTicks - 1) * (1 - clockDriftMax)),
    quiesceAfterTicks,
    hasher: options.hasher ?? murmurChain,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    faults: options.faults ?? {},
  }
}

/** How long a member waits for a leader this time (Raft, §5.2). */
export function drawElectionTimeout(settings: Settings): number {
  const { electionTicks, electionJitterTicks, electionFactor, random } = settings
  return Math.ceil((electionTicks + random.int(electionJitterTicks + 1)) * electionFactor)
}

function isPositive(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0
}
