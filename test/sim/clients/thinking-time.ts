import type { Random } from '#framework/primitives'

/** Once in a thousand times it would be longer; and who thought through the calm end of a world would not have got on. */
const timesMeanMax = 7

/** How long a client thinks between two operations: chance has no memory, up to seven times the mean. */
export function thinkingMs(random: Random, meanMs: number): number {
  return Math.min(-Math.log(1 - random.float()), timesMeanMax) * meanMs
}
