import type { CoreFaults } from '../../../framework/groups/raft/faults.js'
import type { ClientHabits } from '../clients/client.js'
import type { DriverBugs } from '../group/driver-bugs.js'
import type { MemberSettings } from '../group/member.js'
import type { FaultKind } from './plan.js'

/** A bug that the simulator must find. */
export interface PlantedBug {
  readonly core?: CoreFaults
  readonly driver?: DriverBugs
  /** What must be able to go wrong for the bug to show; the rest is as the seed says. */
  readonly faults?: readonly FaultKind[]
  /** How long these faults last, in election timeouts; by default as the seed says. */
  readonly lastingElections?: number
  readonly needs?: 'disk'
  readonly settings?: Partial<MemberSettings>
  readonly habits?: Partial<ClientHabits>
  /** Default 1, both. */
  readonly hostsMin?: number
  readonly foundersMin?: number
  /**
   * The only invariants that watch; all unless given. For a bug that is behind a line of defence which must have failed
   * before: what finds that failure would always be first.
   */
  readonly invariants?: readonly string[]
}

export const NO_BUG: PlantedBug = {}

const three = { hostsMin: 3, foundersMin: 3 } as const
const oftenSnapshots = { checkpointEvery: 10, tailEntriesMax: 0 } as const
const impatientClients = { attemptMs: 50 } as const
const leaseReaders = { readRate: 0.6, leaseRate: 1, thinkMs: 50, attemptMs: 50 } as const
const onDisk = { ...three, needs: 'disk' } as const

/** By the name that `npm run sim -- --fault` takes. */
export const PLANTED_BUGS: ReadonlyMap<string, PlantedBug> = new Map<string, PlantedBug>([
  [
    'votes-twice-in-a-term',
    { ...three, core: { votesTwiceInATerm: true }, faults: ['bad-network', 'isolate'] },
  ],
  [
    'forgets-vote',
    {
      ...onDisk,
      core: { forgetsVote: true },
      faults: ['crash', 'crash-all', 'slow-links'],
      lastingElections: 0.2,
      settings: { electionJitterTicks: 2 },
    },
  ],
  [
    'commits-old-term-by-counting',
    {
      ...three,
      core: { commitsOldTermByCounting: true },
      faults: ['isolate', 'crash'],
      settings: { appendEntriesMax: 1 },
    },
  ],
  ['quorum-by-reachability', { ...three, core: { quorumByReachability: true }, faults: ['split'] }],
  [
    'truncates-below-commit',
    {
      ...three,
      core: { truncatesBelowCommit: true, quorumByReachability: true },
      faults: ['split'],
      invariants: ['commit monotonic'],
    },
  ],
  [
    'stale-lease-read',
    {
      ...three,
      core: { staleLeaseRead: true },
      faults: ['transfer', 'isolate', 'partial'],
      habits: leaseReaders,
    },
  ],
  ['reads-without-quorum', { ...three, core: { readsWithoutQuorum: true }, faults: ['isolate'] }],
  [
    'acknowledges-before-persisted',
    { ...onDisk, core: { acknowledgesBeforePersisted: true }, faults: ['crash-all'] },
  ],
  ['applies-uncommitted', { ...three, core: { appliesUncommitted: true }, faults: ['isolate'] }],
  [
    'configuration-takes-two-steps',
    { hostsMin: 5, core: { configurationTakesTwoSteps: true }, faults: ['membership', 'split'] },
  ],
  ['skips-prev-check', { ...three, core: { skipsPrevCheck: true }, faults: ['bad-network'] }],
  ['learner-counts', { hostsMin: 3, core: { learnerCounts: true }, faults: ['membership', 'isolate'] }],
  [
    'snapshot-forgets-sessions',
    {
      ...three,
      driver: { snapshotForgetsSessions: true },
      faults: ['bad-network', 'crash'],
      settings: oftenSnapshots,
      habits: impatientClients,
    },
  ],
  ['does-not-sync', { ...onDisk, driver: { doesNotSync: true }, faults: ['crash-all'] }],
  ['forgets-hard-state', { ...onDisk, driver: { forgetsHardState: true }, faults: ['crash', 'isolate'] }],
  ['reuses-incarnation', { ...onDisk, driver: { reusesIncarnation: true }, faults: ['wipe', 'isolate'] }],
  [
    'cuts-off-corruption',
    { ...onDisk, driver: { cutsOffCorruption: true }, faults: ['bit-flip', 'isolate'] },
  ],
  ['answers-when-appended', { ...three, driver: { answersWhenAppended: true }, faults: ['isolate'] }],
  ['resolves-by-index', { ...three, driver: { resolvesByIndex: true }, faults: ['isolate', 'one-way'] }],
  ['reads-before-applying', { ...three, driver: { readsBeforeApplying: true }, faults: ['bad-network'] }],
  [
    'loses-ticks-in-pause',
    {
      ...three,
      driver: { losesTicksInPause: true },
      faults: ['pause', 'partial'],
      lastingElections: 3,
      habits: leaseReaders,
    },
  ],
  ['has-no-sessions', { driver: { hasNoSessions: true }, faults: ['bad-network'] }],
  [
    'restores-old-snapshot',
    {
      ...three,
      driver: { restoresOldSnapshot: true },
      faults: ['bad-network', 'crash'],
      settings: oftenSnapshots,
    },
  ],
])
