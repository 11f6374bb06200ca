import type { CoreFaults } from '../../../framework/groups/raft/faults.js'
import type { ClientHabits } from '../clients/client.js'
import type { DriverBugs } from '../group/driver-bugs.js'
import type { MemberSettings } from '../group/member.js'
import type { FaultKind } from './plan.js'
import type { Story } from './story.js'

/** How often a fault happens and how long it lasts, in election timeouts. */
interface FaultPace {
  readonly every: number
  readonly lasting: number
}

/** A bug that the simulator must find. */
export interface PlantedBug {
  readonly core?: CoreFaults
  readonly driver?: DriverBugs
  /** What must be able to go wrong for the bug to show; the rest is as the seed says. */
  readonly faults?: Partial<Record<FaultKind, FaultPace>>
  readonly needs?: 'disk'
  readonly settings?: Partial<MemberSettings>
  readonly habits?: Partial<ClientHabits>
  /** By default as the seed says, both. */
  readonly hosts?: number
  readonly founders?: number
  /**
   * The only invariants that watch; all unless given. For a bug that is behind a line of defence which must have failed
   * before: what finds that failure would always be first.
   */
  readonly invariants?: readonly string[]
  /** The only members that it can be planted in. Default: any. */
  readonly members?: Members
  /** The story in which it shows. */
  readonly story?: Story
}

/**
 * What members of a world are made of: `core`, the consensus core of production with a driver of the simulator; or
 * `production`, whole nodes of production.
 */
export type Members = 'core' | 'production'

export const NO_BUG: PlantedBug = {}

const often: FaultPace = { every: 4, lasting: 2 }
const three = { hosts: 3, founders: 3 } as const
const onDisk = { ...three, needs: 'disk' } as const
const oftenSnapshots = { checkpointEvery: 10, tailEntriesMax: 0 } as const
const impatientClients = { attemptMs: 50 } as const
const leaseReaders = { readRate: 0.6, leaseRate: 1, thinkMs: 50, attemptMs: 50 } as const

