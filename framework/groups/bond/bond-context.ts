import type { Discovery, Introductions } from '#framework/discovery'
import type { Host } from '#framework/network'
import type { Clock, Logger, Random } from '#framework/primitives'
import type { BondDirectory } from './bond-directory.js'
import type { BondLimits } from './bond-limits.js'
import type { Hearts } from './hearts.js'
import type { BondMetrics } from './metrics.js'

/** What the groups of one node have in common. */
export interface BondContext {
  readonly host: Host
  readonly discovery: Discovery
  readonly introductions: Introductions
  readonly directory: BondDirectory
  readonly hearts: Hearts
  readonly limits: BondLimits
  readonly metrics: BondMetrics
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}
