import { MosaikError } from '#framework/primitives'
import type { Lane } from './lanes.js'

/** Everything about bonds that is bounded, and by how much. */
export interface BondLimits {
  /** Groups that one node may be in. Default 1024. */
  readonly groupsMax: number
  /** Bonds of one group on one node; one more is refused. Default 256. */
  readonly bondsMax: number
  /** Dials of one group at a time; more wait for their turn. Default 16. */
  readonly dialsMax: number
  /** How long connecting to a peer may take, in milliseconds. Default 5000. */
  readonly connectTimeoutMs: number
  /** How long a handshake may take in all, in milliseconds. Default 2000. */
  readonly handshakeTimeoutMs: number
  /** How long saying goodbye may take, in milliseconds. Default 500. */
  readonly departureMs: number
  /**
   * Bytes that may wait on each lane of a bond for the network to take them, 64 added for each message; a message that
   * finds more is refused. One that finds the lane empty is taken however long it is. Default: control 256 KiB, bulk
   * 4 MiB, sync and forward 1 MiB each.
   */
  readonly laneBytesMax: Readonly<Record<Lane, number>>
}

export const defaultBondLimits: BondLimits = Object.freeze({
  groupsMax: 1_024,
  bondsMax: 256,
  dialsMax: 16,
  connectTimeoutMs: 5_000,
  handshakeTimeoutMs: 2_000,
  departureMs: 500,
  laneBytesMax: Object.freeze({
    control: 256 * 1024,
    bulk: 4 * 1024 * 1024,
    sync: 1024 * 1024,
    forward: 1024 * 1024,
  }),
})

/**
 * The defaults with these changes.
 *
 * @throws {MosaikError} `LIMIT_INVALID`, naming the first that is not a number greater than 0.
 */
export function bondLimitsOf(changes: Partial<BondLimits>): BondLimits {
  const limits: BondLimits = { ...defaultBondLimits, ...changes }
  const { laneBytesMax, ...plain } = limits
  const lanes = Object.entries(laneBytesMax).map(([lane, value]) => [`laneBytesMax.${lane}`, value] as const)
  for (const [name, value] of [...Object.entries(plain), ...lanes]) {
    if (Number.isFinite(value) && value > 0) continue
    throw new MosaikError('LIMIT_INVALID', `${name} must be a number greater than 0, not ${value}`, {
      details: { name },
    })
  }
  return limits
}