/** By the name that `npm run sim -- --fault` takes. */
export const PLANTED_BUGS: ReadonlyMap<string, PlantedBug> = new Map<string, PlantedBug>([
  [
    'votes-twice-in-a-term',
    { ...three, core: { votesTwiceInATerm: true }, faults: { 'bad-network': often, isolate: often } },
  ],
  [
    'forgets-vote',
    {
      ...onDisk,
      core: { forgetsVote: true },
      // A member that is started again votes for nobody during an election timeout. So requests for votes must be under way
      // for longer than that, candidates wait for longer still, and who was elected meanwhile must not be heard of.
      faults: {
        'reboot-voter': { every: 0.1, lasting: 0.1 },
        'slow-links': { every: 0.3, lasting: 20 },
        'cut-new-leader': { every: 0.3, lasting: 1 },
      },
      settings: { electionTicks: 10, heartbeatTicks: 3, electionJitterTicks: 30 },
      // That it is not on the disk would be seen at once.
      invariants: ['election safety'],
    },
  ],
  ['forgets-own-vote', { ...onDisk, core: { forgetsOwnVote: true } }],
  [
    'commits-old-term-by-counting',
    {
      ...three,
      core: { commitsOldTermByCounting: true },
      // Leaders leave entries of their terms with few, and are cut off again before one of a later term is with many.
      faults: { 'cut-new-leader': { every: 0.5, lasting: 2 }, isolate: { every: 4, lasting: 1 } },
      settings: { appendEntriesMax: 1 },
    },
  ],
  [
    'quorum-by-reachability',
    { ...three, core: { quorumByReachability: true }, faults: { split: { every: 4, lasting: 6 } } },
  ],
  [
    'truncates-below-commit',
    {
      ...three,
      core: { truncatesBelowCommit: true, quorumByReachability: true },
      faults: { split: { every: 4, lasting: 6 } },
      invariants: ['commit monotonic'],
    },
  ],
  [
    'stale-lease-read',
    {
      ...three,
      core: { staleLeaseRead: true },
      // A leader that has told somebody to take over, and does not hear that it happened.
      faults: { transfer: { every: 3, lasting: 1 }, 'deafen-old-leader': { every: 3, lasting: 2 } },
      settings: { heartbeatTicks: 9, electionTicks: 18 },
      habits: leaseReaders,
    },
  ],
  [
    'reads-without-quorum',
    { ...three, core: { readsWithoutQuorum: true }, faults: { isolate: often, partial: often } },
  ],
  [
    'reads-despite-later-terms',
    {
      // A leader that has handed over does not hear of the next one, and nor does who asks it; but others are heard.
      members: 'core',
      hosts: 5,
      founders: 5,
      core: { readsDespiteLaterTerms: true },
      faults: { transfer: { every: 3, lasting: 1 }, 'deafen-old-leader': { every: 3, lasting: 2 } },
      habits: { readRate: 0.6, leaseRate: 0, thinkMs: 20, attemptMs: 50 },
    },
  ],
  [
    'leader-counts-before-persisted',
    {
      ...onDisk,
      core: { leaderCountsBeforePersisted: true },
      faults: { 'stalled-disk': often, 'crash-all': often },
    },
  ],
  [
    'acknowledges-before-persisted',
    {
      ...onDisk,
      core: { acknowledgesBeforePersisted: true },
      faults: { 'stalled-disk': often, 'crash-all': often },
    },
  ],
  ['votes-before-persisted', { ...onDisk, core: { votesBeforePersisted: true } }],
  ['counts-own-vote-before-persisted', { ...onDisk, core: { countsOwnVoteBeforePersisted: true } }],
  ['applies-uncommitted', { ...three, core: { appliesUncommitted: true }, faults: { isolate: often } }],
  [
    'ignores-leader-when-alone',
    {
      // The one of two that leads is to leave, and goes on until it knows that it has.
      members: 'core',
      hosts: 2,
      founders: 2,
      core: { ignoresLeaderWhenAlone: true },
      faults: { membership: { every: 1, lasting: 1 }, 'one-way': often, 'slow-links': often },
      habits: leaseReaders,
    },
  ],
  [
    'configuration-takes-two-steps',
    {
      members: 'core',
      hosts: 5,
      founders: 3,
      core: { configurationTakesTwoSteps: true },
      driver: { reconfiguresAtOnce: true },
      faults: { membership: { every: 1, lasting: 1 }, split: { every: 3, lasting: 4 } },
    },
  ],
  ['skips-prev-check', { ...three, core: { skipsPrevCheck: true }, faults: { 'bad-network': often } }],
  [
    'learner-counts',
    { hosts: 4, founders: 2, core: { learnerCounts: true }, faults: { membership: often, isolate: often } },
  ],
  [
    'snapshot-forgets-sessions',
    {
      ...three,
      driver: { snapshotForgetsSessions: true },
      faults: { 'bad-network': often, crash: often },
      settings: oftenSnapshots,
      habits: impatientClients,
    },
  ],
  [
    'checkpoints-overtake-log',
    {
      ...onDisk,
      members: 'core',
      driver: { checkpointsOvertakeLog: true },
      faults: { 'stalled-disk': often },
      settings: oftenSnapshots,
    },
  ],
  ['does-not-sync', { ...onDisk, driver: { doesNotSync: true }, faults: { 'crash-all': often } }],
  [
    'forgets-hard-state',
    {
      ...onDisk,
      driver: { forgetsHardState: true },
      faults: { 'reboot-voter': { every: 0.2, lasting: 1 }, 'bad-network': often, isolate: often },
      settings: { electionJitterTicks: 1 },
    },
  ],
  [
    'reuses-incarnation',
    { ...onDisk, driver: { reusesIncarnation: true }, faults: { wipe: often, isolate: often } },
  ],
  [
    'cuts-off-corruption',
    { ...onDisk, driver: { cutsOffCorruption: true }, faults: { 'bit-flip': often, isolate: often } },
  ],
  ['answers-when-appended', { ...three, driver: { answersWhenAppended: true }, faults: { isolate: often } }],
  [
    'resolves-by-index',
    {
      ...three,
      members: 'core',
      driver: { resolvesByIndex: true },
      faults: { isolate: often, 'one-way': often },
    },
  ],
  [
    'loses-ticks-in-pause',
    {
      ...three,
      driver: { losesTicksInPause: true },
      faults: { pause: { every: 4, lasting: 3 }, partial: { every: 4, lasting: 3 } },
      habits: leaseReaders,
    },
  ],
  ['discards-silently', { members: 'production', story: 'islands', core: { discardsSilently: true } }],
  [
    'machine-survives-merge',
    { members: 'production', story: 'islands', driver: { machineSurvivesMerge: true } },
  ],
  [
    'reform-ignores-log-ends',
    {
      members: 'production',
      story: 'reform',
      hosts: 5,
      core: { reformIgnoresLogEnds: true },
      faults: { 'slow-links': often, partial: often },
    },
  ],
  [
    'reform-keeps-only-committed',
    {
      members: 'production',
      story: 'reform',
      hosts: 3,
      core: { reformKeepsOnlyCommitted: true },
      faults: { 'slow-links': often, 'one-way': often },
    },
  ],
  [
    'quiescent-leader-keeps-lease',
    {
      ...three,
      core: { quiescentLeaderKeepsLease: true },
      // It must be left alone until others have elected a leader, and then be asked again and again.
      faults: { isolate: { every: 1.5, lasting: 2 } },
      settings: { quiesceAfterTicks: 1 },
      habits: { ...leaseReaders, thinkMs: 1_500 },
    },
  ],
  [
    'followers-never-wake',
    {
      ...three,
      core: { followersNeverWake: true },
      faults: { crash: often },
      settings: { quiesceAfterTicks: 1 },
      habits: { thinkMs: 1_000 },
    },
  ],
  ['has-no-sessions', { members: 'core', driver: { hasNoSessions: true }, faults: { 'bad-network': often } }],
  [
    'restores-old-snapshot',
    {
      ...three,
      members: 'core',
      driver: { restoresOldSnapshot: true },
      faults: { 'bad-network': often, crash: often },
      settings: oftenSnapshots,
    },
  ],
])
