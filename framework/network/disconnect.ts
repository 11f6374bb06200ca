import type { PeerId } from '#framework/primitives'
import { CloseReasons, type CloseReason } from './close-reason.js'

/** The end of the last connection with a peer. */
export interface Disconnect {
  readonly peer: PeerId
  readonly reason: CloseReason
  /** We ended it; the peer did, and said why; or it broke without a word, as when the peer was killed. */
  readonly by: 'us' | 'peer' | 'nobody'
}

/** @param isOurs Whether this side has decided to end it. */
export function disconnectOf(peer: PeerId, reason: CloseReason, isOurs: boolean): Disconnect {
  if (isOurs) return { peer, reason, by: 'us' }
  const { UnexpectedClose, Timeout } = CloseReasons
  const isBroken = reason.code === UnexpectedClose.code || reason.code === Timeout.code
  return { peer, reason, by: isBroken ? 'nobody' : 'peer' }
}
