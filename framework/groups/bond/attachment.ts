import { digestOfParts, bytesOf, type PeerId } from '#framework/primitives'
import type { BondRole } from './handshake.js'

/** How many members a reader has bonds with. */
export const READER_BONDS = 3

/** With how many of the members of its group a node has bonds: a member with all, a reader with a few. */
export function bondsWantedBy(role: BondRole): number {
  return role === 'member' ? Infinity : READER_BONDS
}

/**
 * Which members a reader prefers: the least. Each reader has an order of its own, and keeps it while members come and go,
 * so that readers spread evenly (rendezvous hashing: Thaler and Ravishankar, 1998).
 */
export function attachmentRank(reader: PeerId, member: PeerId): string {
  return digestOfParts(bytesOf(reader), bytesOf(member))
}
