import type { Discovery, Introductions } from '#framework/discovery'
import type { Host } from '#framework/network'
import type { Clock, Logger, Random } from '#framework/primitives'
import type { BondDirectory } from './bond-directory.js'
import type { BondLimits } from './bond-limits.js'
import type { Hearts } from './hearts.js'
import type { BondMetrics } from './metrics.js'

/** As much of a host as bonds need: who this node is, and links to others. */
export type BondHost = Pick<Host, 'peerId' | 'metrics' | 'connections' | 'connect' | 'handle' | 'open'>

/** As much of discovery as bonds need: who else is in a group, and to be found there oneself. */
export type BondDiscovery = Pick<
  Discovery,
  'catalog' | 'me' | 'signedEntry' | 'signOfLife' | 'feed' | 'addGroups' | 'removeGroups'
>

/** What the groups of one node have in common. */
export interface BondContext {
  readonly host: BondHost
  readonly discovery: BondDiscovery
  readonly introductions: Introductions
  readonly directory: BondDirectory
  readonly hearts: Hearts
  readonly limits: BondLimits
  readonly metrics: BondMetrics
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}
