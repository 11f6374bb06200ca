import { seededRandom, type Random } from '#framework/primitives'
import type { ClientHabits } from '../clients/client.js'
import type { NetworkConditions } from '../environment/network.js'
import type { MemberSettings } from '../group/member.js'
import { NO_BUG, type PlantedBug } from './planted-bugs.js'
import { planStory, type Story } from './story.js'

/** What may go wrong in a world. */
export type FaultKind =
  | 'split'
  | 'isolate'
  | 'cut-new-leader'
  | 'deafen-old-leader'
  | 'reboot-voter'
  | 'one-way'
  | 'partial'
  | 'slow-links'
  | 'bad-network'
  | 'pause'
  | 'crash'
  | 'crash-all'
  | 'disk-full'
  | 'bit-flip'
  | 'wipe'
  | 'clock-jump'
  | 'transfer'
  | 'membership'
  | 'stalled-disk'

const FAULT_KINDS: readonly FaultKind[] = [
  'split',
  'isolate',
  'cut-new-leader',
  'deafen-old-leader',
  'reboot-voter',
  'one-way',
  'partial',
  'slow-links',
  'bad-network',
  'pause',
  'crash',
  'crash-all',
  'disk-full',
  'bit-flip',
  'wipe',
  'clock-jump',
  'transfer',
  'membership',
  'stalled-disk',
]

/** What needs storage that survives the process. */
const DURABLE_ONLY: ReadonlySet<FaultKind> = new Set([
  'crash-all',
  'disk-full',
  'stalled-disk',
  'bit-flip',
  'wipe',
])

/** Everything about a world that is decided before it begins. Times in simulated milliseconds. */
export interface WorldPlan {
  readonly seed: number
  /** Default: what goes wrong by chance. */
  readonly story?: Story | undefined
  readonly hostCount: number
  /** The first hosts, whose members found the group. */
  readonly founderCount: number
  /** Members lose everything when they end. */
  readonly isVolatile: boolean
  readonly tickMs: number
  /** By how much the speed of a host's clock may differ from true time, as a fraction. */
  readonly driftMax: number
  /** How long the disk of each host takes to sync. */
  readonly syncMs: readonly number[]
  readonly calmNetwork: NetworkConditions
  readonly badNetwork: NetworkConditions
  readonly faults: ReadonlyMap<FaultKind, { readonly everyMs: number; readonly lastingMs: number }>
  /** From when on nothing goes wrong any more. */
  readonly healAtMs: number
  /** By when every client must have done something that it began after the healing. */
  readonly progressAtMs: number
  readonly endAtMs: number
  readonly clientCount: number
  readonly habits: ClientHabits
  readonly settings: MemberSettings
  /** The names of the invariants that watch; all unless given. */
  readonly invariants: readonly string[] | undefined
}

/** How much of a world is calm at its end, as a fraction. */
const CALM_SHARE = 0.25

/** The world of a seed. @param minutes Simulated, of which the last quarter is calm. */
export function planWorld(
  seed: number,
  minutes: number,
  bug: PlantedBug = NO_BUG,
  story: Story | undefined = bug.story,
): WorldPlan {
  const plan = planByChance(seed, minutes, bug)
  return story === undefined ? plan : planStory(plan, story, bug)
}

