import type { WorldResult } from '../world/world.js'
import { planWorld } from '../world/plan.js'
import { NO_BUG, PLANTED_BUGS } from '../world/planted-bugs.js'
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
}

export function runJob({ seed, minutes, fault, isControl = false }: Job): WorldResult {
  const bug = fault === undefined ? NO_BUG : PLANTED_BUGS.get(fault)
  if (!bug)
    throw new Error(`there is no planted bug "${fault}"; there are: ${[...PLANTED_BUGS.keys()].join(', ')}`)
  const plan = planWorld(seed, minutes, isControl ? { ...bug, core: {}, driver: {} } : bug)
  return new World(plan).run()
}

/** What runs this world again, exactly. */
export function replayCommand({ seed, minutes, fault }: Job): string {
  const planted = fault === undefined ? '' : ` --fault ${fault}`
  return `npm run sim -- --seeds 1 --minutes ${minutes} --from ${seed}${planted}`
}
