import type { PeerId } from '#framework/primitives'
import type { MemberId } from './types.js'

const SEPARATOR = '/'

/** @param incarnation What the storage calls itself: hexadecimal text. */
export function memberIdOf(peerId: PeerId, incarnation: string): MemberId {
  return `${peerId}${SEPARATOR}${incarnation}` as MemberId
}

/** The peer that a member is an incarnation of. */
export function peerIdOf(member: MemberId): PeerId {
  return member.slice(0, member.indexOf(SEPARATOR)) as PeerId
}
