import type { PeerId } from '#framework/primitives'
import type { MemberId } from './types.js'

const SEPARATOR = '/'

/** @param incarnation What the storage calls itself: hexadecimal text. */
export function memberIdOf(peerId: PeerId, incarnation: string): MemberId {
  return `${peerId}${SEPARATOR}${incarnation}` as MemberId
}

/**
 * A peer that is to be a voter and was not there when the group was founded: nobody has this id, as storages draw theirs,
 * but it counts. The peer takes the place of it as that of any former incarnation.
 */
export function absentMember(peerId: PeerId): MemberId {
  return memberIdOf(peerId, '0'.repeat(16))
}

/** The peer that a member is an incarnation of. */
export function peerIdOf(member: MemberId): PeerId {
  return member.slice(0, member.indexOf(SEPARATOR)) as PeerId
}
