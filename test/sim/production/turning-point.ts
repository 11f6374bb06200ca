import type { Random } from '#framework/primitives'
import type { SimNetwork } from '../environment/network.js'
import type { Timeline } from '../environment/timeline.js'
import type { WorldPlan } from '../world/plan.js'
import type { ProductionHost } from './host.js'

export interface TurningPointOptions {
  readonly plan: WorldPlan
  readonly timeline: Timeline
  readonly random: Random
  readonly hosts: readonly ProductionHost[]
  readonly network: Pick<SimNetwork<unknown>, 'block' | 'unblock'>
  readonly trace: (what: string) => void
}

/** Has happen what the story of the world is about, at a time of the seed's. */
export function planTurningPoint(options: TurningPointOptions): void {
  const { story } = options.plan
  if (story === 'islands') meetLate(options)
  if (story === 'reform') loseMajority(options)
}

/** Two sides that do not hear of each other from the beginning until some time before everything heals. */
function meetLate({ plan, timeline, random, hosts, network, trace }: TurningPointOptions): void {
  const numbers = hosts.map(({ number }) => number)
  const left = new Set(numbers.filter((number) => number === 0 || (number > 1 && random.float() < 0.5)))
  const links = numbers.flatMap((from) =>
    numbers.filter((to) => left.has(from) !== left.has(to)).map((to) => [from, to] as const),
  )
  trace(`${[...left].join(' ')} and the others do not know each other`)
  for (const [from, to] of links) network.block(from, to)
  timeline.after(plan.healAtMs * (0.2 + 0.6 * random.float()), () => {
    trace('both sides hear of each other')
    for (const [from, to] of links) network.unblock(from, to)
  })
}

/** In half of the worlds they are back when everything heals, as they were; in the other half, never. */
function loseMajority({ plan, timeline, random, hosts, trace }: TurningPointOptions): void {
  const first = random.int(hosts.length)
  const inTurn = [...hosts.slice(first), ...hosts.slice(0, first)]
  const lost = inTurn.slice(0, Math.floor(hosts.length / 2) + 1)
  const isForGood = random.float() < 0.5
  timeline.after(plan.healAtMs * (0.3 + 0.3 * random.float()), () => {
    trace(`${lost.map(({ number }) => number).join(' ')} are lost${isForGood ? ' for good' : ''}`)
    for (const host of lost) host.retire('unsynced')
  })
  if (!isForGood) timeline.after(plan.healAtMs, () => lost.forEach((host) => host.comeBack()))
}
