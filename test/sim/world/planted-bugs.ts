import type { CoreFaults } from '../../../framework/groups/raft/faults.js'
import type { DriverBugs } from '../group/driver-bugs.js'
import type { FaultKind } from './plan.js'

/** A bug that the simulator must find. */
export interface PlantedBug {
  readonly core?: CoreFaults
  readonly driver?: DriverBugs
  /** What must be able to go wrong for the bug to show; the rest is as the seed says. */
  readonly faults?: readonly FaultKind[]
  readonly needs?: 'disk'
}

export const NO_BUG: PlantedBug = {}

/** By the name that `npm run sim -- --fault` takes. */
export const PLANTED_BUGS: ReadonlyMap<string, PlantedBug> = new Map<string, PlantedBug>([
  ['votes-twice-in-a-term', { core: { votesTwiceInATerm: true } }],
  ['forgets-vote', { core: { forgetsVote: true }, faults: ['crash', 'crash-all'], needs: 'disk' }],
  ['commits-old-term-by-counting', { core: { commitsOldTermByCounting: true } }],
  ['quorum-by-reachability', { core: { quorumByReachability: true }, faults: ['split'] }],
  ['truncates-below-commit', { core: { truncatesBelowCommit: true } }],
  ['stale-lease-read', { core: { staleLeaseRead: true }, faults: ['isolate'] }],
  ['reads-without-quorum', { core: { readsWithoutQuorum: true }, faults: ['isolate'] }],
  [
    'acknowledges-before-persisted',
    { core: { acknowledgesBeforePersisted: true }, faults: ['crash-all'], needs: 'disk' },
  ],
  ['applies-uncommitted', { core: { appliesUncommitted: true }, faults: ['isolate'] }],
  [
    'configuration-takes-two-steps',
    { core: { configurationTakesTwoSteps: true }, faults: ['membership', 'split'] },
  ],
  ['skips-prev-check', { core: { skipsPrevCheck: true }, faults: ['bad-network'] }],
  ['learner-counts', { core: { learnerCounts: true }, faults: ['membership', 'crash'] }],
  ['snapshot-forgets-sessions', { driver: { snapshotForgetsSessions: true }, faults: ['bad-network'] }],
  ['does-not-sync', { driver: { doesNotSync: true }, faults: ['crash-all'], needs: 'disk' }],
  ['forgets-hard-state', { driver: { forgetsHardState: true }, faults: ['crash'], needs: 'disk' }],
  ['reuses-incarnation', { driver: { reusesIncarnation: true }, faults: ['wipe'], needs: 'disk' }],
  ['cuts-off-corruption', { driver: { cutsOffCorruption: true }, faults: ['bit-flip'], needs: 'disk' }],
  ['answers-when-appended', { driver: { answersWhenAppended: true } }],
  ['resolves-by-index', { driver: { resolvesByIndex: true }, faults: ['isolate'] }],
  ['reads-before-applying', { driver: { readsBeforeApplying: true } }],
  ['loses-ticks-in-pause', { driver: { losesTicksInPause: true }, faults: ['pause'] }],
  ['has-no-sessions', { driver: { hasNoSessions: true }, faults: ['bad-network'] }],
  ['restores-old-snapshot', { driver: { restoresOldSnapshot: true }, faults: ['bad-network'] }],
])
