import type { Clock, Logger, NetworkId, PeerId, Random } from '#framework/primitives'
import type { Identity } from './identity.js'
import type { NetworkLimits } from './limits.js'
import type { NetworkMetrics } from './metrics.js'
import type { NetworkKey } from './network-key.js'
import type { RttTracker } from './rtt/rtt-tracker.js'
import type { Transports } from './transports.js'

/** Who wants to know at which address other peers see us. */
export interface ObservedAddressListener {
  /**
   * An admitted peer says so.
   *
   * @param address As the peer wrote it, at most 256 characters; nobody has judged it yet.
   * @param direction Of the connection on which it was said, as we see it.
   */
  note(by: PeerId, address: string, direction: 'inbound' | 'outbound'): void
}

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
  readonly observed?: ObservedAddressListener
}
