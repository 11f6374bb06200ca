import type { Clock, Logger, NetworkId, Random } from '#framework/primitives'
import type { Identity } from './identity.js'
import type { NetworkLimits } from './limits.js'
import type { NetworkMetrics } from './metrics.js'
import type { NetworkKey } from './network-key.js'
import type { RttTracker } from './rtt/rtt-tracker.js'
import type { Transports } from './transports.js'

/** What the parts of one host share. */
export interface HostContext {
  /** As members know it; see {@link NetworkKey.id}. */
  readonly network: NetworkId
  readonly networkKey: NetworkKey
  readonly identity: Identity
  /** Which start of this identity this is; random. */
  readonly instance: string
  readonly limits: NetworkLimits
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: NetworkMetrics
  readonly transports: Transports
  readonly rtt: RttTracker
}
