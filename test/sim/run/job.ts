import type { WorldResult } from '../world/referee.js'
import { planWorld } from '../world/plan.js'
import { NO_BUG, PLANTED_BUGS, type Members } from '../world/planted-bugs.js'
import type { Story } from '../world/story.js'
import { World } from '../world/world.js'

/** One world to run. */
export interface Job {
  readonly seed: number
  /** Simulated. */
  readonly minutes: number
  /** The name of a planted bug. */
  readonly fault: string | undefined
  /** The world of the planted bug without the bug: what is found in it is not the bug. */
  readonly isControl?: boolean
  /** Default `core`. */
  readonly members?: Members
  /** Default: the one that the planted bug needs, or none. */
  readonly story?: Story | undefined
}

export async function runJob({
  seed,
  minutes,
  fault,
  isControl = false,
  members = 'core',
  story,
}: Job): Promise<WorldResult> {
  const bug = fault === undefined ? NO_BUG : PLANTED_BUGS.get(fault)
  if (!bug)
    throw new Error(`there is no planted bug "${fault}"; there are: ${[...PLANTED_BUGS.keys()].join(', ')}`)
  if (bug.members !== undefined && bug.members !== members)
    throw new Error(`"${fault}" cannot be planted in members that are ${members}`)
  const plan = planWorld(seed, minutes, isControl ? { ...bug, core: {}, driver: {} } : bug, story)
  if (plan.story !== undefined && members === 'core') throw new Error('only nodes of production have stories')
  if (members === 'core') return new World(plan).run()
  // Loaded here, because it takes longer than most worlds of the other kind.
  const { ProductionWorld } = await import('../production/world.js')
  return await new ProductionWorld(plan).run()
}

/** What runs this world again, exactly. */
export function replayCommand({ seed, minutes, fault, members = 'core', story }: Job): string {
  const planted = fault === undefined ? '' : ` --fault ${fault}`
  const kind = members === 'core' ? '' : ` --members ${members}`
  const told = story === undefined ? '' : ` --story ${story}`
  return `npm run sim -- --seeds 1 --minutes ${minutes} --from ${seed}${planted}${kind}${told}`
}
