import { seededRandom } from '#framework/primitives'
import type { FaultKind, WorldPlan } from './plan.js'
import type { PlantedBug } from './planted-bugs.js'

/**
 * What a world of nodes of production is about, besides what goes wrong by chance:
 *
 * - `islands`: nobody is declared a founder, and hosts find each other late, so that several clusters are founded and merge;
 * - `reform`: a majority is lost, for good or for long, and the group is to go on without.
 */
export type Story = 'islands' | 'reform'

/** What loses storage, or has members leave with it: more than these stories are about. */
const LEFT_OUT: ReadonlySet<FaultKind> = new Set(['wipe', 'bit-flip', 'membership'])

/** The same world as the story needs it: hosts enough, storage that survives, and logs that can be compared to the end. */
export function planStory(plan: WorldPlan, story: Story, bug: PlantedBug): WorldPlan {
  const random = seededRandom(`${plan.seed}/${story}`)
  const hostCount = bug.hosts ?? (story === 'islands' ? 2 + random.int(4) : 3 + 2 * random.int(2))
  return {
    ...plan,
    story,
    hostCount,
    founderCount: hostCount,
    isVolatile: false,
    syncMs: Array.from({ length: hostCount }, () => [0.2, 2, 20][random.int(3)]!),
    faults: new Map([...plan.faults].filter(([kind]) => !LEFT_OUT.has(kind))),
    settings: { ...plan.settings, checkpointEvery: 1_000_000 },
  }
}