function planByChance(seed: number, minutes: number, bug: PlantedBug): WorldPlan {
  const random = seededRandom(`${seed}/plan`)
  const hostCount = bug.hosts ?? 1 + weighted(random, [1, 2, 6, 3, 6, 1, 1])
  const founderCount = bug.founders ?? 1 + random.int(hostCount)
  const isVolatile = bug.needs !== 'disk' && random.float() < 0.2
  const endAtMs = minutes * 60_000
  const tickMs = pick(random, [50, 100])
  // A short world has short timeouts, so that its calm end has room for some elections.
  const electionTicksMax = (endAtMs * CALM_SHARE) / tickMs / 10
  const electionTicks = Math.min(pick(random, [10, 20, 40]), Math.floor(electionTicksMax))
  const electionMs = electionTicks * tickMs
  const healAtMs = endAtMs * (1 - CALM_SHARE)
  return {
    seed,
    hostCount,
    founderCount,
    isVolatile,
    tickMs,
    driftMax: 0.04,
    syncMs: Array.from({ length: hostCount }, () => (isVolatile ? 0 : pick(random, [0.2, 2, 20, 60]))),
    calmNetwork: {
      dropRate: 0,
      duplicateRate: 0,
      delayMs: 0.5,
      jitterMs: pick(random, [1, 5, 30]),
      reorders: false,
    },
    badNetwork: {
      dropRate: pick(random, [0.01, 0.1, 0.3]),
      duplicateRate: pick(random, [0, 0.05, 0.2]),
      delayMs: 1,
      jitterMs: pick(random, [20, 200, electionMs]),
      reorders: random.float() < 0.7,
    },
    faults: planFaults(random, electionMs, isVolatile, bug),
    healAtMs,
    progressAtMs: healAtMs + (endAtMs - healAtMs) * 0.8,
    endAtMs,
    clientCount: 2 + random.int(4),
    habits: {
      keys: Array.from({ length: 1 + random.int(3) }, (_, i) => `k${i}`),
      thinkMs: pick(random, [100, 400, 1_000]),
      attemptMs: pick(random, [50, 200, 1_000]),
      patienceMs: 2 * electionMs,
      impatienceRate: pick(random, [0, 0.2, 0.5]),
      readRate: pick(random, [0.3, 0.5, 0.7]),
      leaseRate: pick(random, [0, 0.5, 1]),
      ...bug.habits,
    },
    settings: {
      heartbeatTicks: Math.floor(electionTicks / 4),
      electionTicks,
      electionJitterTicks: Math.floor(electionTicks / 2),
      clockDriftMax: 0.1,
      quiesceAfterTicks: planQuiescence(seed, electionTicks, bug),
      checkpointEvery: pick(random, [10, 50, 10_000]),
      tailEntriesMax: pick(random, [0, 5, 100]),
      ...pick(random, [
        { appendEntriesMax: 1, inFlightMessagesMax: 8 },
        { appendEntriesMax: 8, inFlightMessagesMax: 1 },
        { appendEntriesMax: 512, inFlightMessagesMax: 8 },
      ]),
      coreFaults: bug.core ?? {},
      driverBugs: bug.driver ?? {},
      ...bug.settings,
    },
    invariants: bug.invariants,
  }
}

/** Apart from the rest, of which the seeds are known that show planted bugs; and those are shown without it. */
function planQuiescence(seed: number, electionTicks: number, bug: PlantedBug): number {
  if (bug !== NO_BUG) return Infinity
  return pick(seededRandom(`${seed}/quiescence`), [Infinity, 1, electionTicks, 2 * electionTicks])
}

function planFaults(
  random: Random,
  electionMs: number,
  isVolatile: boolean,
  bug: PlantedBug,
): WorldPlan['faults'] {
  const faults = new Map<FaultKind, { everyMs: number; lastingMs: number }>()
  for (const kind of FAULT_KINDS) {
    const isWanted = random.float() < 0.4
    const bySeed = { every: pick(random, [4, 12, 36]), lasting: pick(random, [0.2, 2, 6]) }
    if (isVolatile && DURABLE_ONLY.has(kind)) continue
    const pace = bug.faults?.[kind] ?? (isWanted ? bySeed : undefined)
    if (pace) faults.set(kind, { everyMs: electionMs * pace.every, lastingMs: electionMs * pace.lasting })
  }
  return faults
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.int(choices.length)]!
}

/** A place in the list, each as likely as its weight says. */
function weighted(random: Random, weights: readonly number[]): number {
  let rest = random.float() * weights.reduce((sum, weight) => sum + weight, 0)
  return Math.max(
    weights.findIndex((weight) => (rest -= weight) < 0),
    0,
  )
}
